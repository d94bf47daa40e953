import numpy as np
import pytest

from fxd.bootstrap import median_interval, percentiles


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
