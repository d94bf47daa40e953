"""On which files the imitation is how good: their distribution, and those that are worst."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from fxd.insight.heard import Heard
from fxd.insight.report.logbook import Logbook, Rows, newest_of_each
from fxd.insight.stats import Summary, summarise
from fxd.store.measurements import text_key
from fxd.store.records import Run
from fxd.store.store import Store

WORST = 10
MOST_BARS = 40
WIDTHS_DB = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class FileRow:
    """A file, as its newest run went."""

    run_id: str
    file: str
    finished_at: datetime
    seconds: float
    sample_rate: int
    channels: int
    esr_db: float
    model: str
    heard: Heard
    """Whether that model was trained on it."""
    runs: int
    """Of this sound, in the window, whatever it was called."""
    traits: str = ""
    """What it sounds like, in a few words."""


@dataclass(frozen=True)
class Distribution:
    """How many files had which error in their newest run."""

    edges: tuple[float, ...]
    """In dB, one more than there are counts."""
    new: tuple[int, ...]
    """Files that their model was not trained on."""
    heard: tuple[int, ...]
    """The others."""
    others: str
    """What these are: those that it was trained on, those of which nobody knows, or both."""
    new_summary: Summary
    heard_summary: Summary

    @property
    def files(self) -> int:
        return sum(self.new) + sum(self.heard)


@dataclass(frozen=True)
class Material:
    """The newest run of each file that was compared, worst last; a copy under another name is the same file."""

    rows: Rows
    runs: Rows
    """How many there were of each."""

    def __len__(self) -> int:
        return len(self.rows)


def material_of(log: Logbook, rows: Rows) -> Material:
    """The files among `rows`."""
    compared = rows[np.isfinite(log.esr_db[rows])]
    if not len(compared):
        return Material(compared, compared)
    newest, count = newest_of_each(log.sound, compared)
    order = np.argsort(log.esr_db[newest], kind="stable")
    return Material(newest[order], count[order])


def distribution_of(log: Logbook, material: Material) -> Distribution:
    values, is_new = log.esr_db[material.rows], log.new[material.rows]
    edges = edges_of(float(values[0]), float(values[-1])) if len(values) else np.zeros(1)
    new, known = (np.histogram(values[mask], edges)[0].tolist() for mask in (is_new, ~is_new))
    return Distribution(
        tuple(edges.tolist()),
        tuple(new),
        tuple(known),
        name_of_others(set(log.heard[material.rows].tolist())),
        summarise(values[is_new]),
        summarise(values[~is_new]),
    )


def name_of_others(kinds: set[int]) -> str:
    named = {Heard.YES: "trained on", Heard.UNKNOWN: "not known whether trained on"}
    return " or ".join(name for kind, name in named.items() if kind in kinds) or named[Heard.YES]


def edges_of(low: float, high: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Round steps that hold all from low to high, at most `MOST_BARS` of them."""
    width = next((step for step in WIDTHS_DB if (high - low) / step <= MOST_BARS - 2), WIDTHS_DB[-1])
    first, last = np.floor(low / width), np.floor(high / width) + 1
    return np.arange(first, last + 1) * width


def describe(store: Store, log: Logbook, material: Material, chosen: Sequence[int]) -> dict[int, FileRow]:
    """The files at these places of `material`, by place, with what the store knows of them."""
    rows = [int(material.rows[place]) for place in chosen]
    found: dict[tuple[datetime, int], Run] = {}
    for run in store.runs_finished_at({log.time(row) for row in rows}):
        found[run.finished_at, text_key(run.file)] = run
    described = {}
    for place, row in zip(chosen, rows, strict=True):
        # A run may have been removed since.
        newest = found.get((log.time(row), int(log.file[row])))
        if newest is not None:
            described[place] = file_row(newest, log, row, int(material.runs[place]))
    return described


def file_row(run: Run, log: Logbook, row: int, runs: int) -> FileRow:
    return FileRow(
        run_id=run.id,
        file=run.file,
        finished_at=run.finished_at,
        seconds=run.seconds,
        sample_rate=run.sample_rate,
        channels=run.channels,
        esr_db=float(log.esr_db[row]),
        model=log.models[log.model[row]] if log.model[row] >= 0 else "",
        heard=Heard(int(log.heard[row])),
        runs=runs,
    )


def worst_of(store: Store, log: Logbook, material: Material) -> dict[int, FileRow]:
    """The files with the largest error by their place in `material`, worst first."""
    last = len(material) - 1
    return describe(store, log, material, range(last, max(last - WORST, -1), -1))
