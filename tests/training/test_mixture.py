"""What a training hears: recordings, variations of them, and probe signals."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from fxd.config import Settings
from fxd.engines.engine import Array, render
from fxd.engines.tcn import MODEL_SAMPLE_RATE
from fxd.store.records import Example
from fxd.training.mixture import Mixture
from fxd.training.pairs import PairSource
from fxd.training.pool import NothingToLearn
from fxd.training.renewal import HEARD_TIMES, SOUND_SECONDS, SOUNDS, Renewed
from fxd.training.scenes import (
    BLIND_DILATIONS,
    DULL_HZ,
    DULL_KEPT,
    KINDS,
    PEAK,
    SHRILL_HZ,
    SHRILL_KEPT,
    Kind,
    Scenes,
    blind_hz,
    centroid_hz,
    oscillator,
    scene,
    thump,
    tones,
)
from fxd.training.variations import Variations

AddSound = Callable[..., Example]

FRAMES, CONTEXT = 1024, 2048
SECOND = {"batch": 4, "frames": MODEL_SAMPLE_RATE // 4, "context": 0}


@pytest.fixture
def source(settings: Settings) -> PairSource:
    return PairSource(settings.dataset, settings.saturator)


@pytest.fixture
def examples(add_sound: AddSound) -> list[Example]:
    """A low and a high tone, for training."""
    time = np.arange(5 * MODEL_SAMPLE_RATE) / MODEL_SAMPLE_RATE
    added = [add_sound((0.3 * np.sin(2 * np.pi * hz * time)).astype(np.float32)) for hz in (110, 3000)]
    return [replace(example, subset="training") for example in added]


def renewed(source: PairSource) -> Renewed:
    return Renewed(Scenes(0), source.saturator)


def is_true_pair(source: PairSource, dry: Array, wet: Array) -> bool:
    rendered = render(source.saturator, dry[None], MODEL_SAMPLE_RATE)[0]
    return np.allclose(rendered[-len(wet) :], wet, atol=2e-3)


def test_every_segment_is_a_true_pair(examples: list[Example], source: PairSource) -> None:
    mixture = Mixture(examples, source, 0)
    # Enough context for the saturator to forget what was before it.
    dry, wet = mixture.sample(np.random.default_rng(0), 16, FRAMES, 24_000, step=0)
    assert all(is_true_pair(source, *pair) for pair in zip(dry, wet, strict=True))


def test_a_batch_holds_recordings_variations_and_probes(examples: list[Example], source: PairSource) -> None:
    mixture = Mixture(examples, source, 0)
    parts = mixture.parts(4)
    assert [count for _, count in parts] == [1, 1, 2]
    assert [count for _, count in mixture.parts(1)] == [1]
    dry, wet = mixture.sample(np.random.default_rng(0), 4, FRAMES, CONTEXT, step=0)
    assert (dry.shape, wet.shape) == ((4, CONTEXT + FRAMES), (4, FRAMES))
    assert (dry.dtype, wet.dtype) == (np.float32, np.float32)


def test_the_louder_of_two_candidates_is_heard(examples: list[Example], source: PairSource) -> None:
    single, rng = Mixture(examples, source, 0), np.random.default_rng(0)
    single.candidates = 1
    draws = [single.sample(rng, 16, FRAMES, CONTEXT, step=0) for _ in range(2)]
    dry, wet = Mixture(examples, source, 0).sample(np.random.default_rng(0), 16, FRAMES, CONTEXT, step=0)
    energies = [np.square(wet).sum(axis=1) for _, wet in draws]
    louder = np.argmax(energies, axis=0)
    assert 0 < louder.sum() < 16
    for index, draw in enumerate(louder):
        np.testing.assert_array_equal(dry[index], draws[draw][0][index])
        np.testing.assert_array_equal(wet[index], draws[draw][1][index])


def test_dull_and_shrill_scenes_are_heard_less_often_than_they_are_made() -> None:
    def shares(make: Callable[[int], Array]) -> tuple[float, float]:
        """Of the dull and the shrill ones, against those between."""
        hz = np.array([centroid_hz(make(number)) for number in range(600)])
        between = np.mean((hz >= DULL_HZ) & (hz <= SHRILL_HZ))
        return float(np.mean(hz < DULL_HZ) / between), float(np.mean(hz > SHRILL_HZ) / between)

    dull_made, shrill_made = shares(lambda number: scene(np.random.default_rng([1, number]), 6_000, KINDS))
    dull, shrill = shares(lambda number: Scenes(0)(number, 6_000))
    assert dull / dull_made == pytest.approx(DULL_KEPT, rel=0.25)
    assert shrill / shrill_made == pytest.approx(SHRILL_KEPT, rel=0.25)


@pytest.mark.parametrize("hz", [100, 5_000, 20_000])
def test_the_centroid_of_a_tone_is_its_frequency(hz: int) -> None:
    tone = np.sin(2 * np.pi * hz * np.arange(MODEL_SAMPLE_RATE) / MODEL_SAMPLE_RATE).astype(np.float32)
    assert centroid_hz(tone) == pytest.approx(hz, rel=1e-3)


def test_silence_has_its_centroid_at_zero() -> None:
    assert centroid_hz(np.zeros(64, np.float32)) == 0


def test_scenes_reach_where_recordings_do_not() -> None:
    make = Scenes(0)
    spectra = [np.abs(np.fft.rfft(make(number, 2 * MODEL_SAMPLE_RATE))) ** 2 for number in range(40)]
    hz = np.fft.rfftfreq(2 * MODEL_SAMPLE_RATE, 1 / MODEL_SAMPLE_RATE)
    treble = [spectrum[hz > 6000].sum() / spectrum.sum() for spectrum in spectra]
    bass = [spectrum[hz < 60].sum() / spectrum.sum() for spectrum in spectra]
    assert sum(share > 0.5 for share in treble) >= 4
    assert sum(share > 0.5 for share in bass) >= 2


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("frames", [64, 1500, 48_000])
def test_a_kind_of_scene_has_its_length_and_a_peak_of_one(kind: Callable[..., Array], frames: int) -> None:
    for seed in range(10):
        sound = kind(np.random.default_rng(seed), frames)
        assert sound.shape == (frames,)
        assert np.abs(sound).max() == pytest.approx(1) or not sound.any()
        assert np.isfinite(sound).all()


@pytest.mark.parametrize("dilation", BLIND_DILATIONS)
def test_a_tone_to_which_a_dilation_is_blind_has_one_phase_at_all_taps(dilation: int) -> None:
    for hz in (150.0, 700.0, 5_900.0, 14_000.0):
        blind = blind_hz(hz, dilation)
        tone = np.sin(2 * np.pi * blind * np.arange(4 * dilation) / MODEL_SAMPLE_RATE + 1)
        np.testing.assert_allclose(tone[dilation:], tone[:-dilation], atol=1e-6)
        assert blind > 0
        apart = MODEL_SAMPLE_RATE / dilation
        assert abs(blind - hz) <= max(apart / 2, apart - hz)


def test_most_tones_are_those_to_which_a_dilation_is_blind() -> None:
    hz = np.fft.rfftfreq(MODEL_SAMPLE_RATE, 1 / MODEL_SAMPLE_RATE)
    spectra = [
        np.abs(np.fft.rfft(tones(np.random.default_rng(seed), MODEL_SAMPLE_RATE))) for seed in range(200)
    ]
    loudest = np.array([hz[np.argmax(spectrum)] for spectrum in spectra])
    off = np.abs(loudest - np.array([blind_hz(each, 64) for each in loudest]))
    # Of tones anywhere one in 54 lies so near.
    assert np.mean(off < 10) > 0.55
    assert np.mean(np.abs(loudest - 6_000) < 10) > 0.1


def test_some_oscillators_are_slow_waves() -> None:
    hz = np.fft.rfftfreq(MODEL_SAMPLE_RATE, 1 / MODEL_SAMPLE_RATE)
    waves = [oscillator(np.random.default_rng(seed), MODEL_SAMPLE_RATE) for seed in range(100)]
    loudest = [hz[1 + np.argmax(np.abs(np.fft.rfft(wave))[1:])] for wave in waves]
    assert min(loudest) < 5
    assert 0.3 < np.mean(np.array(loudest) < 25) < 0.6


def test_scenes_are_made_of_the_kinds_that_they_may_be() -> None:
    class Thumps(Scenes):
        @property
        def kinds(self) -> Mapping[Kind, float]:
            return {thump: 1.0}

    # A thump begins at 720 Hz at most.
    assert max(centroid_hz(Thumps(0)(number, 6_000)) for number in range(20)) < 720
    assert max(centroid_hz(Scenes(0)(number, 6_000)) for number in range(20)) > 2_000


def test_scenes_and_variations_keep_their_peak_and_follow_from_seed_and_number(
    examples: list[Example], source: PairSource
) -> None:
    frames = 2 * MODEL_SAMPLE_RATE
    for make in (Scenes(0), Variations(examples, np.array([0.5, 0.5]), source, 0)):
        sounds = [make(number, frames) for number in range(12)]
        assert all(np.abs(sound).max() <= PEAK * 1.0001 for sound in sounds)
        assert all(len(sound) == frames for sound in sounds)
        np.testing.assert_array_equal(sounds[3], make(3, frames))
        assert not np.array_equal(sounds[3], sounds[4])
    assert not np.array_equal(Scenes(0)(3, frames), Scenes(1)(3, frames))


def test_a_variation_is_made_of_the_recordings(examples: list[Example], source: PairSource) -> None:
    make = Variations(examples, np.array([0.0, 1.0]), source, 0)
    hz = np.fft.rfftfreq(MODEL_SAMPLE_RATE, 1 / MODEL_SAMPLE_RATE)
    loudest = [hz[np.argmax(np.abs(np.fft.rfft(make(number, MODEL_SAMPLE_RATE))))] for number in range(20)]
    assert all(3000 * 0.55 < tone < 3000 * 1.75 for tone in loudest)
    assert max(loudest) > 3500
    assert min(loudest) < 2500


def test_a_missing_recording_has_no_variations(examples: list[Example], source: PairSource) -> None:
    (source.dataset / examples[0].path).unlink()
    make = Variations(examples, np.array([0.5, 0.5]), source, 0)
    assert all(make(number, 4800).any() for number in range(8))
    (source.dataset / examples[1].path).unlink()
    source.skipped.clear()
    assert not Variations(examples, np.array([0.5, 0.5]), source, 0)(0, 4800).any()


def test_sounds_come_and_go_as_they_are_heard(source: PairSource) -> None:
    pool, rng = renewed(source), np.random.default_rng(0)
    for _ in range(50):
        pool.sample(rng, **SECOND, step=0)
    before = dict(pool.pieces)
    assert len(before) == pool.made > SOUNDS / 2
    assert min(before) == 0
    heard = HEARD_TIMES * SOUND_SECONDS * 3
    pool.sample(rng, **SECOND, step=heard)
    assert pool.window == range(3, SOUNDS + 3)
    assert all(number in pool.window for number in pool.pieces)
    assert all(pool.pieces[number] is before[number] for number in before if number >= 3)


def test_what_is_drawn_depends_on_the_step_and_the_generator_alone(
    examples: list[Example], source: PairSource
) -> None:
    uninterrupted = Mixture(examples, source, 0)
    for step in range(0, 400, 40):
        uninterrupted.sample(np.random.default_rng(step), **SECOND, step=step)
    expected = uninterrupted.sample(np.random.default_rng(1), **SECOND, step=400)
    resumed = Mixture(examples, source, 0).sample(np.random.default_rng(1), **SECOND, step=400)
    for one, other in zip(expected, resumed, strict=True):
        np.testing.assert_array_equal(one, other)


def test_upkeep_counts_what_is_made_anew(examples: list[Example], source: PairSource) -> None:
    mixture = Mixture(examples, source, 0)
    mixture.sample(np.random.default_rng(0), **SECOND, step=0)
    made = (mixture.probes, mixture.variations)
    assert all(pool.upkeep_seconds(MODEL_SAMPLE_RATE) > 0 for pool in made)
    minute = mixture.upkeep_seconds(60 * MODEL_SAMPLE_RATE)
    assert minute == pytest.approx(30 * made[0].upkeep_seconds(48_000) + 15 * made[1].upkeep_seconds(48_000))


def test_probes_alone_are_no_training_set(source: PairSource, add_sound: AddSound) -> None:
    with pytest.raises(NothingToLearn, match="empty"):
        Mixture([], source, 0)
    silence = replace(add_sound(np.zeros(MODEL_SAMPLE_RATE, np.float32)), subset="training")
    with pytest.raises(NothingToLearn, match="silence"):
        Mixture([silence], source, 0)
