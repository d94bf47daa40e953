"""A measured number: its median over the repetitions, and how sure that is."""

import math
from collections.abc import Sequence
from typing import Any

from fxd.bootstrap import median_interval

Figure = dict[str, Any]

BUSY = 0.5
"""Load, the programs that wanted a core in the minute before, from which on a machine was not idle."""
ENOUGH = 6
"""Repetitions from which on an interval of the median is more than the range: of five values or fewer, more than
2.5 % of all resamples have the smallest one as their median, so that the interval ends there."""


def figure(values: Sequence[float]) -> Figure:
    """`{"n", "median", "ci95": [low, high], "values"}`; the interval is that of `fxd stats`.

    >>> figure([3.0, 1.0, 2.0])["median"]
    2.0
    """
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = (ordered[middle] + ordered[~middle]) / 2
    low, high = median_interval(ordered) if len(ordered) > 1 else (ordered[0], ordered[0])
    return {"n": len(ordered), "median": median, "ci95": [low, high], "values": list(values)}


def quotient(numerators: Sequence[float], denominators: Sequence[float]) -> Figure:
    """Round by round one over the other: what slowed a whole round down falls out."""
    return figure([one / other for one, other in zip(numerators, denominators, strict=True)])


def finite(value: float) -> float | None:
    """The value as JSON knows it: no number where it is nan or infinite."""
    return value if math.isfinite(value) else None
