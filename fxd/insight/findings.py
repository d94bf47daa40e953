"""What changed in the log, from when, by how much, and what else changed at that moment.

A change is *confirmed* when its new level has lasted for SEGMENT runs of the series: before, it cannot be
told from a few bad runs, and nothing is said of it. From when on is known as well as the noise lets it be: 95
% of all times the true moment lies within 11 (noise / step)^2 runs of the one found (Bai, "Estimation of a
change point in multiple regression models", 1997), times the length of the blocks where runs resemble their
neighbours. Events there, or with the run before or after, are said to coincide. That they are the cause is
not known; that nothing else changed is.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from fxd.insight.changes import Cut, find_changes, outliers
from fxd.insight.energy import NORMAL_MAD, resemblance
from fxd.insight.events import Log, events_between, moment_of
from fxd.insight.series import COLUMNS, Series, series_of
from fxd.store.records import Change
from fxd.store.store import Store

RUNS = 10_000
"""So many of the newest are looked at."""
ARGMAX_95 = 11.0
"""Of the Brownian motion that places the best cut, the 97.5 % quantile (Bai 1997, equation 12)."""


@dataclass(frozen=True)
class Outlier:
    """A single run that is far from its neighbours, which is no change."""

    series: str
    run_id: str
    file: str
    at: datetime
    value: float
    usual: float
    """The median of its series."""


@dataclass(frozen=True)
class Findings:
    """What a look at the newest runs came to."""

    runs: int
    series: tuple[tuple[str, int], ...]
    """Names of those that were looked at, and how many runs each has."""
    changes: tuple[Change, ...]
    """Oldest first, as if they had not been known."""
    outliers: tuple[Outlier, ...]
    """Oldest first."""
    since: datetime
    """A change from then on would be found again if it was there: the first runs of a longer log are too few."""


def look(store: Store, last: int = RUNS, now: datetime | None = None) -> Findings:
    """Look for changes among the newest runs. Reads only."""
    now = now or datetime.now(UTC)
    measured = store.measurements(COLUMNS, last=last, with_names=True, with_content_keys=True)
    if not len(measured):
        return Findings(0, (), (), (), now)
    log = Log(measured, store.promotions())
    watched = series_of(measured, store.trained_on)
    cuts = find_changes([one.values for one in watched], [one.floor for one in watched])
    changes = [
        change
        for one, found in zip(watched, cuts, strict=True)
        for change in changes_of(log, one, found, now)
    ]
    single = [outlier for one in watched for outlier in outliers_of(log, one)]
    begin = 0 if len(measured) < last else len(measured) // 10
    return Findings(
        runs=len(measured),
        series=tuple((one.name, len(one.rows)) for one in watched),
        changes=tuple(sorted(changes, key=lambda change: change.at)),
        outliers=tuple(sorted(single, key=lambda outlier: outlier.at)),
        since=moment_of(measured, begin),
    )


def changes_of(log: Log, series: Series, cuts: Sequence[Cut], now: datetime) -> list[Change]:
    """Each with its size, its moment and what coincides."""
    bounds = [0, *(cut.index for cut in cuts), len(series.rows)]
    found = []
    for number, cut in enumerate(cuts):
        start, end = bounds[number], bounds[number + 2]
        step = series.step(slice(start, cut.index), slice(cut.index, end))
        reach = uncertainty(series, start, cut.index, end)
        first, last = max(start + 1, cut.index - reach), min(end - 1, cut.index + reach)
        row = int(series.rows[cut.index])
        found.append(
            Change(
                series=series.name,
                run_id=log.measured.run_id[row],
                at=moment_of(log.measured, row),
                earliest=moment_of(log.measured, int(series.rows[first - 1])),
                latest=moment_of(log.measured, int(series.rows[last])),
                before=step.before,
                after=step.after,
                low=step.low,
                high=step.high,
                chance=cut.chance,
                found_at=now,
                events=events_between(log, series, first, last),
            )
        )
    return found


def uncertainty(series: Series, start: int, cut: int, end: int) -> int:
    """By how many runs the true moment may be off."""
    sides = series.values[start:cut], series.values[cut:end]
    step = abs(float(np.median(sides[1]) - np.median(sides[0])))
    noise = np.concatenate([side - np.median(side) for side in sides])
    spread = NORMAL_MAD * float(np.median(np.abs(noise)))
    return max(1, math.ceil(ARGMAX_95 * (spread / step) ** 2 * resemblance(noise))) if step else end - start


def outliers_of(log: Log, series: Series) -> list[Outlier]:
    measured, usual = log.measured, series.in_units(float(np.median(series.values)))
    found = []
    for place in outliers(series.values, series.floor):
        row = int(series.rows[place])
        value = series.in_units(float(series.values[place]))
        at, file = moment_of(measured, row), measured.file[row] or ""
        found.append(Outlier(series.name, measured.run_id[row], file, at, value, usual))
    return found
