"""A course of values as a line of blocks, the newest at the right: ▁▂▂▃▅▇█."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BLOCKS = "▁▂▃▄▅▆▇█"
LEVEL = "▄"
"""Where nothing changes."""


COURSE = 24
"""Blocks that a course has at most."""


def course_of(values: NDArray[np.float64]) -> list[float]:
    """COURSE medians of many finite values, from which `sparkline` draws the same; fewer values as they are."""
    import numpy as np

    if len(values) <= COURSE:
        return [float(value) for value in values]
    return [float(np.median(part)) for part in np.array_split(values, COURSE)]


def sparkline(values: Sequence[float], width: int) -> str:
    """At most `width` blocks for `values`, oldest first: each is the median of as many of them as any other.

    The lowest block is the least of these medians, the highest the greatest. Only finite numbers count.

    >>> sparkline([1, 2, 3, 4], 8), sparkline([1, 1, 9, 9], 2), sparkline([5, 5], 8), sparkline([math.nan], 8)
    ('▁▃▆█', '▁█', '▄▄', '')
    """
    finite = [value for value in values if math.isfinite(value)]
    count = min(width, len(finite))
    edges = [len(finite) * place // count for place in range(count + 1)] if count else []
    levels = [median(finite[low:high]) for low, high in pairwise(edges)]
    if not levels:
        return ""
    low, high = min(levels), max(levels)
    if low == high:
        return LEVEL * count
    return "".join(BLOCKS[round((level - low) / (high - low) * (len(BLOCKS) - 1))] for level in levels)
