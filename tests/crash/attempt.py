"""One point: a copy of a home, a command that is interrupted in one call, the start after it, the promise."""

import os
import re
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self, get_args

from .order import strays
from .promise import Expectation, broken_in_the_end, broken_meanwhile
from .scenario import DRAIN, EXIT_CODES, Role, Scenario, copy_home
from .supervisor import Supervisor
from .trace import Call, Injection, Site, calls_in

ALL_DIE, ONE_DIES = "KILL", "DEATH"
ERRORS = ("ENOSPC", "EIO", "EACCES")
ORDERLY = (0, 1, 3)
"""Exit codes of a command that met an error: done, failed with a reason, something quarantined."""
BUG = "Traceback"
UNLOGGED = re.compile("--- Logging error in Loguru.*?--- End of logging error ---", re.DOTALL)
PAST_SECONDS = 2 * 86_400
TRACE = "trace"


@dataclass(frozen=True)
class Point:
    """Where and how a scenario is interrupted."""

    scenario: str
    role: Role
    what: str
    """`KILL`: the whole tree dies there; `DEATH`: that process alone; else the error that the call fails with."""
    call: str
    count: int

    def __str__(self) -> str:
        return f"{self.scenario}:{self.role}:{self.what}:{self.call}:{self.count}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The point that `str` gave. Raises ValueError where it is none."""
        scenario, role, what, call, count = text.split(":")
        if role not in get_args(Role):
            raise ValueError(f"{text}: no process is called {role}")
        return cls(scenario, role, what, call, int(count))  # type: ignore[arg-type]

    @property
    def injection(self) -> Injection:
        what = "KILL" if self.what in (ALL_DIE, ONE_DIES) else self.what
        return Injection(self.call, self.count, what)


@dataclass
class Outcome:
    """What came of a point."""

    point: Point
    hit: Site | None = None
    """The call in which it was interrupted; None where it came to its end before."""
    violations: list[str] = field(default_factory=list)
    told: str = ""
    """What the interrupted command and the recoveries said."""
    seconds: float = 0.0

    def facts(self) -> dict[str, Any]:
        return {
            "point": str(self.point),
            "hit": self.hit and asdict(self.hit),
            "violations": self.violations,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class Prepared:
    """A scenario whose home is ready to be copied."""

    scenario: Scenario
    home: Path
    expected: Expectation


def attempt(supervisor: Supervisor, prepared: Prepared, point: Point, folder: Path) -> Outcome:
    """Interrupt, start again, check. `folder` is made anew, and holds the home and the trace afterwards."""
    began = time.monotonic()
    outcome = Outcome(point)
    code, outcome.told = interrupted(supervisor, prepared.scenario, prepared.home, point, folder)
    home, trace = folder / "home", folder / TRACE
    outcome.hit = hit(trace, home, point)
    if point.what in ERRORS and outcome.hit is None:
        return outcome  # some other file was refused
    outcome.violations += [f"at once: {told}" for told in broken_meanwhile(home, prepared.expected)]
    if point.what != ALL_DIE:
        outcome.violations += misbehaviour(code, outcome.told)
    for command in prepared.scenario.recovery:
        recover(supervisor, home, command, outcome)
    if let_pass(home):
        recover(supervisor, home, DRAIN, outcome)
    outcome.violations += broken_in_the_end(home, prepared.expected)
    outcome.seconds = time.monotonic() - began
    return outcome


def recover(supervisor: Supervisor, home: Path, command: tuple[str, ...], outcome: Outcome) -> None:
    code, told = supervisor.run(home, command)
    outcome.told += f"\n--- fxd {' '.join(command)}: exit {code}\n{told}"
    if code not in EXIT_CODES or misbehaviour(code, told):
        outcome.violations.append(f"recovery: fxd {command[0]} ended with {code}")


def let_pass(home: Path) -> bool:
    """Let two days pass for what goes only when it is old; False where there is nothing of the kind."""
    # Not for what lies in them: an output, which may be visible too, is known again by its time.
    found = strays(home)
    for path in found:
        os.utime(path, times=(time.time() - PAST_SECONDS,) * 2, follow_symlinks=False)
    return bool(found)


def interrupted(
    supervisor: Supervisor, scenario: Scenario, home: Path, point: Point, folder: Path
) -> tuple[int, str]:
    """Run the command of a scenario into a point, in a copy of a home. Returns its exit code and what it said."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    copy_home(home, folder / "home")
    return supervisor.run_traced(
        folder / "home",
        scenario.command,
        point.role,
        folder / TRACE,
        point.injection,
        all_die=point.what == ALL_DIE,
    )


def misbehaviour(code: int, told: str) -> list[str]:
    """A command that meets an error ends with a line that says so."""
    found = [f"ended with code {code}"] if code not in ORDERLY else []
    # Loguru shows one where a line cannot be written into the log file, and goes on.
    return [*found, "ended with a traceback"] if BUG in UNLOGGED.sub("", told) else found


def hit(trace: Path, home: Path, point: Point) -> Site | None:
    """The call in the home in which the traced process was interrupted."""
    calls = list(calls_in(trace, home))
    if point.what in ERRORS:
        return next((call.site for call in calls if call.injected), None)
    return calls[-1].site if calls and is_wanted(calls[-1], point) else None


def is_wanted(last: Call, point: Point) -> bool:
    return not last.returned and (last.name, last.count) == (point.call, point.count)
