"""Two models, versions, hosts or weeks side by side: how far apart they are, and how sure that is.

A sound that was processed several times on one side counts once, with the median. Where both sides processed the
same sounds, each is set against itself (paired), which takes the differences between sounds out:

    sound      first  second   second - first
    guitar     -30.1   -32.0             -1.9
    bass       -41.0   -43.3             -2.3     the median of this column, with its bootstrap interval
    drums      -35.5   -37.6             -2.1

Where none is shared, the medians of the two sides are set against each other (unpaired), which tells less.
Quality is paired only where the saturator was the same too: with another one it is another target. What is a
duration, a size or an energy is compared as a ratio, through logarithms; decibels as a difference.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fxd.bootstrap import FEWEST, SEED, median_interval, resampled_medians
from fxd.insight.counting import Counted, runs
from fxd.insight.grouping import medians
from fxd.insight.heard import Heard, heard_rows, keys_of
from fxd.insight.machines import timing_between
from fxd.insight.sides import Side, rows_of
from fxd.insight.stats import QUALITY, TIMING, Series
from fxd.store.measurements import Measurements
from fxd.store.store import Store

LEVEL = 0.05
MANY = 100
"""Pairs of which the bootstrap interval of a median is as sure as it says."""
RATIOS = TIMING | {"esr", "mae", "mrstft", "output_bytes"}
"""Measures of which a multiple says more than a difference."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """One measure of the two sides."""

    series: Series
    paired: bool
    files: tuple[int, int]
    """How many sounds; of each side where not paired."""
    medians: tuple[float | None, float | None]
    change: float | None = None
    """The second against the first: the difference, or the ratio. None where there are too few sounds."""
    interval: tuple[float, float] | None = None
    """95 %."""
    chance: float = 0.0
    """How often equals would point one way as clearly; of few pairs only, as the interval is too bold then."""

    @property
    def is_ratio(self) -> bool:
        return self.series[1] in RATIOS

    @property
    def is_apart(self) -> bool:
        """Whether the interval holds no "just as much"."""
        level = 1.0 if self.is_ratio else 0.0
        return self.interval is not None and not self.interval[0] <= level <= self.interval[1]

    @property
    def is_sure(self) -> bool:
        """Whether a difference may be claimed."""
        return self.is_apart and self.chance <= LEVEL


@dataclass(frozen=True)
class SideBySide:
    """All that is compared, and what is not."""

    sides: tuple[Side, Side]
    counted: Counted
    rows: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    """Of each side."""
    heard: int
    """Sounds that are left out of quality."""
    unnamed: int
    """Runs of which nobody knows the sound."""
    same_settings: bool
    """Whether both ran with one and the same saturator."""

    def compared(self) -> list[Compared]:
        return [self.compare(series) for series in self.counted.series]

    def compare(self, series: Series) -> Compared:
        """One measure: paired where a sound is shared, else unpaired."""
        measured = self.counted.measured
        keys = np.asarray(measured.content_key)
        if series[1] in QUALITY:
            keys = mixed(keys, np.asarray(measured.version["dsp"].codes))
        values = self.counted.values(series)
        if series[1] in RATIOS:
            values = np.log(values, where=values > 0, out=np.full(len(values), np.nan))
        (first, a), (second, b) = (self.by_sound(rows, keys, values) for rows in self.rows)
        _, in_a, in_b = np.intersect1d(first, second, assume_unique=True, return_indices=True)
        if len(in_a):
            return paired(series, a[in_a], b[in_b])
        return unpaired(series, a, b)

    def by_sound(
        self, rows: NDArray[np.bool_], keys: NDArray[np.int64], values: Floats
    ) -> tuple[NDArray[np.int64], Floats]:
        """The sounds of one side that have a value, and the median of each."""
        rows = rows & (np.asarray(self.counted.measured.content_key) != 0) & ~np.isnan(values)
        sounds, codes = np.unique(keys[rows], return_inverse=True)
        return sounds, medians(codes, values[rows], len(sounds))

    def notes(self) -> list[str]:
        """What is left out and why, in sentences."""
        measures = {measure for _, measure in self.counted.series}
        said = []
        if measures & TIMING:
            said += [self.counted.timing.told] if self.counted.timing.told else []
            if cold := int((self.counted.cold & (self.rows[0] | self.rows[1])).sum()):
                said.append(f"left out of timing: {runs(cold)} of cold workers")
        if measures & set(QUALITY):
            if self.heard:
                either = "either model" if self.sides[0].kind == "model" else "the model of the run"
                said.append(f"left out of quality: {files(self.heard)} that {either} had trained on")
            if not self.same_settings:
                said.append(
                    "they did not run with the same saturator only, and the error is measured against the one of "
                    "each run: sounds are paired where it was the same"
                )
        if self.unnamed:
            said.append(f"left out: {runs(self.unnamed)} of which an older fxd did not record the sound")
        return said


def side_by_side(
    store: Store, measured: Measurements, sides: tuple[Side, Side], series: tuple[Series, ...]
) -> SideBySide:
    """Two sides, and what of `measured` counts; it holds content keys and the columns of `series`."""
    first, second = (rows_of(side, measured) for side in sides)
    either = first | second
    keys = np.asarray(measured.content_key)
    heard = heard_rows(store.trained_on, measured)
    if sides[0].kind == "model":
        # What only one of the two knows would not be told of both by the same rule.
        for side in sides:
            heard[either & np.isin(keys, keys_of(store.trained_on(side.name) or frozenset()))] = Heard.YES
    timing = timing_between(store, measured, first, second)
    counted = Counted(measured, np.asarray(measured.warm_up) != 0, heard, timing, series)
    settings = np.asarray(measured.version["dsp"].codes)
    return SideBySide(
        sides,
        counted,
        (first, second),
        heard=len(np.unique(keys[either & (heard == Heard.YES)])),
        unnamed=int((either & (keys == 0)).sum()),
        same_settings=len(np.unique(settings[either & (settings >= 0)])) < 2,
    )


def mixed(keys: NDArray[np.int64], codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """A key for each pair of a key and a code: 64 bits, so that two of a million pairs hardly ever meet."""
    factor = np.int64(-7046029254386353131)  # odd, so that no two codes give one summand
    return keys + (codes.astype(np.int64) + 1) * factor


def paired(series: Series, a: Floats, b: Floats) -> Compared:
    """Sound by sound: the median of the changes and its interval."""
    found = Compared(series, True, (len(a), len(a)), (middle(series, a), middle(series, b)))
    if len(a) < FEWEST:
        return found
    changes = np.sort(b - a)
    low, high = median_interval(changes)
    return replace(concluded(found, float(np.median(changes)), low, high), chance=chance(changes))


def chance(changes: Floats) -> float:
    """The two-sided p-value of the exact sign test; 0 for MANY changes and more, where the interval is enough.

    Of 13 pairs of equals the bootstrap calls one in ten apart, of 7 one in eight; together with this test at most
    one in twenty. What did not change counts for neither side.

    >>> chance(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])), chance(np.array([1.0, 2.0, 3.0, 4.0, 5.0, -6.0]))
    (0.03125, 0.21875)
    """
    count = len(changes)
    if count >= MANY:
        return 0.0
    fewer = count - max(int((changes > 0).sum()), int((changes < 0).sum()))
    ways: int = sum(math.comb(count, one) for one in range(fewer + 1))
    return min(1.0, 2 * ways / 2.0**count)


def unpaired(series: Series, a: Floats, b: Floats) -> Compared:
    """The medians of two sides that share no sound. Each side is resampled for itself.

    Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, section 8.3.
    """
    found = Compared(series, False, (len(a), len(b)), (middle(series, a), middle(series, b)))
    if min(len(a), len(b)) < FEWEST:
        return found
    draws = resampled_medians(np.sort(b), SEED + 1) - resampled_medians(np.sort(a), SEED)
    low, high = np.percentile(draws, (2.5, 97.5)).tolist()
    return concluded(found, float(np.median(b) - np.median(a)), low, high)


def concluded(found: Compared, change: float, low: float, high: float) -> Compared:
    if found.is_ratio:
        change, low, high = np.exp((change, low, high)).tolist()
    return replace(found, change=change, interval=(low, high))


def middle(series: Series, values: Floats) -> float | None:
    if not len(values):
        return None
    found = float(np.median(values))
    return float(np.exp(found)) if series[1] in RATIOS else found


def files(count: int) -> str:
    return f"{count:,} file" if count == 1 else f"{count:,} files"


def compared_json(one: Compared, sentence: str) -> dict[str, Any]:
    engine, measure = one.series
    return {
        "engine": engine,
        "measure": measure,
        "paired": one.paired,
        "files": list(one.files),
        "medians": list(one.medians),
        "scale": "ratio" if one.is_ratio else "difference",
        "change": one.change,
        "ci95": None if one.interval is None else list(one.interval),
        "chance": one.chance if one.paired and one.change is not None else None,
        "sure": one.is_sure,
        "verdict": sentence,
    }
