"""Equals are not promoted by luck, however many nights they try; what is better is found soon."""

import numpy as np
import pytest
from scipy.stats import wilcoxon

from fxd.training.evidence import NIGHTS, YEARLY_LEVEL, chance, fewest_files, level, rank_sums, survival
from fxd.training.promotion import Contender, FileScore, Night, decide

SPREAD_DB = 1.5
YEARS = 100
SIMULATIONS = 300


@pytest.mark.parametrize("files", [1, 7, 25, 60])
def test_the_test_is_the_exact_signed_rank_test(files: int) -> None:
    gains = np.random.default_rng(files).normal(0.3, 1, files)
    assert chance(gains) == pytest.approx(wilcoxon(gains, alternative="greater", method="exact").pvalue)


def test_ties_and_no_gain_count_for_the_champion() -> None:
    assert chance(np.zeros(20)) == 1
    assert chance(np.array([1.0, -1.0])) == 0.75


@pytest.mark.parametrize("a_day", [1, 4, 24])
def test_a_year_of_several_looks_a_day_spends_no_more(a_day: int) -> None:
    looks = [level(1 + look, again=look % a_day > 0) for look in range(a_day * NIGHTS)]
    assert sum(looks) <= YEARLY_LEVEL


def test_the_fewest_files_are_those_with_which_the_test_can_be_passed() -> None:
    for night in (1, 2, 5, 40, 400):
        fewest = fewest_files(night)
        assert chance(np.ones(fewest)) <= level(night) < chance(np.ones(fewest - 1))


def test_a_year_spends_no_more_than_it_may() -> None:
    levels = [level(night) for night in range(1, 5 * NIGHTS)]
    assert sum(levels[:NIGHTS]) <= YEARLY_LEVEL
    assert sum(levels[NIGHTS : 2 * NIGHTS]) <= YEARLY_LEVEL


@pytest.mark.parametrize("luck", ["of every night", "of the champion", "seldom and large"])
def test_in_a_hundred_years_of_equals_five_promote_at_most(luck: str) -> None:
    """From 6 files in the first night to 200 in the last one; a file once there judges for good."""
    rng = np.random.default_rng(0)
    half = SPREAD_DB / np.sqrt(2)
    champions = rng.normal(0, half, (YEARS, 200))
    promoted = np.zeros(YEARS, bool)
    for night in range(1, NIGHTS + 1):
        files = 6 + 194 * (night - 1) // (NIGHTS - 1)
        shape = (YEARS, files)
        gains = {
            "of every night": lambda shape=shape: rng.normal(0, SPREAD_DB, shape),
            "of the champion": lambda shape=shape: champions[:, : shape[1]] - rng.normal(0, half, shape),
            "seldom and large": lambda shape=shape: SPREAD_DB / np.sqrt(3) * rng.standard_t(3, shape),
        }[luck]()
        # Whatever passes here could still fail the interval or a guard.
        promoted |= survival(files)[rank_sums(gains)] <= level(night)
    assert promoted.sum() <= 5


def test_no_decision_is_bolder_than_what_these_years_are_counted_by() -> None:
    rng = np.random.default_rng(2)
    promoted = 0
    for night in (1, 2, 3, 30, 365) * 40:
        files = int(rng.integers(8, 40))
        levels, gains = rng.normal(-40, 5, files), rng.normal(0.8, SPREAD_DB, files)
        decision = decide(contender("new", levels - gains), contender("old", levels), night=Night(night))
        assert not decision.promoted or survival(files)[rank_sums(gains)] <= level(night)
        promoted += decision.promoted
    assert promoted > 20


@pytest.mark.parametrize("first_night", [1, 300])
def test_what_is_1_dB_better_on_60_files_is_promoted_within_three_nights(first_night: int) -> None:
    """By the whole rule; files differ by 5 dB, and half of the paired spread is the champion's, every night."""
    rng = np.random.default_rng(1)
    half = SPREAD_DB / np.sqrt(2)
    found = 0
    for _ in range(SIMULATIONS):
        levels = rng.normal(-40, 5, 60)
        champion = contender("old", levels + rng.normal(0, half, 60))
        challengers = (contender("new", levels - 1 + rng.normal(0, half, 60)) for _ in range(3))
        nights = (Night(first_night + night) for night in range(3))
        found += any(
            decide(new, champion, night=night).promoted
            for new, night in zip(challengers, nights, strict=True)
        )
    assert found >= 0.95 * SIMULATIONS


def contender(model_id: str, levels: "np.typing.NDArray[np.float64]") -> Contender:
    scores = (FileScore(f"file{n}", 1.0, 10 ** (level / 10), 1.0) for n, level in enumerate(levels))
    return Contender(model_id, tuple(scores), frozenset())
