"""By how much one group of runs differs from another, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fxd.bootstrap import SEED, median_interval, resampled_medians
from fxd.insight.report.logbook import Floats, Logbook, Mask, Rows, newest_of_each


@dataclass(frozen=True)
class Shift:
    """By how much a level differs in the second group from the first, with its interval."""

    difference: float
    low: float
    high: float
    before: int
    after: int
    """So many values there were."""
    paired: bool
    """The same sounds before and after."""


def same_sounds(pairs: Floats) -> Shift:
    """Of differences of the same sounds, with an interval of 95 %."""
    low, high = median_interval(np.sort(pairs))
    return Shift(float(np.median(pairs)), low, high, len(pairs), len(pairs), True)


def paired(log: Logbook, values: Floats, before: Rows, after: Rows) -> Floats:
    """New value less old one of each content that is among both, by its newest run there."""
    before, after = (rows[log.content[rows] != 0] for rows in (before, after))
    if not len(before) or not len(after):
        return np.zeros(0)
    old, new = newest_of_each(log.content, before)[0], newest_of_each(log.content, after)[0]
    _, where_old, where_new = np.intersect1d(
        log.content[old], log.content[new], assume_unique=True, return_indices=True
    )
    return np.asarray(values[new[where_new]] - values[old[where_old]])


def unpaired(values: Floats, before: Mask, after: Mask, fewest: int, sure: float = 95.0) -> Shift | None:
    """Of the medians of different sounds, with an interval of `sure` percent; None where one side has too few."""
    old, new = values[before], values[after]
    if min(len(old), len(new)) < fewest:
        return None
    drawn = resampled_medians(np.sort(new), SEED) - resampled_medians(np.sort(old), SEED + 1)
    low, high = np.percentile(drawn, (50 - sure / 2, 50 + sure / 2)).tolist()
    return Shift(float(np.median(new) - np.median(old)), low, high, len(old), len(new), False)
