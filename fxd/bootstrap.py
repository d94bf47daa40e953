"""How sure a median is: the percentile bootstrap, without drawing a single resample.

A resample draws n of the n values with replacement, and its median is that of the positions drawn:

    values      2.0 2.5 3.1 7.0 9.4     n = 5
    positions   1 1 2 4 4               drawn; value[2] = 3.1 is the median of this resample

Only the middle positions matter, and their distribution is known, so nothing needs to be sorted: the k-th
smallest of n uniform numbers is Beta(k, n + 1 - k), and given it (u) the next one is
u + (1 - u) * Beta(1, n - k). A uniform number u stands for position floor(n * u).

Sources: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979, section 3 (the median);
David and Nagaraja, "Order Statistics", 2003, sections 2.1 and 2.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 2_000
SEED = 0


def median_interval(
    ordered: Sequence[float] | NDArray[np.float64], resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The 95 % interval of the median of sorted values, one or more; the same for the same values."""
    import numpy as np

    low, high = np.percentile(resampled_medians(ordered, resamples=resamples), (2.5, 97.5)).tolist()
    return low, high


def resampled_medians(
    ordered: Sequence[float] | NDArray[np.float64], seed: int = SEED, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Medians of so many bootstrap resamples of sorted values, [resamples]; the same for the same seed."""
    import numpy as np

    n, values, rng = len(ordered), np.asarray(ordered), np.random.default_rng(seed)
    k = (n + 1) // 2
    lower = upper = rng.beta(k, n + 1 - k, resamples)
    if n % 2 == 0:
        upper = lower + (1 - lower) * rng.beta(1, n - k, resamples)
    positions = np.minimum((n * np.stack((lower, upper))).astype(int), n - 1)
    medians: NDArray[np.float64] = values[positions].mean(axis=0)
    return medians
