"""`python -m tests.crash.power`: cuts the power at every moment, and checks the promise each time."""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from .aftermath import ALL
from .image import Image, State
from .progress import Progress
from .replay import Outcome, Traced, restart
from .scenario import ROOT
from .supervisor import Supervisor

PYTHON = "python -m tests.crash.power"
MEMORY = Path("/dev/shm")
"""A restart there waits for no disk."""


def main() -> int:
    """0 where the promise was kept in every state."""
    options = arguments()
    if shutil.which("strace") is None:
        print("strace is missing: install it with `apt-get install strace`", file=sys.stderr)
        return 2
    if options.replay:
        return replay(State.parse(options.replay), options.folder)
    return cut_all(options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=PYTHON, description=__doc__)
    add = parser.add_argument
    add("--scenario", action="append", choices=ALL, help="only this one; may be repeated")
    add("--draws", type=int, default=2, help="random states for each cut, in each of two ways to lose data")
    add("--sample", type=int, metavar="N", help="so many states only, drawn at random")
    add("--seed", type=int, default=0, help="of the sample")
    add("--jobs", type=int, default=2, help="states side by side")
    add("--folder", type=Path, default=ROOT / "build" / "power", help="for the traces and what was found out")
    add("--resume", action="store_true", help="go on with what lies in that folder, if fxd is still the same")
    add("--replay", metavar="STATE", help="one state of that folder; tells all, and keeps the home")
    return parser.parse_args()


def cut_all(options: argparse.Namespace) -> int:
    record = Record(options.folder, options.resume)
    traced = {name: record.traced(name) for name in options.scenario or ALL}
    states = [state for one in traced.values() for state in one.states(options.draws)]
    if options.sample:
        states = random.Random(options.seed).sample(states, min(options.sample, len(states)))
    # The bare states of all scenarios first, then one draw after the other.
    images = distinct(traced, states)
    print(f"{len(states)} states, of which {len(images)} differ", flush=True)
    progress = Progress(sum(key not in record.known for key in images))

    def show(state: State, outcome: Outcome) -> None:
        progress.tell(f"{PYTHON} --replay {state}", outcome.violations)

    with tempfile.TemporaryDirectory(prefix="fxd-power-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        try:
            restart_all(traced, images, record, options.jobs, Path(name), show)
        except KeyboardInterrupt:
            print("interrupted; go on with --resume")
    found = [record.known[key] for key in images if key in record.known]
    print(table(traced, states, images, record))
    return 0 if len(found) == len(images) and not any(entry["violations"] for entry in found) else 1


def distinct(traced: dict[str, Traced], states: Iterable[State]) -> dict[str, State]:
    """By what tells it from others, one state of each kind."""
    found: dict[str, State] = {}
    for one in traced.values():
        for state, image in one.images([state for state in states if state.scenario == one.scenario.name]):
            found.setdefault(f"{state.scenario}-{one.key(state, image)}", state)
    return found


def source_hash() -> str:
    """Of fxd and of what judges it: what was found out about other sources is not believed."""
    digest = sha256()
    for folder in (ROOT / "fxd", ROOT / "tests" / "crash"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class Record:
    """The traces, and what was found out, one JSON object a line: what it is gone on from."""

    def __init__(self, folder: Path, resume: bool) -> None:
        self.folder = folder
        self.path = folder / "results.jsonl"
        self.lock = threading.Lock()
        sources = folder / "sources"
        if not (resume and sources.exists() and sources.read_text() == source_hash()):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            sources.write_text(source_hash())
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        self.known: dict[str, dict[str, Any]] = {entry["key"]: entry for entry in map(json.loads, lines)}

    def traced(self, name: str) -> Traced:
        traced = Traced(ALL[name], self.folder / name)
        if not traced.is_complete:
            print(f"tracing {name}", flush=True)
            traced.make()
        return traced

    def add(self, key: str, state: State, outcome: Outcome) -> None:
        seconds = round(outcome.seconds, 2)
        entry = {"key": key, "state": str(state), "violations": outcome.violations, "seconds": seconds}
        with self.lock:
            self.known[key] = entry
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry) + "\n")


def restart_all(
    traced: dict[str, Traced],
    images: dict[str, State],
    record: Record,
    jobs: int,
    folder: Path,
    on_outcome: Callable[[State, Outcome], None],
) -> None:
    """Restart in all that the record does not know yet, `jobs` at a time."""
    room = threading.Semaphore(2 * jobs)  # an image is in memory from here on
    cores = sorted(os.sched_getaffinity(0))
    supervisors: SimpleQueue[Supervisor] = SimpleQueue()

    def work(key: str, state: State, image: Image) -> None:
        supervisor = supervisors.get()
        try:
            outcome = restart(supervisor, traced[state.scenario], state, image, supervisor.folder / "home")
            record.add(key, state, outcome)
            on_outcome(state, outcome)
        finally:
            supervisors.put(supervisor)
            room.release()

    with ExitStack() as stack, ThreadPoolExecutor(jobs) as pool:
        for number in range(jobs):
            supervisor = Supervisor(folder / str(number), cores[number % len(cores)])
            supervisors.put(stack.enter_context(supervisor))
        waiting: list[Future[None]] = []
        try:
            for key, state, image in in_rounds(traced, images, record):
                room.acquire()
                waiting.append(pool.submit(work, key, state, image))
            for done in waiting:
                done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def in_rounds(
    traced: dict[str, Traced], images: dict[str, State], record: Record
) -> Iterator[tuple[str, State, Image]]:
    """What is not known yet: of all scenarios the bare states first, then one draw after the other."""
    unknown = {state: key for key, state in images.items() if key not in record.known}
    for draw in sorted({max(0, state.draw) for state in unknown}):
        for name, one in traced.items():
            states = [s for s in unknown if s.scenario == name and max(0, s.draw) == draw]
            for state, image in one.images(states):
                yield unknown[state], state, image


def table(
    traced: dict[str, Traced], states: Sequence[State], images: dict[str, State], record: Record
) -> str:
    """A row for each scenario: cuts, states, those that differ, restarts, violations, seconds of one job."""
    rows: dict[str, list[int]] = {}
    for name, one in traced.items():
        keys = [key for key, state in images.items() if state.scenario == name]
        found = [record.known[key] for key in keys if key in record.known]
        broken = sum(entry["violations"] != [] for entry in found)
        seconds = round(sum(entry["seconds"] for entry in found))
        of_it = sum(state.scenario == name for state in states)
        rows[name] = [len(one.cuts), of_it, len(keys), len(found), broken, seconds]
    rows["all"] = [sum(column) for column in zip(*rows.values(), strict=True)]
    heads = ("cuts", "states", "differ", "restarts", "violations", "seconds")
    lines = [f"{'scenario':<20}" + "".join(f"{head:>11}" for head in heads)]
    lines += [f"{name:<20}" + "".join(f"{number:>11}" for number in row) for name, row in rows.items()]
    return "\n".join(lines)


def replay(state: State, folder: Path) -> int:
    """One state of the traces in a folder, verbosely; its home stays."""
    traced = Traced(ALL[state.scenario], folder / state.scenario)
    if not traced.is_complete:
        print(f"{folder} holds no trace of {state.scenario}: run {PYTHON} first", file=sys.stderr)
        return 2
    for number, operation in enumerate(traced.operations[max(0, state.cut - 12) : state.cut]):
        print(f"{max(0, state.cut - 12) + number + 1:>6} {str(operation)[:120]}")
    home = Path(tempfile.mkdtemp(prefix="fxd-power-replay-")) / "home"
    ((_, image),) = traced.images([state])
    image.write(home.with_name("cut"))
    with Supervisor(home.with_name("supervisor")) as supervisor:
        outcome = restart(supervisor, traced, state, image, home)
    print(outcome.told)
    print("\n".join(outcome.violations) or "the promise was kept")
    print(f"after the cut: {home.with_name('cut')}, after the restart: {home}")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
