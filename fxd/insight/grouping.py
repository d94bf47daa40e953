"""Runs by model, day, week, host, sample rate or file: what each group says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fxd.insight.calendar import periods
from fxd.insight.counting import Counted
from fxd.insight.heard import Heard
from fxd.insight.machines import labels, machine_codes
from fxd.insight.question import By
from fxd.insight.sparkline import course_of
from fxd.insight.stats import Series, Summary, figure_json, iso, summarise
from fxd.local_time import utc
from fxd.store.measurements import Measurements, Texts

NO_MODEL = "no model"
"""Where a run has no result of the tcn."""
LARGE_IS_BETTER = frozenset(("x_realtime", "si_sdr_db"))


@dataclass(frozen=True)
class Group:
    """What the runs of one group say."""

    name: str
    first_at: datetime
    last_at: datetime
    runs: int
    cold: int
    heard: int
    figures: dict[Series, Summary]
    courses: dict[Series, list[float]]
    """The values that count, oldest first; many as some medians."""


class Grouping:
    """The groups of many runs, each put together only when it is asked for: a log may hold a million files."""

    def __init__(self, counted: Counted, by: By) -> None:
        self.counted, self.by = counted, by
        self.codes, self.names = codes_of(counted.measured, by)
        self.order = np.argsort(self.codes, kind="stable")
        sizes = np.bincount(self.codes, minlength=len(self.names))
        self.ends = np.cumsum(sizes)
        self.starts = self.ends - sizes
        self.values = {series: counted.values(series) for series in counted.series}

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[Group]:
        return (self.group(code) for code in self.ranked())

    def rows(self, code: int) -> NDArray[np.intp]:
        """The rows of a group, oldest first."""
        return self.order[self.starts[code] : self.ends[code]]

    def group(self, code: int) -> Group:
        rows = self.rows(code)
        at = self.counted.measured.finished_at
        figures, courses = {}, {}
        for series, values in self.values.items():
            own = values[rows]
            own = own[~np.isnan(own)]
            figures[series], courses[series] = summarise(own), course_of(own)
        return Group(
            self.names[code],
            utc(at[rows[0]]),
            utc(at[rows[-1]]),
            len(rows),
            int(self.counted.cold[rows].sum()),
            int((self.counted.heard[rows] == Heard.YES).sum()),
            figures,
            courses,
        )

    def ranked(self) -> list[int]:
        """The groups in the order in which they are told.

        Days and weeks newest first, models and hosts by their newest run; sample rates from low to high; files
        from the worst on, by the median of the first measure, those without any last.
        """
        if self.by == "sample-rate":
            return sorted(range(len(self)), key=lambda code: int(self.names[code]))
        if self.by == "file":
            return self.worst_first()
        newest = self.order[self.ends - 1] if len(self) else self.ends
        return cast("list[int]", np.argsort(-newest, kind="stable").tolist())

    def worst_first(self) -> list[int]:
        series = next(iter(self.values))
        middles = medians(self.codes, self.values[series], len(self))
        badness = -middles if series[1] in LARGE_IS_BETTER else middles
        by_name = sorted(range(len(self)), key=self.names.__getitem__)
        return sorted(by_name, key=lambda code: -badness[code] if badness[code] == badness[code] else np.inf)


def codes_of(measured: Measurements, by: By) -> tuple[NDArray[Any], list[str]]:
    """Of each row the place of its group in the list of names."""
    match by:
        case "model":
            return of_texts(measured.version["tcn"])
        case "file":
            return of_texts(measured.file)
        case "host":
            codes, machines = machine_codes(measured)
            names = labels(machines)
            return dense(codes, [names[machine] for machine in machines])
        case "sample-rate":
            rates, codes = np.unique(np.asarray(measured.sample_rate), return_inverse=True)
            return codes, [str(rate) for rate in rates.tolist()]
        case _:
            return periods(np.asarray(measured.finished_at), by)


def of_texts(column: Texts) -> tuple[NDArray[Any], list[str]]:
    codes = np.asarray(column.codes)
    if (codes < 0).any():
        return dense(codes + 1, [NO_MODEL, *column.texts])
    return codes, column.texts


def dense(codes: NDArray[Any], names: Sequence[str]) -> tuple[NDArray[Any], list[str]]:
    """The same without names that no row has."""
    used, codes = np.unique(codes, return_inverse=True)
    return codes, [names[code] for code in used.tolist()]


def medians(codes: NDArray[Any], values: NDArray[np.float64], groups: int) -> NDArray[np.float64]:
    """The median of the values of each group that are not nan, [groups]; nan where there is none.

    codes 0 0 0 1, values 5 nan 3 7: sorted in groups 3 5 | 7, so 4 and 7.
    """
    known = ~np.isnan(values)
    codes, values = codes[known], values[known]
    values = values[np.lexsort((values, codes))]
    sizes = np.bincount(codes, minlength=groups)
    starts = np.cumsum(sizes) - sizes
    found = np.full(groups, np.nan)
    some = sizes > 0
    low, high = (starts + (sizes - 1) // 2)[some], (starts + sizes // 2)[some]
    found[some] = (values[low] + values[high]) / 2
    return found


def group_json(group: Group) -> dict[str, Any]:
    figures: dict[str, dict[str, Any]] = {}
    for (engine, measure), summary in group.figures.items():
        figures.setdefault(engine, {})[measure] = figure_json(summary)
    return {
        "group": group.name,
        "first_at": iso(group.first_at),
        "last_at": iso(group.last_at),
        "runs": group.runs,
        "warm_up": group.cold,
        "heard": group.heard,
        "figures": figures,
    }
