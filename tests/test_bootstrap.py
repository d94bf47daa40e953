from itertools import product

import numpy as np
import pytest

from fxd.bootstrap import COUNTED, median_interval, percentiles, resampled_medians


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
def test_of_few_values_every_resample_counts(n: int) -> None:
    values = np.sort(np.random.default_rng(n).lognormal(size=n))
    medians = np.sort([np.median(values[list(positions)]) for positions in product(range(n), repeat=n)])
    cut = int(np.ceil(0.025 * n**n)) - 1
    assert median_interval(values) == pytest.approx((medians[cut], medians[-1 - cut]), rel=1e-12)


@pytest.mark.parametrize("n", [COUNTED - 1, COUNTED])
def test_counting_says_what_a_great_many_resamples_say(n: int) -> None:
    values = np.arange(n) / n
    drawn = percentiles(np.sort(resampled_medians(values, resamples=200_000)), (2.5, 97.5))
    # Two neighbouring values, and the middle between them, are half a position apart.
    assert median_interval(values) == pytest.approx(drawn, abs=0.51 / n)


def test_the_interval_of_what_is_turned_round_is_turned_round() -> None:
    values = np.sort(np.random.default_rng(3).normal(size=24))
    low, high = median_interval(values)
    assert median_interval(np.sort(-values)) == (-high, -low)


@pytest.mark.parametrize("n", [2, 3, 10, 101, 1_000])
def test_the_interval_is_that_of_a_plain_bootstrap(n: int) -> None:
    rng = np.random.default_rng(n)
    values = np.sort(rng.lognormal(size=n))
    medians = np.median(rng.choice(values, (4_000, n)), axis=1)
    expected = np.percentile(medians, (2.5, 97.5))
    # Both are drawn by chance: they may differ by what 1 % of the resamples decide.
    slack = np.percentile(medians, (2, 3, 97, 98))
    low, high = median_interval(values.tolist())
    assert abs(low - expected[0]) <= slack[1] - slack[0] + 1e-9
    assert abs(high - expected[1]) <= slack[3] - slack[2] + 1e-9


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [median_interval(np.sort(rng.normal(size=40)).tolist()) for _ in range(500)]
    share = np.mean([low <= 0.0 <= high for low, high in intervals])
    assert 0.92 <= share <= 0.98


def test_percentiles_are_those_of_numpy() -> None:
    rng, shares = np.random.default_rng(1), (0, 2.5, 5, 50, 95, 99, 100)
    for n in (1, 2, 3, 7, 40, 1_001):
        for values in (rng.lognormal(size=n), rng.integers(0, 3, n) / 3):
            ordered = np.sort(values)
            assert percentiles(ordered, shares) == np.percentile(ordered, shares).tolist()
