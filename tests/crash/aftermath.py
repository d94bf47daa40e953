"""Scenarios in which what is interrupted is the recovery: homes whose daemon was killed before."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from .attempt import ALL_DIE, TRACE, Point, interrupted
from .promise import Expectation
from .scenario import DRAIN, SCENARIOS, Scenario, home_with_files
from .supervisor import Supervisor
from .trace import Call, calls_in

NEVER = 65_535
"""No call is made so often, and strace counts no further."""


def home_killed_at(
    is_there: Callable[[Call], bool], home: Path, supervisor: Supervisor | None = None
) -> Expectation:
    """A home with files whose daemon was killed in the first call of which `is_there` holds."""
    if supervisor is None:
        with Supervisor(home.with_name(f"{home.name}.supervisor")) as own:
            return home_killed_at(is_there, home, own)
    expected = home_with_files(home, supervisor)
    folder = home.with_name(f"{home.name}.killed")

    def run(point: Point) -> None:
        interrupted(supervisor, SCENARIOS["drop"], home, point, folder)

    run(Point("drop", "main", ALL_DIE, "rename", NEVER))
    call = next(call for call in calls_in(folder / TRACE, folder / "home") if is_there(call))
    run(Point("drop", "main", ALL_DIE, call.name, call.count))
    shutil.rmtree(home)
    (folder / "home").rename(home)
    shutil.rmtree(folder)
    return expected


def is_half_published(call: Call) -> bool:
    return call.site is not None and call.site.paths.endswith("outbox/sub/riff.2.dsp.wav")


def is_half_committed(call: Call) -> bool:
    """In the middle of the first transaction: SQLite's journal has to be rolled back."""
    return call.site is not None and (call.name, call.site.paths) == ("pwrite64", "db/fxd.sqlite3")


def is_half_archived(call: Call) -> bool:
    return call.site is not None and call.name == "unlink" and call.site.paths.endswith("/sub/riff.wav")


ALL = SCENARIOS | {
    name: Scenario(name, partial(home_killed_at, is_there), DRAIN)
    for name, is_there in (
        ("recover-published", is_half_published),
        ("recover-committed", is_half_committed),
        ("recover-archived", is_half_archived),
    )
}
