"""A traced command of a scenario, the states in which a power cut would leave its home, and a start in each."""

import pickle
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fxd.config import load_settings
from fxd.store.records import Run
from fxd.store.store import open_store

from .attempt import let_pass, misbehaviour
from .disk import Disk, File
from .image import BARE, LEAST, Image, State, image_of
from .operations import Link, MakeFolder, Operation, Remove, Rename, Sync, Told
from .promise import Expectation, broken_in_the_end, broken_meanwhile
from .scenario import (
    DEADLINE_SECONDS,
    DRAIN,
    EXIT_CODES,
    PLAIN,
    RETRAIN,
    Scenario,
    copy_home,
    environment,
    run_well,
)
from .supervisor import Supervisor
from .syscalls import Reader, strace

CUTTING = (Sync, Rename, Link, Remove, MakeFolder, Told)
"""Around these a power cut may leave something else than before."""


@dataclass(frozen=True)
class Acknowledged:
    """What the command has told, and so must be there after a power cut."""

    runs: frozenset[str]
    champion: str | None = None


@dataclass
class Traced:
    """A scenario, and the trace of its command; both lie in `folder`, so that it can be gone on with."""

    scenario: Scenario
    folder: Path

    @property
    def before(self) -> Path:
        return self.folder / "before"

    @property
    def home(self) -> Path:
        """As the command left it."""
        return self.folder / "home"

    @property
    def is_complete(self) -> bool:
        return (self.folder / "operations").exists()

    def make(self) -> None:
        """Prepare the home, and trace the command in a copy. Raises RuntimeError, NotModelled."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        expected = self.scenario.prepare(self.before)
        copy_home(self.before, self.home)
        trace, said = self.folder / "trace", self.folder / "said"
        with said.open("wb") as output:
            done = subprocess.run(
                [
                    *strace(trace),
                    sys.executable,
                    "-m",
                    "fxd",
                    "--home",
                    str(self.home),
                    *self.scenario.command,
                ],
                cwd=self.home,
                env=environment(),
                stdout=output,
                stderr=output,
                timeout=DEADLINE_SECONDS,
                check=False,
            )
        if done.returncode not in EXIT_CODES:
            raise RuntimeError(f"{self.scenario.name} ended with {done.returncode}: {said.read_text()}")
        if broken := self.undone(expected):
            raise RuntimeError(f"{self.scenario.name} did not do its work: {broken}: {said.read_text()}")
        operations = list(Reader(self.home, said).operations(trace))
        trace.unlink()
        for name, facts in (("expected", expected), ("operations", operations)):
            (self.folder / name).write_bytes(pickle.dumps(facts))
        self.check_model()

    def undone(self, expected: Expectation) -> list[str]:
        """What the command has left to do; a file that waits beside a retraining is left to a daemon."""
        home = self.home
        if self.scenario.command == RETRAIN:
            home = self.folder / "drained"
            copy_home(self.home, home)
            run_well(PLAIN, home, DRAIN)
        broken = broken_in_the_end(home, expected)
        if home != self.home:
            shutil.rmtree(home)
        return broken

    @cached_property
    def expected(self) -> Expectation:
        expected = pickle.loads((self.folder / "expected").read_bytes())
        assert isinstance(expected, Expectation)
        return expected

    @cached_property
    def operations(self) -> list[Operation]:
        return list(pickle.loads((self.folder / "operations").read_bytes()))

    def check_model(self) -> None:
        """Raises RuntimeError where the disk in the end does not hold what the home does."""
        modelled, real = Disk(self.before), Disk(self.home)
        for operation in [*self.operations, *map(Sync, everything(self.home))]:
            modelled.apply(operation)
        state = State(self.scenario.name, len(self.operations), "ordered", LEAST)
        found, there = image_of(modelled, state), image_of(real, state)
        if found.folders != there.folders or contents(found) != contents(there):
            raise RuntimeError(f"{self.scenario.name}: the trace does not lead to what came of it")

    @cached_property
    def cuts(self) -> list[int]:
        """The numbers of operations after which the power is cut."""
        last = len(self.operations)
        around = [n for n, operation in enumerate(self.operations) if isinstance(operation, CUTTING)]
        return sorted({*around, *(number + 1 for number in around), last})

    def states(self, draws: int) -> list[State]:
        """For every cut the bare ones, and so many drawn at random for each way of losing."""
        name = self.scenario.name
        bare = [("strict", LEAST), ("ordered", LEAST), ("ordered", BARE)]
        drawn = [(way, draw) for draw in range(1, draws + 1) for way in ("strict", "ordered")]
        return [State(name, cut, way, draw) for way, draw in [*bare, *drawn] for cut in self.cuts]  # type: ignore[arg-type]

    def images(self, states: Iterable[State]) -> Iterator[tuple[State, Image]]:
        """What the home is in these states; not in their order."""
        of_cut: dict[int, list[State]] = defaultdict(list)
        for state in states:
            of_cut[state.cut].append(state)
        disk = Disk(self.before)
        for cut, operation in enumerate([*self.operations, None]):
            for state in of_cut[cut]:
                yield state, image_of(disk, state, self.endings)
            if operation is not None:
                disk.apply(operation)

    @cached_property
    def endings(self) -> dict[int, tuple[int, int]]:
        """Of files that are still there in the end: how many changes they saw, and when the last one was (ns)."""
        disk = Disk(self.before)
        for operation in self.operations:
            disk.apply(operation)
        numbers = {file: number for number, file in enumerate(disk.files)}
        found: dict[int, tuple[int, int]] = {}
        for path in everything(self.home):
            if isinstance(file := disk.find(path), File):
                found[numbers[file]] = file.changes, (self.home / path).stat().st_mtime_ns
        return found

    @cached_property
    def came_of_it(self) -> tuple[list[Run], str | None]:
        """The runs that the command recorded, and the model that served in the end."""
        with open_store(load_settings(self.home).database_url) as store:
            runs = [run for run in store.runs(1_000_000) if run.id not in self.expected.runs]
            champion = store.champion()
        return runs, champion and champion.id

    def acknowledged(self, cut: int) -> Acknowledged:
        """What had been told by then."""
        said = "".join(one.text for one in self.operations[:cut] if isinstance(one, Told))
        runs, champion = self.came_of_it
        told = {run.id for run in runs if re.search(RUN_TOLD[run.state].format(re.escape(run.file)), said)}
        return Acknowledged(frozenset(told), champion if "promoted: " in said else None)

    def key(self, state: State, image: Image) -> str:
        """The same for two states between which there is nothing to tell apart."""
        acknowledged = self.acknowledged(state.cut)
        return f"{image.digest()}-{len(acknowledged.runs)}-{acknowledged.champion}"


RUN_TOLD = {"done": r"(?m)\b{}: [\d.]+ s, dsp", "failed": r"(?m)\b{}: .*; it lies in inbox/failed$"}


def everything(home: Path) -> list[str]:
    return ["", *(str(path.relative_to(home)) for path in sorted(home.rglob("*")))]


def contents(image: Image) -> dict[str, bytes]:
    return {name: image.contents[file] for name, file in image.names.items()}


@dataclass
class Outcome:
    """What came of a state."""

    violations: list[str]
    told: str = ""
    seconds: float = 0.0

    def recover(self, supervisor: Supervisor, home: Path, command: tuple[str, ...]) -> None:
        code, told = supervisor.run(home, command)
        self.told += f"--- fxd {' '.join(command)}: exit {code}\n{told}\n"
        if code not in EXIT_CODES or misbehaviour(code, told):
            self.violations.append(f"recovery: fxd {command[0]} ended with {code}")


def restart(supervisor: Supervisor, traced: Traced, state: State, image: Image, home: Path) -> Outcome:
    """Start again on an image, in the folder `home`, which is made anew; check the promise before and after."""
    began = time.monotonic()
    shutil.rmtree(home, ignore_errors=True)
    image.write(home)
    outcome = Outcome([f"at once: {told}" for told in broken_meanwhile(home, traced.expected)])
    for command in traced.scenario.recovery:
        outcome.recover(supervisor, home, command)
    if let_pass(home):
        outcome.recover(supervisor, home, DRAIN)
    outcome.violations += broken_in_the_end(home, traced.expected)
    outcome.violations += forgotten(home, traced.acknowledged(state.cut))
    outcome.seconds = time.monotonic() - began
    return outcome


def forgotten(home: Path, acknowledged: Acknowledged) -> Iterator[str]:
    """What somebody was told, and is no more."""
    with open_store(load_settings(home).database_url) as store:
        runs = {run.id for run in store.runs(1_000_000)}
        promoted = {promotion.model_id for promotion in store.promotions()}
    for run in sorted(acknowledged.runs - runs):
        yield f"forgotten: run {run}, which was told"
    # It need not serve any more: the retraining after the restart may have made a better one.
    if acknowledged.champion is not None and acknowledged.champion not in promoted:
        yield f"forgotten: {acknowledged.champion} was promoted, as was told"
