"""`fxd bench`: measure, list what was measured, compare two of them."""

import json
import sys
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from rich.console import Console
from rich.progress import Progress

from fxd.config import Settings
from fxd.insight.bench.compare import compare_benches
from fxd.insight.bench.extent import QUICK, Extent
from fxd.insight.bench.report import markdown, print_bench, print_comparison, print_table
from fxd.insight.bench.sections import Section
from fxd.log import warn_only
from fxd.store.records import Bench
from fxd.store.store import StoreError, open_store

Output = Literal["table", "json", "markdown"]

LISTED = 50
"""Benchmarks that `--list` shows."""
MEASURING = ("--preset", "--model", "--repetitions", "--quick")
"""Options that say what a new benchmark measures."""


def bench(
    settings: Settings,
    files: Sequence[Path],
    presets: Sequence[str],
    models: Sequence[str],
    extent: Extent,
    output: Output,
) -> int:
    """Measure, keep what was measured, and print it."""
    from fxd.insight.bench.measure import run_bench
    from fxd.insight.bench.subjects import choose_subjects

    warn_only()
    with open_store(settings.database_url) as store:
        subjects = choose_subjects(settings, store, presets, models)
        with Steps() as steps:
            done = run_bench(settings, files, subjects, extent, steps.step)
        show(done, output)  # before it is kept: where that fails, minutes of measuring are not in vain
        store.add_bench(done)
    if output == "table":
        print(f"Kept as {done.id}; `fxd bench --compare` compares the two newest.")
    return 0


def show(done: Bench, output: Output) -> None:
    if output == "json":
        print(json.dumps(done.document, indent=2, allow_nan=False))
    elif output == "markdown":
        print(markdown(done.document), end="")
    else:
        print_bench(Console(emoji=False), done.document)


def clash(given: Collection[str]) -> str:
    """Two of the options given that do not go together, in words; else nothing.

    >>> clash(["--compare", "--markdown"])
    '--compare and --markdown do not go together'
    """
    apart = [("--list", "--compare"), ("--list", "FILE"), ("--json", "--markdown")]
    apart += [(shows, other) for shows in ("--list", "--compare") for other in (*MEASURING, "--markdown")]
    both = next((pair for pair in apart if set(pair) <= set(given)), None)
    return f"{both[0]} and {both[1]} do not go together" if both else ""


def extent_of(repetitions: int | None, quick: bool) -> Extent:
    extent = QUICK if quick else Extent()
    return replace(extent, repetitions=repetitions) if repetitions else extent


def list_benches(settings: Settings, as_json: bool) -> int:
    """Print the newest benchmarks, newest first."""
    with open_store(settings.database_url) as store:
        kept = store.benches(LISTED)
    if as_json:
        print(json.dumps([listed(one) for one in kept], indent=2))
    elif not kept:
        print("No benchmark yet: `fxd bench` makes one.")
    else:
        rows = [
            [one.id, f"{one.started_at.astimezone():%Y-%m-%d %H:%M}", one.environment.host, one.fxd]
            for one in kept
        ]
        columns = ("id", "started", "host", "fxd")
        print_table(Console(emoji=False), Section("Benchmarks, newest first", columns, len(columns), rows))
    return 0


def listed(one: Bench) -> dict[str, str]:
    return {
        "id": one.id,
        "started_at": one.started_at.isoformat(),
        "host": one.environment.host,
        "cpu": one.environment.cpu,
        "fxd": one.fxd,
        "settings_hash": one.settings_hash,
    }


def compare(settings: Settings, names: Sequence[str], as_json: bool) -> int:
    """Compare two benchmarks, the two newest where none are named.

    Raises StoreError where there are no two.
    """
    with open_store(settings.database_url) as store:
        if names:
            old, new = (store.find_bench(name) for name in names)
        else:
            newest = store.benches(2)
            if len(newest) < 2:
                there = "only one" if newest else "none yet"
                raise StoreError(f"--compare takes two benchmarks, there is {there}; `fxd bench` makes one")
            new, old = newest
    compared = compare_benches(old, new)
    if as_json:
        print(json.dumps(compared, indent=2, allow_nan=False))
    else:
        print_comparison(Console(emoji=False), compared)
    return 0


class Steps(AbstractContextManager["Steps"]):
    """Tells what is measured now: a bar on a terminal, else a line for each phase; always on stderr.

    The bar is drawn between two measurements only: one that redraws itself would take the processor's time
    from what is timed.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bar = Progress(console=self.console, transient=True, auto_refresh=False)
        self.task = self.bar.add_task("", total=1.0)
        self.phase = ""

    def step(self, what: str, done: float) -> None:
        """`what` comes next; `done` of all is done, from 0 to 1."""
        if self.console.is_terminal:
            self.bar.update(self.task, description=what, completed=done)
            self.bar.refresh()
        elif (phase := what.partition(":")[0]) != self.phase:
            self.phase = phase
            print(f"{100 * done:3.0f} %  {phase}", file=sys.stderr, flush=True)

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.console.is_terminal:
            self.bar.stop()
