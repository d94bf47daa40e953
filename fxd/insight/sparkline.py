"""A course of values as a line of blocks, the newest at the right: ▁▂▂▃▅▇█."""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median

BLOCKS = "▁▂▃▄▅▆▇█"
LEVEL = "▄"
"""Where nothing changes."""


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
