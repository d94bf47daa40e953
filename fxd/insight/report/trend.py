"""A measure over time, in as few numbers as a picture needs: each run of few, else medians by time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from fxd.insight.heard import Heard
from fxd.insight.report.logbook import Floats, Logbook, moment

MOST_POINTS = 300
"""Runs that are drawn one by one."""
MOST_BINS = 120
MOST_MARKS = 24

MarkKind = Literal["change", "promotion", "settings", "environment"]
MarkOf = Literal["", "error", "speed", "elsewhere"]


@dataclass(frozen=True)
class Mark:
    """Something that happened, to be shown where it did."""

    at: datetime
    kind: MarkKind
    text: str
    """One plain sentence without its full stop."""
    of: MarkOf = ""
    """In which of the two pictures it belongs; in both if empty, in none if it is of another machine's speed."""


@dataclass(frozen=True)
class Point:
    """One run."""

    at: datetime
    value: float
    file: str
    heard: Heard


@dataclass(frozen=True)
class Bin:
    """The runs of a stretch of time."""

    start: datetime
    end: datetime
    n: int
    low: float
    """The lower quartile."""
    median: float
    high: float


@dataclass(frozen=True)
class Trend:
    """A measure over time."""

    name: str
    """dsp or tcn."""
    n: int
    points: tuple[Point, ...] = ()
    bins: tuple[Bin, ...] = ()
    """One of the two is empty."""


def trend_of(name: str, log: Logbook, values: Floats, files: Sequence[str | None]) -> Trend:
    """What `values`, a column of `log` in which nan is nothing, were over time.

    `files` are the names of all rows, or empty where there are too many to draw each.
    """
    rows = np.flatnonzero(np.isfinite(values))
    if files and len(rows) <= MOST_POINTS:
        points = (
            Point(log.time(row), float(values[row]), files[row] or "", Heard(int(log.heard[row])))
            for row in rows.tolist()
        )
        return Trend(name, len(rows), points=tuple(points))
    return Trend(name, len(rows), bins=bins_of(log.at[rows], values[rows]))


def bins_of(at: Floats, values: Floats) -> tuple[Bin, ...]:
    """At most `MOST_BINS` stretches of time, all as long; those without a run are left out."""
    if not len(at):
        return ()
    edges = np.linspace(at[0], at[-1], min(MOST_BINS, len(at)) + 1)
    cuts = np.searchsorted(at, edges[1:-1])
    found = []
    for part, times in zip(np.split(values, cuts), np.split(at, cuts), strict=True):
        if len(part):
            low, median, high = np.percentile(part, (25, 50, 75)).tolist()
            found.append(Bin(moment(float(times[0])), moment(float(times[-1])), len(part), low, median, high))
    return tuple(found)
