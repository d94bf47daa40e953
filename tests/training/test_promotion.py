"""A challenger is promoted only if it is better beyond doubt, on files that neither model knows."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from fxd.config import Settings
from fxd.engines.engine import Array, render
from fxd.engines.tcn import Tcn, TcnModel
from fxd.store.records import Example
from fxd.training.contest import score
from fxd.training.pairs import PairSource
from fxd.training.promotion import Contender, FileScore, Night, decide, esr_db
from fxd.training.trainer import ValidationPair
from fxd.training.validation import LEAST_SECONDS, MOST_FILES, MOST_SECONDS, TOTAL_SECONDS, validation_pairs

RATE = 48_000


def contender(model_id: str, levels: Sequence[float], trained_on: Sequence[str] = ()) -> Contender:
    """A model with these ESRs in dB on file0, file1, ..."""
    scores = [FileScore(f"file{n}", 1.0, 10 ** (level / 10), 1.0) for n, level in enumerate(levels)]
    return Contender(model_id, tuple(scores), frozenset(trained_on))


CHAMPION_LEVELS = [-30.0, -35.0, -28.0, -40.0, -33.0, -31.0, -36.0, -29.0, -34.0, -37.0]


def champion(files: int = 8) -> Contender:
    return contender("old", CHAMPION_LEVELS[:files])


def gained(*gains: float) -> Contender:
    return contender("new", [level - gain for level, gain in zip(CHAMPION_LEVELS, gains, strict=False)])


def test_a_clear_gain_on_most_files_promotes() -> None:
    decision = decide(gained(1.1, 0.9, 1.3, -0.1, 0.8, 1.2, 1.0, 0.7, 1.0, 0.9), champion(10))
    assert decision.promoted
    assert decision.interval_db is not None
    low, high = decision.interval_db
    assert 0 < low < 0.95 < high
    assert (decision.chance, decision.night, decision.fewest_files) == (2 / 1024, 1, 8)
    assert decision.reason == (
        "the new model is 0.95 dB better than old in the median of 10 files "
        f"(95 % interval {low:+.2f} to {high:+.2f}; chance alone does this once in 512, "
        "night 1 asks for once in 130)"
    )


def test_a_gain_that_could_be_chance_does_not_promote() -> None:
    decision = decide(gained(1.0, -0.9, 0.3, -1.1, 0.8, -0.2, 0.5, 0.1), champion())
    assert not decision.promoted
    assert decision.reason.startswith(
        "the new model is 0.20 dB better than old in the median of 8 files, which could be chance (95 %"
    )


def test_a_worse_model_does_not_promote() -> None:
    decision = decide(gained(*[-1.0] * 8), champion())
    assert not decision.promoted
    assert decision.reason == (
        "the new model is 1.00 dB worse than old in the median of 8 files (95 % interval -1.00 to -1.00)"
    )
    # What more speaks against it is in the figures.
    assert any(not guard.holds for guard in decide(gained(*[-2.0] * 8), champion()).guards)


def test_a_loss_that_could_be_chance_is_told_as_one() -> None:
    decision = decide(gained(-1.0, 0.9, -0.3, 1.1, -0.8, 0.2, -0.5, -0.1), champion())
    assert not decision.promoted
    assert decision.reason.startswith(
        "the new model is 0.20 dB worse than old in the median of 8 files, which could be chance (95 %"
    )


def test_the_same_gain_is_not_enough_once_many_nights_have_tried() -> None:
    gains = (1.1, 0.9, 1.3, -0.1, 0.8, 1.2, 1.0, 0.7, 1.4, 0.6)
    assert decide(gained(*gains), champion(10), night=Night(1)).promoted
    tenth = decide(gained(*gains), champion(10), night=Night(10))
    assert not tenth.promoted
    assert "of 10 files, too few to tell: the test of night 10 needs 13" in tenth.reason


def test_a_few_files_that_got_much_better_are_no_reason() -> None:
    """Chance would hardly do it, but the typical file did not become better."""
    gains = np.concatenate([np.linspace(3, 6, 28), np.linspace(-0.2, -0.1, 32)])
    old, new = (contender(name, -35 - by) for name, by in (("old", 0 * gains), ("new", gains)))
    decision = decide(new, old)
    assert decision.chance is not None
    assert decision.chance < 0.015
    assert not decision.promoted


def test_with_fewer_files_than_the_test_needs_nothing_is_promoted() -> None:
    assert decide(gained(*[3.0 + n for n in range(8)]), champion(8)).promoted
    decision = decide(gained(*[3.0] * 7), champion(7))
    assert not decision.promoted
    assert "of 7 files, too few to tell: the test of night 1 needs 8 (" in decision.reason
    assert "in the median of 1 file, too few" in decide(gained(3), champion(1)).reason


def test_one_file_that_got_much_worse_forbids_promotion() -> None:
    gains = [2.0] * 59
    old, new = contender("old", [-30.0] * 60), contender("new", [-30.0 - gain for gain in [*gains, -1.2]])
    decision = decide(new, old)
    assert not decision.promoted
    assert "forbidden by its worst file (dB) -28.8, before -30, at most -29 (95 %" in decision.reason
    assert decide(contender("new", [-30.0 - gain for gain in [*gains, -0.8]]), old).promoted


def better(**fields: object) -> Contender:
    """Ten files, of two sample rates, on which it is 1 dB better, and what else is known of it."""
    levels = [-35.0] * 10 if fields.pop("as_champion", False) else [-36.0] * 10
    scores = [
        FileScore(f"file{n}", 1, 10 ** (level / 10), 1, mrstft=0.2, sample_rate=48_000 if n < 5 else 44_100)
        for n, level in enumerate(levels)
    ]
    usual = Contender("model", tuple(scores), frozenset(), alias_db=-50.0, multiply_adds=1000)
    return replace(usual, **fields)


def test_what_must_not_become_worse_forbids_promotion() -> None:
    old = better(as_champion=True)
    assert decide(better(alias_db=-47.5, multiply_adds=1090), old).promoted
    louder = decide(better(alias_db=-46.5), old)
    assert not louder.promoted
    assert "forbidden by its aliases (dB) -46.5, before -50, at most -47 (" in louder.reason
    assert decide(better(alias_db=-81.0), replace(old, alias_db=-95.0)).promoted
    dearer = decide(better(multiply_adds=1200), old)
    assert not dearer.promoted
    assert "forbidden by its multiply-adds 1,200, before 1,000, at most 1,100 (" in dearer.reason
    assert decide(better(multiply_adds=1200), old, night=Night(asked_for=1200)).promoted
    rougher = tuple(replace(one, mrstft=0.22) for one in better().scores)
    assert "its MR-STFT (ratio) 1.1, before 1, at most 1.05" in decide(better(scores=rougher), old).reason


def test_more_aliases_than_a_champion_that_was_nearly_linear_forbid_nothing() -> None:
    """It has few only for that; what the error gains may be lost there."""
    poor = better(as_champion=True, alias_db=-50.0)
    poor = replace(poor, scores=tuple(replace(one, error_energy=10**-1.6) for one in poor.scores))
    assert decide(better(alias_db=-31.0), poor).promoted
    assert not decide(better(alias_db=-29.0), poor).promoted


def test_a_loss_at_one_sample_rate_forbids_promotion() -> None:
    scores = [*better().scores[:5], *(replace(one, error_energy=10**-3.35) for one in better().scores[5:])]
    many = [FileScore(f"other{n}", 1, 10**-3.6, 1, mrstft=0.2, sample_rate=48_000) for n in range(50)]
    before = [replace(one, error_energy=10**-3.5) for one in many]
    old = better(scores=(*better(as_champion=True).scores, *before))
    decision = decide(better(scores=(*scores, *many)), old)
    assert not decision.promoted
    assert "its loss at 44100 Hz (dB) 1.5, before 0, at most 1 (" in decision.reason


def test_silent_files_say_nothing() -> None:
    silent = FileScore("silent", 1.0, 0.0, 0.0)
    old, new = champion(9), gained(*[1.0] * 9)
    old, new = (replace(one, scores=(*one.scores, silent)) for one in (old, new))
    decision = decide(new, old)
    assert decision.promoted
    assert len(decision.files) == 9


def test_clips_that_fxd_brings_along_are_named() -> None:
    decision = decide(gained(*[1.0] * 8), champion(), night=Night(factory=frozenset({"file6", "file7"})))
    assert "of 8 files, 2 of them fxd's own clips as yours are too few (" in decision.reason


def test_files_that_either_model_trained_on_do_not_count() -> None:
    new = contender("new", [-50.0, -29.0, -50.0], trained_on=["file0"])
    old = contender("old", [-30.0, -30.0, -30.0], trained_on=["file2"])
    decision = decide(new, old)
    assert [file.content_sha256 for file in decision.files] == ["file1"]
    assert not decision.promoted


def test_without_a_common_file_the_champion_stays_and_it_is_said() -> None:
    decision = decide(contender("new", [-50.0], trained_on=["file0"]), contender("old", [-30.0]))
    assert not decision.promoted
    assert "no validation file that neither model trained on" in decision.reason


def test_the_first_model_serves_if_it_is_better_than_silence() -> None:
    decision = decide(contender("new", [-3.0, 1.0]), None)
    assert decision.promoted
    assert decision.reason == "no model served yet, and its error over 2 files is -0.6 dB"
    assert not decide(contender("new", [-3.0, 6.0]), None).promoted
    assert not decide(contender("new", []), None).promoted
    assert not decide(contender("new", [-9.0], trained_on=["file0"]), None).promoted


def test_a_champion_that_cannot_serve_gives_way() -> None:
    assert decide(contender("new", [-3.0]), contender("old", [math.nan])).promoted
    decision = decide(contender("new", [-3.0]), None, absence="old is missing")
    assert decision.reason == "old is missing, and its error over 1 file is -3.0 dB"


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_challenger_with_nan_or_inf_is_never_promoted(broken: float) -> None:
    for old in (champion(2), contender("old", [math.nan] * 2), None):
        decision = decide(contender("new", [-50.0, broken]), old)
        assert not decision.promoted
        assert decision.reason == "the new model gives nan or inf"


def test_the_error_of_what_gives_nan_or_inf_is_no_number() -> None:
    scores = [FileScore("a", 1.0, error, 1.0) for error in (math.nan, math.inf, 0.0, 0.01)]
    assert [one.esr_db for one in scores[1:]] == [math.inf, -150.0, -20.0]
    assert math.isnan(scores[0].esr_db)
    assert math.isnan(esr_db(scores))


def test_the_decision_is_the_same_every_time() -> None:
    gains = np.random.default_rng(0).normal(0.3, 1, 8)
    assert decide(gained(*gains), champion()) == decide(gained(*gains), champion())


@pytest.fixture
def dry() -> Array:
    return np.random.default_rng(0).normal(0, 0.3, RATE).astype(np.float32)


def test_models_are_judged_through_the_engine_that_serves(
    make_network: Callable[..., TcnModel], dry: Array
) -> None:
    perfect, silent = make_network("perfect", scale=0.5), make_network("silent", scale=0)
    wet = render(Tcn(perfect), dry[None], RATE)[0]
    pairs = [ValidationPair("file0", dry, wet), ValidationPair("file1", dry[: RATE // 2], wet[: RATE // 2])]
    assert [score(perfect, pair).esr_db for pair in pairs] == [-150, -150]
    by_silence = [score(silent, pair) for pair in pairs]
    assert [one.esr_db for one in by_silence] == pytest.approx([0, 0], abs=1e-9)
    assert [one.seconds for one in by_silence] == [1, 0.5]


def test_the_error_over_a_set_is_that_of_all_its_energy() -> None:
    loud, quiet = FileScore("loud", 1, 0.1, 100), FileScore("quiet", 1, 0.9, 0.9)
    assert esr_db([loud, quiet]) == pytest.approx(10 * math.log10(1 / 100.9))
    assert math.isnan(esr_db([]))


@pytest.mark.parametrize("threads", [1, 2])
def test_validation_pairs_are_mono_and_begin_at_rest(
    add_clips: Callable[..., list[Example]], settings: Settings, threads: int
) -> None:
    clips = add_clips("perc_bell", "loop_amen", "loop_electric")
    source = PairSource(settings.dataset, settings.saturator)
    pairs = validation_pairs(clips, source, threads)
    judged = sorted(clip.content_sha256 for clip in clips if clip.subset == "validation")
    assert [pair.content_sha256 for pair in pairs] == judged
    for pair in pairs:
        (clip,) = [clip for clip in clips if clip.content_sha256 == pair.content_sha256]
        whole = source.pair(clip)
        assert whole is not None
        np.testing.assert_array_equal(pair.dry, whole[0][0])
        np.testing.assert_array_equal(pair.wet, whole[1][0])


@pytest.mark.parametrize("threads", [1, 7])
def test_validation_takes_little_of_many_files_and_never_much(
    add_sound: Callable[..., Example], settings: Settings, threads: int
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, (1, 61 * 8000)).astype(np.float32)
    example = add_sound(noise, 8000)
    alike = [
        Example(**{**vars(example), "content_sha256": f"{n:064x}", "subset": "validation"}) for n in range(70)
    ]
    source = PairSource(settings.dataset, settings.saturator)
    few = validation_pairs(alike[:1], source, threads)
    assert [len(pair.dry) for pair in few] == [MOST_SECONDS * RATE]
    many = validation_pairs(alike[::-1], source, threads)
    assert [len(pair.dry) for pair in many] == [LEAST_SECONDS * RATE] * (TOTAL_SECONDS // LEAST_SECONDS)
    assert [pair.content_sha256 for pair in many] == [one.content_sha256 for one in alike[:60]]


def test_ever_so_many_short_files_are_no_more_than_a_test_can_take(
    add_sound: Callable[..., Example], settings: Settings
) -> None:
    example = add_sound(np.random.default_rng(0).normal(0, 0.2, (1, 800)).astype(np.float32), 8000)
    alike = [replace(example, content_sha256=f"{n:064x}", subset="validation") for n in range(MOST_FILES + 9)]
    pairs = validation_pairs(alike, PairSource(settings.dataset, settings.saturator))
    assert [pair.content_sha256 for pair in pairs] == [one.content_sha256 for one in alike[:MOST_FILES]]


def test_what_chance_never_does_can_be_told() -> None:
    decision = decide(contender("new", [-40.0] * 1100), contender("old", [-30.0] * 1100))
    assert decision.promoted
    assert "chance alone does this hardly ever" in decision.reason


def test_validation_listens_past_silence(add_sound: Callable[..., Example], settings: Settings) -> None:
    sound = np.zeros((2, 130 * 8000), np.float32)
    sound[1, 100 * 8000 :] = np.random.default_rng(0).normal(0, 0.2, 30 * 8000)
    example = Example(**{**vars(add_sound(sound, 8000)), "subset": "validation"})
    silence = Example(**{**vars(add_sound(sound[:1], 8000)), "subset": "validation"})
    source = PairSource(settings.dataset, settings.saturator)
    (pair,) = validation_pairs([example, silence], source)
    assert pair.content_sha256 == example.content_sha256
    assert np.abs(pair.wet).max() > 0.1
    assert source.skipped == {}
