"""Where a series is best cut in two by the energy statistic, and whether chance would cut as well.

For n values x before the cut, with the distribution function F, and m values y after it, with G, and
distances to the power of 1, the statistic of E-divisive means is

    Q = n m / (n + m) (2 mean |x - y| - mean |x - x'| - mean |y - y'|) = n m / (n + m) 2 integral (F - G)^2

It is 0 where both are alike, and sees any difference: of level, of spread, of shape. Values are rounded to
LEVELS levels or less, so that the integral is a short sum, whatever n and m are, over counts from the start:

    values                   1 1 2 | 5 5 6      F        G        gap to the next level
    how many up to here
      are at most 1        0 1 2 2   2 2 2      2 / 3    0 / 3    1
      are at most 2        0 1 2 3   3 3 3      3 / 3    0 / 3    3
      are at most 5        0 1 2 3   4 5 5      3 / 3    2 / 3    1

    Q = 9 / 6 2 (1 (2 / 3)^2 + 3 (3 / 3)^2 + 1 (1 / 3)^2) = 10.7

No level lies further than OUTLIER deviations from the middle: no outlier and no heavy tail drowns the rest. A
level that came and went again changes little in the whole, so cuts are tried in *intervals* of all lengths,
halved down to two segments, each of which overlaps the next by half. The best cut of all is that of the
series.

*Chance* is the share of orders of the same values whose best cut is as good. Orders are drawn until TIES
were, or until the verdict is clear: the best of many has a Gumbel tail, which tells chances too small to be
counted. Values that resemble their neighbours are put in order in blocks, as long as neighbours resemble each
other twice over: as single values they would be found to wander.

Sources: Matteson and James, "A nonparametric approach for multiple change point analysis of multivariate
data", 2014; Székely and Rizzo, "Energy statistics", 2013 (the integral); Kovács, Li, Bühlmann and Munk,
"Seeded binary segmentation", 2020; Besag and Clifford, "Sequential Monte Carlo p-values", 1991; Knijnenburg
et al., "Fewer permutations, more accurate P-values", 2009; Künsch, "The jackknife and the bootstrap for
general stationary observations", 1989 (blocks).
"""

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fxd.compiler import njit

Values = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Gaps = npt.NDArray[np.float32]
Intervals = npt.NDArray[np.int64]

SEGMENT = 10
"""Fewer values are no level."""
LEVELS = 24
OUTLIER = 5.0
CUTS = 16
"""Tried in an interval."""
ORDERS, TIES = 9_999, 10
FIRST_LOOK = 200
"""Orders after which the tail is asked for the first time, and again each time that they have doubled."""
STEPS = 20.0
"""Squares of differences of so many times their median, three deviations, are steps from level to level."""
NORMAL_MAD = 1.4826
"""Standard deviations in a median absolute deviation, of normal values."""
SEED = 0


class BestCut(NamedTuple):
    """The second part begins at `cut`; nothing outside of `start` and `end` was looked at."""

    energy: float
    start: int
    cut: int
    end: int
    block: int
    """Of how many values at a time the orders were."""


def best_cut(values: Values, floor: float, asked: float, block: int = 1) -> tuple[BestCut, float]:
    """The best cut of at least two segments of values, and its chance: exact from `asked`, and upwards.

    `floor` is a difference of levels that does not matter yet, `block` the least number of values that stay
    together.
    """
    codes, gaps = levels_of(values, floor)
    intervals = seeded_intervals(len(values))
    energy, row, _ = strongest(codes, gaps, intervals)
    start, end, _ = intervals[row].tolist()
    cut = start + finest_cut(values[start:end], floor)
    if energy <= 0:
        return BestCut(energy, start, cut, end, block), 1.0
    # Without its levels: a step makes values resemble their neighbours, and is what is asked about.
    block = max(block, resemblance(leveled(values, [start, cut, end])))
    chance = chance_of(energy, codes, gaps, intervals, block, asked)
    return BestCut(energy, start, cut, end, block), chance


def leveled(values: Values, bounds: list[int]) -> Values:
    """Each part between these bounds less its median."""
    return np.concatenate([part - np.median(part) for part in np.split(values, bounds) if len(part)])


def finest_cut(values: Values, floor: float) -> int:
    """The best cut of all values in two, tried everywhere."""
    codes, gaps = levels_of(values, floor)
    return int(strongest(codes, gaps, np.array([(0, len(values), 1)]))[2])


def levels_of(values: Values, floor: float) -> tuple[Codes, Gaps]:
    """The level of each value, numbered from below, [n], and the gaps from each level to the next.

    Levels hold equal shares of the values; towards both ends ever smaller ones, down to half a segment: a new
    level that has just begun is rare among thousands of values, and must not be rounded to the old one.
    """
    tail = SEGMENT / 2 / len(values) * 2.0 ** np.arange(6)
    tail = tail[tail < 0.5 / 12]
    shares = np.concatenate([tail, np.linspace(0, 1, 14)[1:-1], 1 - tail])
    bounds = np.unique(np.quantile(values, shares, method="lower"))
    used, codes = np.unique(np.searchsorted(bounds, values), return_inverse=True)
    middle = float(np.median(values))
    reach = OUTLIER * max(NORMAL_MAD * float(np.median(np.abs(values - middle))), floor)
    # A level is the median of its values: in order, those stand together.
    ordered, numbers = np.sort(values), np.bincount(codes, minlength=len(used))
    first = np.cumsum(numbers) - numbers
    levels = (ordered[first + (numbers - 1) // 2] + ordered[first + numbers // 2]) / 2
    gaps = np.diff(np.clip(levels, middle - reach, middle + reach))
    return codes.astype(np.int8), gaps.astype(np.float32)


def seeded_intervals(count: int) -> Intervals:
    """Start, end and the step of the cuts to try within, [intervals, 3]; the first is the whole."""
    rows = []
    length, parts = float(count), 1
    while length >= 2 * SEGMENT or parts == 1:
        for start in np.linspace(0, count - length, parts):
            first, last = round(float(start)), round(float(start + length))
            rows.append((first, last, max(1, (last - first - 2 * SEGMENT) // CUTS)))
        length, parts = length / 2, 2 * parts + 1
    return np.array(rows)


@njit(cache=True, nogil=True, fastmath=True)
def strongest(codes, gaps, intervals):  # type: ignore[no-untyped-def]
    """The largest statistic, the row of its interval, and the cut."""
    below = np.zeros((len(codes) + 1, len(gaps)), np.float32)
    for i in range(len(codes)):
        for level in range(len(gaps)):
            below[i + 1, level] = below[i, level] + np.float32(codes[i] <= level)
    best, best_row, best_cut = np.float32(-1), 0, 0
    for row in range(len(intervals)):
        start, end, step = intervals[row]
        for cut in range(start + SEGMENT, end - SEGMENT + 1, step):
            share_left, share_right = np.float32(1 / (cut - start)), np.float32(1 / (end - cut))
            total = np.float32(0)
            for level in range(len(gaps)):
                left = below[cut, level] - below[start, level]
                right = below[end, level] - below[cut, level]
                difference = left * share_left - right * share_right
                total += gaps[level] * difference * difference
            energy = 2 * total / (share_left + share_right)
            if energy > best:
                best, best_row, best_cut = energy, row, cut
    return best, best_row, best_cut


def chance_of(
    energy: float, codes: Codes, gaps: Gaps, intervals: Intervals, block: int, asked: float
) -> float:
    """How likely the best cut of these codes in another order would be as good."""
    rng = np.random.default_rng(SEED)
    energies = np.empty(ORDERS)
    ties, look = 0, FIRST_LOOK
    for drawn in range(1, ORDERS + 1):
        energies[drawn - 1] = strongest(shuffled(codes, block, rng), gaps, intervals)[0]
        ties += bool(energies[drawn - 1] >= energy)
        if ties == TIES:
            return ties / drawn
        if drawn == look and not ties:
            look *= 2
            # The tail of few orders is known to a factor of ten or so, that of many well.
            if (tail := gumbel_tail(energies[:drawn], energy)) < asked * drawn / (2 * ORDERS):
                return tail
    return (ties + 1) / (ORDERS + 1)


def shuffled(codes: Codes, block: int, rng: np.random.Generator) -> Codes:
    """The codes in another order, blocks of so many as they were; the first block begins anywhere.

    What does not fill a block stays together as well.
    """
    if block == 1:
        return rng.permutation(codes)
    rolled = np.roll(codes, int(rng.integers(len(codes))))
    whole = len(codes) // block * block
    blocks, rest = rolled[:whole].reshape(-1, block), rolled[whole:]
    order = rng.permutation(len(blocks) + 1)
    place = int(np.flatnonzero(order == len(blocks))[0])
    return np.concatenate([blocks[order[:place]].ravel(), rest, blocks[order[place + 1 :]].ravel()])


def gumbel_tail(sample: Values, value: float) -> float:
    """The chance to be above `value`, by the Gumbel distribution of the sample's mean and deviation."""
    spread = float(sample.std()) * math.sqrt(6) / math.pi
    if spread == 0:
        return 0.0
    return -math.expm1(-math.exp(-(value - float(sample.mean())) / spread - float(np.euler_gamma)))


def resemblance(values: Values) -> int:
    """In blocks of how many values they are to be shuffled: 1 where neighbours are no more alike than others.

    Values k apart are as different as those 4 k apart (5 k, 6 k) unless neighbours resemble each other. The
    differences tell it, steps left out: so changes of level hardly alter it as long as they are few,
    and larger k are asked of longer series only. Where each value is u of the one k before, and a new part
    (AR(1)), squares are as (1 - u) to (1 - u^4), and k (1 + u) / (1 - u) values count as one; blocks are
    twice that. Of fewer than four segments it cannot be told.
    """
    share = np.linspace(0, 0.97, 98)
    told = 1 - (1 - share) / (1 - (share**4 + share**5 + share**6) / 3)
    lag, block, noise = 1, 1, 0.1 + 1.5 / math.sqrt(max(1, len(values)))
    while len(values) >= (4 * SEGMENT if lag == 1 else 256 * lag):
        near = squares(values, lag)
        far = np.concatenate([squares(values, lag * times) for times in (4, 5, 6)])
        most = STEPS * float(np.median(far))
        alike = 1 - mean_up_to(near, most) / mean_up_to(far, most) if most else 0.0
        if alike < noise:
            break
        u = float(np.interp(alike, told, share))
        block = max(block, lag * math.ceil(2 * (1 + u) / (1 - u)))
        lag *= 2
    return block


def squares(values: Values, lag: int) -> Values:
    """Of the differences of values `lag` apart."""
    return np.asarray((values[lag:] - values[:-lag]) ** 2)


def mean_up_to(numbers: Values, most: float) -> float:
    """The mean of those that are no greater; `most` where there are none."""
    return float(numbers[numbers <= most].mean()) if (numbers <= most).any() else most
