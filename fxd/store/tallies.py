"""How many runs there are of what kind, counted in the database: a million of them never leave it.

A histogram counts values up to and including each bound, and those above all of them, each value once:

    bounds      1   2.5   5
    values      0.3 1.0 | 2.0 | | 7.1
    counts      2   1     0   1
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from sqlalchemy import ColumnElement, Connection, Double, Label, case, cast, func, literal, null, select

from fxd.store.database import Database
from fxd.store.tables import results, runs

BOUNDS: dict[str, tuple[float, ...]] = {
    "queue_seconds": (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 3_600, 21_600),
    "engine_seconds": (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
    "x_realtime": (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000),
}
LENGTH = cast(runs.c.frames, Double) / func.nullif(runs.c.sample_rate, 0)


@dataclass
class Histogram:
    counts: list[int]
    """[bounds + 1]."""
    sum: float = 0.0

    def add(self, other: "Histogram") -> None:
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.sum += other.sum


@dataclass
class Tally:
    """What a number of runs amount to."""

    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Of those that failed, in full."""
    audio_seconds: float = 0.0
    """Of those that are done."""
    histograms: dict[tuple[str, str], Histogram] = field(default_factory=dict)
    """By measure and engine, `queue_seconds` with "" for the engine; of warm workers, done."""

    def add(self, other: Self) -> None:
        self.states += other.states
        self.reasons += other.reasons
        self.audio_seconds += other.audio_seconds
        for key, histogram in other.histograms.items():
            self.histogram(*key).add(histogram)

    def histogram(self, measure: str, engine: str = "") -> Histogram:
        """This one, made where it is new."""
        empty = Histogram([0] * (len(BOUNDS[measure]) + 1))
        return self.histograms.setdefault((measure, engine), empty)

    def count(self, measure: str, engine: str, bucket: int | None, count: int, total: float) -> None:
        """Add so many values of one bucket, and their sum; nothing where they have none."""
        if bucket is not None:
            histogram = self.histogram(measure, engine)
            histogram.counts[bucket] += count
            histogram.sum += float(total)


class Tallies(Database):
    """The part of the store that counts runs."""

    def tally(self, since: datetime | None, before: datetime, about: int) -> tuple[Tally, datetime]:
        """The first `about` runs that finished from `since` on and before `before`, and where the next begin.

        Where SQLite has no write-ahead log, who reads keeps others from writing: so one part after the other.
        """
        times = select(runs.c.finished_at).order_by(runs.c.finished_at).limit(1).offset(about)
        times = times.where(runs.c.finished_at < before)
        if since is not None:
            # Not from `since` itself on: more than `about` runs of one moment would be counted for ever.
            times = times.where(runs.c.finished_at > since)
        with self.read() as connection:
            until = connection.execute(times).scalar() or before
            return tally_of(connection, since, until), until

    def tally_since(self, since: datetime) -> tuple[Tally, int]:
        """All runs that finished from `since` on, and how many runs there are in all, at the same moment."""
        with self.read() as connection:
            count = connection.execute(select(func.count()).select_from(runs)).scalar_one()
            return tally_of(connection, since, None), count


def tally_of(connection: Connection, since: datetime | None, until: datetime | None) -> Tally:
    within: list[ColumnElement[bool]] = []
    if since is not None:
        within.append(runs.c.finished_at >= since)
    if until is not None:
        within.append(runs.c.finished_at < until)
    found = Tally()
    count_runs(connection, found, within)
    count_results(connection, found, within)
    if found.states["failed"]:
        # Not `= "failed"`: for that SQLite takes the index of the states, and reads all that ever failed.
        reasons = select(runs.c.reason, func.count()).where(*within, runs.c.state != "done")
        found.reasons.update(dict(connection.execute(reasons.group_by(runs.c.reason)).all()))
    return found


def count_runs(connection: Connection, found: Tally, within: Sequence[ColumnElement[bool]]) -> None:
    is_done, is_warm = case((runs.c.state == "done", 1), else_=0), case((runs.c.warm_up, 0), else_=1)
    groups = (is_done, is_warm, bucket("queue_seconds", runs.c.queue_seconds))
    sums = (func.count(), func.sum(LENGTH), func.sum(runs.c.queue_seconds))
    for done, warm, number, count, length, queued in connection.execute(
        select(*groups, *sums).where(*within).group_by(*groups)
    ):
        found.states["done" if done else "failed"] += count
        if done:
            found.audio_seconds += length or 0.0
            found.count("queue_seconds", "", number if warm else None, count, queued)


def count_results(connection: Connection, found: Tally, within: Sequence[ColumnElement[bool]]) -> None:
    took = results.c.engine_seconds
    pace = LENGTH / func.nullif(took, 0)
    groups = (results.c.engine, bucket("engine_seconds", took), bucket("x_realtime", pace))
    query = (
        select(*groups, func.count(), func.sum(took), func.sum(pace))
        # An inner join SQLite would begin with all the results that there are.
        .outerjoin_from(runs, results, results.c.run_id == runs.c.id)
        .where(*within, runs.c.state != "failed", runs.c.warm_up.is_(False))
        .group_by(*groups)
    )
    for engine, took_number, pace_number, count, seconds, paces in connection.execute(query):
        found.count("engine_seconds", engine, took_number, count, seconds)
        found.count("x_realtime", engine, pace_number, count, paces)


def bucket(measure: str, value: ColumnElement[Any]) -> Label[int | None]:
    """In which bucket of the measure's histogram a value belongs; NULL where there is none."""
    found = search(BOUNDS[measure], value, 0, len(BOUNDS[measure]))
    return case((value.is_(None), null()), else_=found).label(f"{measure}_bucket")


def search(bounds: Sequence[float], value: ColumnElement[Any], low: int, high: int) -> ColumnElement[int]:
    """The first of the buckets `low` to `high` that takes the value, by halves: there is a million of them."""
    if low == high:
        return literal(low)
    middle = (low + high) // 2
    left, right = search(bounds, value, low, middle), search(bounds, value, middle + 1, high)
    return case((value <= bounds[middle], left), else_=right)
