"""Whether gains, one a file in dB, are more than luck; and how much luck may count when one looks every night.

Two questions are asked of the gains of a challenger over the champion, and both must be answered with yes.

*Is it the typical file that became better?* The 95 % bootstrap interval of the median gain lies above zero.

*Would chance have done the same?* The signed-rank test (Wilcoxon, 1945), exact and one-sided. If the two models
are equals, each gain could as well have had the other sign, and all 2^n ways to set the signs of n gains are
equally likely. With the gains ranked by size, from 1 to n, the statistic is the sum of the ranks of the positive
ones; the p-value is the share of all settings that reach it:

    gains              -0.1  +0.4  +0.7         of the 8 settings, 2 reach a sum of 5:
    ranks                 1     2     3         - + + and + + +
    sum of positive             2  +  3 = 5     p = 2 / 8

The second is needed as the bootstrap of a median is too bold: for few files its 95 % interval covers less, and
at one night in thousands, which is what is asked for below, it knows nothing at all. The signed-rank test is
exact at every level and for every number of files, and it sees more than a test that only counts signs: of
challengers that are 1 dB better on 60 files, with a spread of 1.5 dB, it recognises 87 % in one late night, the
exact interval of the median (a sign test) about half. Ties and gains of exactly nothing count for the champion.

*Every night is another throw of the dice.* At 5 % each, a year promotes 18 equals. So the 5 % are spent: night k
since the last promotion is tested at the level

    a(k) = 5 % (1/4 6 / (pi^2 k^2) + 3/4 / 365)

The first part sums up to 1.25 % over all nights for ever, and is spent at once, when a new lineage is still
getting better fast and has few files to show it; the second is the same every night, 3.75 % a year, so that late
nights are not blind. Of further looks on the same day each has the first part alone: four a day with both would
spend 16 % in a year. Together they stay below 5 % a year (union bound), in whatever way the nights depend on
one another, and they do: mostly the same files judge again and again, and the champion's luck on them stays.

No test can be passed with fewer than log2(1 / a(k)) files, even if all of them become better: 8 in the first
night, 11 in the third, 14 after months.
"""

import math

import numpy as np
import numpy.typing as npt

from fxd.bootstrap import median_interval

Gains = npt.NDArray[np.float64]

YEARLY_LEVEL = 0.05
NIGHTS = 365
AT_ONCE = 0.25
RESAMPLES = 10_000


def level(night: int, again: bool = False) -> float:
    """The level of the test in a night, counted from 1 after the last promotion; `again` on the same day.

    >>> [round(level(night), 5) for night in (1, 2, 3, 30, 365)]
    [0.0077, 0.002, 0.00095, 0.00011, 0.0001]
    >>> [f"{level(night, again=True):.1e}" for night in (2, 30, 365)]
    ['1.9e-03', '8.4e-06', '5.7e-08']
    """
    daily = 0.0 if again else (1 - AT_ONCE) / NIGHTS
    return YEARLY_LEVEL * (AT_ONCE * 6 / (math.pi * night) ** 2 + daily)


def fewest_files(night: int, again: bool = False) -> int:
    """With how many files a test can be passed at all.

    >>> [fewest_files(night) for night in (1, 2, 3, 30, 365)]
    [8, 9, 11, 14, 14]
    >>> [fewest_files(night, again=True) for night in (2, 30, 365)]
    [10, 17, 25]
    """
    return math.ceil(-math.log2(level(night, again)))


def chance(gains: Gains) -> float:
    """How likely equals would have gains such as these, [files]: the exact p-value of the signed-rank test.

    >>> chance(np.array([-0.1, 0.4, 0.7]))
    0.25
    """
    return float(survival(len(gains))[rank_sums(gains)])


def rank_sums(gains: Gains) -> npt.NDArray[np.intp]:
    """Sums of the ranks of the positive gains, over the last axis: [...] for [..., files]."""
    # Of equal size the positive ones get the lower ranks, so that a tie counts for the champion.
    order = np.lexsort((gains <= 0, np.abs(gains)), axis=-1)
    positive = np.take_along_axis(gains > 0, order, axis=-1)
    return np.asarray((positive * np.arange(1, gains.shape[-1] + 1)).sum(axis=-1))


def survival(files: int) -> Gains:
    """How likely a rank sum of s or more is if signs are chance, for s = 0 .. files (files + 1) / 2."""
    likely = np.zeros(files * (files + 1) // 2 + 1)
    likely[0] = 1
    for rank in range(1, files + 1):
        likely[rank:] = (likely[rank:] + likely[:-rank]) / 2
        likely[:rank] /= 2
    return np.cumsum(likely[::-1])[::-1]


def bootstrap_interval(gains: Gains) -> tuple[float, float]:
    """95 % bootstrap interval of the median."""
    return median_interval(np.sort(gains), RESAMPLES)
