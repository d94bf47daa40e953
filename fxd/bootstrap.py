"""How sure a median is: the percentile bootstrap, without drawing a single resample.

A resample draws n of the n values with replacement, and its median is that of the positions drawn:

    values      2.0 2.5 3.1 7.0 9.4     n = 5
    positions   1 1 2 4 4               drawn; value[2] = 3.1 is the median of this resample

Only the middle positions matter, and their distribution is known, so nothing needs to be sorted. Of few values
all n^n resamples are counted (Efron's ideal bootstrap): with k = (n + 1) // 2 and positions from 1 to n, at least
k of n draws fall on the first i positions with the probability of the binomial distribution,

    P(lower middle <= i) = sum over r = k .. n of C(n, r) (i / n)^r (1 - i / n)^(n - r)

and of an even n the two middles are i < j, with k draws up to i and as many from j on, with the probability

    C(n, k) ((i / n)^k - ((i - 1) / n)^k) ((1 - (j - 1) / n)^k - (1 - j / n)^k)

Of many values the middles are drawn: the k-th smallest of n uniform numbers is Beta(k, n + 1 - k), and given it
(u) the next one is u + (1 - u) * Beta(1, n - k). A uniform number u stands for position floor(n * u).

Sources: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979, section 3 (the median);
David and Nagaraja, "Order Statistics", 2003, sections 2.1 and 2.5.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 2_000
SEED = 0
FEWEST = 6
"""Values of which an interval can be 95 % sure. The widest there is, from the least to the greatest, misses the
median whenever all values lie on one side of it: of 2 in 50 of 100 cases, of 5 in 6, of 6 in 3."""


COUNTED = 100
"""Values up to which every resample is counted, without NumPy: it takes longer to load than all the rest."""
TAIL = 0.025
"""Of the resamples, beyond each end of the interval."""
NEGLIGIBLE = 1e-9
"""The share of a pair of middles that is passed over; what all of them would move is below 1 % of the tail."""


def median_interval(
    ordered: Sequence[float] | NDArray[np.float64], resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % interval of the median of sorted values, one or more; the same for the same values.

    Of more than COUNTED values so many resamples are drawn.
    """
    if len(ordered) <= COUNTED:
        medians = sorted(
            (float(ordered[lower] + ordered[upper]) / 2, share)
            for lower, upper, share in middle_shares(len(ordered))
        )
        return end_of_tail(medians), end_of_tail(reversed(medians))
    import numpy as np

    low, high = percentiles(np.sort(resampled_medians(ordered, resamples=resamples)), (2.5, 97.5))
    return low, high


def end_of_tail(medians: Iterable[tuple[float, float]]) -> float:
    """The first median, of `(median, share of the resamples)`, with which the tail is full."""
    so_far = 0.0
    for median, share in medians:
        so_far += share
        if so_far >= TAIL:
            return median
    raise ValueError("the shares of the resamples do not add up to one")


@lru_cache(maxsize=16)
def middle_shares(n: int) -> list[tuple[int, int, float]]:
    """`(lower middle, upper middle, share of all resamples)` of n values, as positions from 0 on."""
    k = (n + 1) // 2
    upto = [
        sum(math.comb(n, r) * (i / n) ** r * (1 - i / n) ** (n - r) for r in range(k, n + 1))
        for i in range(n + 1)
    ]
    if n % 2:
        pairs = [(i - 1, i - 1, upto[i] - upto[i - 1]) for i in range(1, n + 1)]
    else:
        # Of k draws, the share whose highest is at position i; turned round, whose lowest is.
        highest = [0.0] + [(i / n) ** k - ((i - 1) / n) ** k for i in range(1, n + 1)]
        apart = [
            (i - 1, j - 1, math.comb(n, k) * highest[i] * highest[n + 1 - j])
            for i in range(1, n + 1)
            for j in range(i + 1, n + 1)
        ]
        # What is left of P(lower middle = i) when the upper one is not beyond i.
        same = [
            (i - 1, i - 1, upto[i] - upto[i - 1] - math.comb(n, k) * highest[i] * (1 - i / n) ** k)
            for i in range(1, n + 1)
        ]
        pairs = apart + same
    return [pair for pair in pairs if pair[2] > NEGLIGIBLE]


def percentiles(ordered: Sequence[float] | NDArray[np.float64], shares: Sequence[float]) -> list[float]:
    """Percentiles of sorted values, one or more, linear between the nearest two: as `np.percentile` has them.

    That one sorts, and loads NumPy's masked arrays, which take longer than all that `fxd stats` computes.
    """
    found = []
    for share in shares:
        below, part = divmod(share / 100 * (len(ordered) - 1), 1)
        low = float(ordered[int(below)])
        high = float(ordered[min(int(below) + 1, len(ordered) - 1)])
        # From the nearer of the two, so that of equal values nothing is left by rounding.
        found.append(low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part))
    return found


def resampled_medians(
    ordered: Sequence[float] | NDArray[np.float64], seed: int = SEED, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Medians of so many bootstrap resamples of sorted values, [resamples]; the same for the same seed."""
    import numpy as np

    medians: NDArray[np.float64] = np.asarray(ordered)[middle_positions(len(ordered), seed, resamples)].mean(
        axis=0
    )
    return medians


@lru_cache(maxsize=16)
def middle_positions(n: int, seed: int, resamples: int) -> NDArray[np.intp]:
    """The lower and the upper middle of each resample of n values, as positions, [2, resamples].

    Kept, as the measures of the same runs are as many, and drawing takes longer than looking up.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    k = (n + 1) // 2
    lower = upper = rng.beta(k, n + 1 - k, resamples)
    if n % 2 == 0:
        upper = lower + (1 - lower) * rng.beta(1, n - k, resamples)
    positions: NDArray[np.intp] = np.minimum((n * np.stack((lower, upper))).astype(np.intp), n - 1)
    positions.flags.writeable = False
    return positions
