"""Every point of a scenario, side by side, as long as it takes; it goes on where it was interrupted itself."""

import json
import os
import random
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue

from .aftermath import ALL, NEVER
from .attempt import ALL_DIE, ERRORS, ONE_DIES, TRACE, Outcome, Point, Prepared, attempt
from .scenario import ROOT, Role
from .supervisor import Supervisor
from .trace import WRITTEN_NOW_AND_THEN, Site, calls_in

NEIGHBOURS = (0, 1, -1, 2)
"""Where a call is looked for that was not hit: some calls are made now and then, by the clock."""


@dataclass(frozen=True)
class Target:
    """A call that was seen, and what is to happen in it."""

    scenario: str
    role: Role
    what: str
    site: Site
    count: int

    @property
    def key(self) -> str:
        return f"{self.scenario}:{self.role}:{self.what}:{self.site}"

    def point(self, off: int = 0) -> Point:
        return Point(self.scenario, self.role, self.what, self.site.call, max(1, self.count + off))


def source_hash() -> str:
    """Of fxd and of the explorer: what was found out about other sources is not believed."""
    digest = sha256()
    for folder in (ROOT / "fxd", ROOT / "tests" / "crash"):
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def prepared(supervisor: Supervisor, name: str, folder: Path) -> Prepared:
    scenario = ALL[name]
    home = folder / name
    return Prepared(scenario, home, scenario.prepare(home, supervisor))


def targets_of(supervisor: Supervisor, ready: Prepared, role: Role, folder: Path) -> Iterator[Target]:
    """All that can be interrupted in one process, as an undisturbed run shows it."""
    point = Point(ready.scenario.name, role, ERRORS[0], "rename", NEVER)
    attempt(supervisor, ready, point, folder)
    for call in calls_in(folder / TRACE, folder / "home"):
        if call.site is None or (call.site.nth > 1 and is_by_the_clock(call.site)):
            continue
        ends = (ALL_DIE,) if role == "main" else (ALL_DIE, ONE_DIES)
        for what in (*ends, *ERRORS):
            yield Target(ready.scenario.name, role, what, call.site, call.count)


def is_by_the_clock(site: Site) -> bool:
    return any(name in site.paths for name in WRITTEN_NOW_AND_THEN)


def chosen(targets: Sequence[Target], number: int, seed: int) -> list[Target]:
    """A sample with as many kinds as possible of process, what happens, and call; the seed decides."""
    draw = random.Random(seed)
    kinds: dict[tuple[str, ...], list[Target]] = {}
    for target in draw.sample(targets, len(targets)):
        kinds.setdefault((target.scenario, target.role, target.what, target.site.call), []).append(target)
    rounds = max(map(len, kinds.values()), default=0)
    order = draw.sample(list(kinds.values()), len(kinds))
    dealt = [kind[turn] for turn in range(rounds) for kind in order if turn < len(kind)]
    return dealt[:number]


class Record:
    """What was found out, one JSON object a line: the explorer goes on from it."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.sources = source_hash()
        self.lock = threading.Lock()
        self.known: dict[str, dict[str, object]] = {}
        if path is not None and path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                if entry["sources"] == self.sources:
                    self.known[entry["key"]] = entry

    def add(self, target: Target, outcome: Outcome) -> None:
        entry = {"key": target.key, "sources": self.sources, **outcome.facts()}
        with self.lock:
            self.known[target.key] = entry
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(entry) + "\n")


def seek(supervisor: Supervisor, ready: Prepared, target: Target, folder: Path) -> Outcome:
    """Interrupt a scenario in this very call; where that misses, in a neighbour of it."""
    outcome = attempt(supervisor, ready, target.point(), folder)
    for off in NEIGHBOURS[1:]:
        if outcome.violations or outcome.hit == target.site:
            break
        outcome = attempt(supervisor, ready, target.point(off), folder)
    return outcome


def explore(
    ready: dict[str, Prepared],
    targets: Iterable[Target],
    record: Record,
    jobs: int,
    on_outcome: Callable[[Target, Outcome], None],
) -> None:
    """Try all that the record does not know yet, `jobs` at a time."""
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fxd-crash-")))
        # On one core a worker has no second thread, and all its calls are in the one that is traced.
        homes = [(folder / str(job), cores[job % len(cores)]) for job in range(jobs)]
        free: SimpleQueue[tuple[Path, Supervisor]] = SimpleQueue()
        for home, core in homes:
            free.put((home, stack.enter_context(Supervisor(home / "supervisor", core))))

        def work(target: Target) -> tuple[Target, Outcome]:
            home, supervisor = mine = free.get()
            try:
                return target, seek(supervisor, ready[target.scenario], target, home / "attempt")
            finally:
                free.put(mine)

        pool = stack.enter_context(ThreadPoolExecutor(jobs))
        waiting = [pool.submit(work, target) for target in targets if target.key not in record.known]
        try:
            for done in as_completed(waiting):
                target, outcome = done.result()
                record.add(target, outcome)
                on_outcome(target, outcome)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
