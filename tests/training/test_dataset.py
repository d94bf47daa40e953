"""The training set: what is kept where, what is for validation, and what a training hears."""

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import soxr

from fxd.audio import open_reader
from fxd.config import SaturatorSettings, Settings
from fxd.engines.engine import Array, render
from fxd.engines.saturator import Saturator
from fxd.store.examples import add_example
from fxd.store.records import Example
from fxd.store.store import Store, open_store
from fxd.training import dataset
from fxd.training.dataset import dry_path, subset_of, trim_dataset
from fxd.training.pairs import PairSource, Part
from fxd.training.pool import NothingToLearn, TrainingSet

AddClips = Callable[..., list[Example]]
AddSound = Callable[..., Example]

RATE = 48_000
CONTEXT, FRAMES = 2046, 8192


@pytest.fixture
def source(settings: Settings) -> PairSource:
    return PairSource(settings.dataset, settings.saturator)


@pytest.fixture
def add_noise(add_sound: AddSound, store: Store) -> Callable[..., Example]:
    """Puts noise into the training set, of a content that belongs to the wanted subset."""
    seeds = count()

    def add(
        seconds: float, channels: int = 1, silent_seconds: float = 0, subset: str = "training"
    ) -> Example:
        while True:
            sound = np.random.default_rng(next(seeds)).normal(0, 0.2, (channels, round(seconds * RATE)))
            sound = np.pad(sound, ((0, 0), (0, round(silent_seconds * RATE)))).astype(np.float32)
            example = add_sound(sound)
            if example.subset == subset:
                return example
            store.remove_examples([example.content_sha256])

    return add


def read(settings: Settings, example: Example) -> Array:
    with open_reader(settings.dataset / example.path) as reader:
        return np.concatenate(list(reader.blocks()), axis=1)


def difference_db(estimate: Array, target: Array) -> float:
    return float(10 * np.log10(((estimate - target) ** 2).sum() / (target**2).sum() + 1e-30))


def place(segment: Array, whole: Array) -> int:
    """Where a segment of noise begins in the whole sound: where its loudest sample is."""
    peak = int(np.abs(segment).argmax())
    (found,) = np.flatnonzero(whole == segment[peak])
    return int(found) - peak


def test_one_sound_in_five_is_for_validation_and_stays_so() -> None:
    hashes = [np.random.default_rng(seed).bytes(32).hex() for seed in range(5000)]
    share = sum(subset_of(content) == "validation" for content in hashes) / 5000
    assert 0.18 < share < 0.22
    # Models out there have trained on what this rule gave them: these may never change.
    assert subset_of("054320fbb02ede1f" + "0" * 48) == "validation"
    assert subset_of("dbc320e74ac0e379" + "0" * 48) == "training"


def test_a_copy_in_another_container_is_the_same_example(
    add_clips: AddClips, add_sound: AddSound, settings: Settings
) -> None:
    (clip,) = add_clips("loop_amen")
    copy = add_sound(read(settings, clip), clip.sample_rate)
    assert (copy.content_sha256, copy.subset) == (clip.content_sha256, "validation")
    assert settings.dataset / clip.path == dry_path(settings.dataset, clip.content_sha256, ".flac")


def test_a_pair_is_the_dry_sound_at_48_khz_and_the_saturator_of_it(
    add_clips: AddClips, source: PairSource, settings: Settings
) -> None:
    (clip,) = add_clips("loop_electric")
    pair = source.pair(clip)
    assert pair is not None
    dry, wet = pair
    assert dry.shape == wet.shape == (2, -(-clip.frames * RATE // clip.sample_rate))
    np.testing.assert_array_equal(wet, render(Saturator(settings.saturator), dry, RATE))
    with_soxr = soxr.resample(read(settings, clip).T, clip.sample_rate, RATE, "VHQ").T
    length = min(dry.shape[1], with_soxr.shape[1])
    error = (dry - with_soxr[:, :length])[:, :length]
    assert 10 * np.log10((error**2).sum() / (dry**2).sum()) < -50


def test_a_part_of_a_file_is_what_the_whole_file_gives_there(add_sound: AddSound, source: PairSource) -> None:
    noise = np.random.default_rng(0).normal(0.1, 0.2, (2, 5 * 44_100)).astype(np.float32)
    example = add_sound(noise, 44_100)
    whole, middle, end = (source.pair(example, part) for part in (Part(), Part(2, 4), Part(3)))
    assert whole is not None
    assert middle is not None
    assert end is not None
    for of_whole, of_middle, of_end in zip(whole, middle, end, strict=True):
        assert difference_db(of_middle, of_whole[:, 2 * RATE : 4 * RATE]) < -120
        assert difference_db(of_end, of_whole[:, 3 * RATE :]) < -120


def test_other_saturator_settings_need_no_new_files(add_clips: AddClips, settings: Settings) -> None:
    (clip,) = add_clips("loop_electric")
    before = PairSource(settings.dataset, settings.saturator).pair(clip)
    other = SaturatorSettings(drive=2)
    after = PairSource(settings.dataset, other).pair(clip)
    assert before is not None
    assert after is not None
    np.testing.assert_array_equal(before[0], after[0])
    np.testing.assert_array_equal(after[1], render(Saturator(other), after[0], RATE))
    assert np.abs(before[1] - after[1]).max() > 0.1


def test_a_segment_is_a_stretch_of_a_pair(add_noise: Callable[..., Example], source: PairSource) -> None:
    example = add_noise(2)
    pair = source.pair(example)
    assert pair is not None
    (whole_dry,), (whole_wet,) = pair
    dry, wet = TrainingSet([example], source, 0).sample(np.random.default_rng(1), 16, FRAMES, CONTEXT, step=0)
    assert dry.shape == (16, CONTEXT + FRAMES)
    assert wet.shape == (16, FRAMES)
    assert dry.dtype == wet.dtype == np.float32
    before_file = np.zeros(CONTEXT, np.float32)
    for one_dry, one_wet in zip(dry, wet, strict=True):
        start = place(one_wet, whole_wet)
        np.testing.assert_array_equal(one_wet, whole_wet[start : start + FRAMES])
        padded = np.concatenate([before_file, whole_dry])
        np.testing.assert_array_equal(one_dry, padded[start : start + CONTEXT + FRAMES])


def test_a_file_shorter_than_a_segment_has_silence_before_it(
    add_noise: Callable[..., Example], source: PairSource
) -> None:
    example = add_noise(0.01)
    dry, wet = TrainingSet([example], source, 0).sample(np.random.default_rng(1), 2, FRAMES, CONTEXT, step=0)
    pair = source.pair(example)
    assert pair is not None
    np.testing.assert_array_equal(dry[0, -480:], pair[0][0])
    np.testing.assert_array_equal(wet[1, -480:], pair[1][0])
    assert not dry[:, :-480].any()
    assert not wet[:, :-480].any()


def test_sounds_are_heard_in_proportion_to_their_length_and_channels_apart(
    add_noise: Callable[..., Example], source: PairSource
) -> None:
    long, short = add_noise(3), add_noise(0.5, channels=2)
    training_set = TrainingSet([long, short], source, 0)
    pairs = [source.pair(example) for example in (long, short)]
    signals = [channel for pair in pairs if pair is not None for channel in pair[1]]
    _, wet = training_set.sample(np.random.default_rng(1), 400, 512, 0, step=0)
    heard = [sum(row[100] in signal for row in wet) for signal in signals]
    assert sum(heard) == 400
    assert 270 < heard[0] < 330
    assert min(heard[1:]) > 30


def test_what_is_drawn_depends_on_the_random_generator_alone(add_clips: AddClips, source: PairSource) -> None:
    clips = add_clips("loop_electric", "loop_mehackit1")
    uninterrupted, rng = TrainingSet(clips, source, 0), np.random.default_rng(7)
    uninterrupted.sample(rng, 4, FRAMES, CONTEXT, step=0)
    state = rng.bit_generator.state
    expected = uninterrupted.sample(rng, 4, FRAMES, CONTEXT, step=0)
    resumed, rng = TrainingSet(clips, source, 0), np.random.default_rng()
    rng.bit_generator.state = state
    for one, other in zip(expected, resumed.sample(rng, 4, FRAMES, CONTEXT, step=0), strict=True):
        np.testing.assert_array_equal(one, other)


def test_silent_stretches_are_not_heard(add_noise: Callable[..., Example], source: PairSource) -> None:
    example = add_noise(1, silent_seconds=9)
    _, wet = TrainingSet([example], source, 0).sample(np.random.default_rng(1), 50, 512, 0, step=0)
    assert (np.abs(wet).max(axis=1) > 1e-3).all()


def test_validation_sounds_are_never_heard(add_noise: Callable[..., Example], source: PairSource) -> None:
    heard, kept = add_noise(1), add_noise(1, subset="validation")
    training_set = TrainingSet([heard, kept], source, 0)
    assert training_set.contents == [heard.content_sha256]
    with pytest.raises(NothingToLearn, match="the training set is empty"):
        TrainingSet([kept], source, 0)


def test_nothing_but_silence_is_nothing_to_learn(add_sound: AddSound, source: PairSource) -> None:
    silence = [add_sound(np.zeros((1, frames), np.float32)) for frames in range(48_000, 48_010)]
    with pytest.raises(NothingToLearn, match="nothing but silence"):
        TrainingSet(silence, source, 0)


def test_a_missing_or_broken_sound_is_skipped_and_reported(
    add_noise: Callable[..., Example], source: PairSource, settings: Settings, warned: list[str]
) -> None:
    good, missing, broken = add_noise(1), add_noise(1), add_noise(1)
    (settings.dataset / missing.path).unlink()
    (settings.dataset / broken.path).write_bytes(b"no sound at all")
    training_set = TrainingSet([good, missing, broken], source, 0)
    training_set.sample(np.random.default_rng(1), 4, FRAMES, CONTEXT, step=0)
    assert training_set.contents == [good.content_sha256]
    assert source.skipped.keys() == {missing.content_sha256, broken.content_sha256}
    assert sorted("No such file" in message for message in warned) == [False, True]
    with pytest.raises(NothingToLearn, match="can be used"):
        TrainingSet([missing, broken], source, 0)


def test_trimming_removes_the_oldest_of_like_sounds_and_no_validation_sound(
    add_noise: Callable[..., Example], store: Store, settings: Settings, told: list[str]
) -> None:
    kept = add_noise(1, subset="validation")
    old, newer, newest = add_noise(1), add_noise(1), add_noise(1)
    removed = trim_dataset(store, settings.dataset, 2.5 * kept.bytes / 1e9)
    assert removed == [old, newer]
    assert store.contents() == [kept, newest]
    assert not (settings.dataset / newer.path).exists()
    assert (settings.dataset / newest.path).exists()
    assert told == [
        "the training set lost 2 sounds (0.000384 GB) of the kinds that it has most of, oldest first: "
        "[training] max_dataset_gb = 0.0004802\n"
    ]
    assert trim_dataset(store, settings.dataset, 2.5 * kept.bytes / 1e9) == []


def test_trimming_spares_what_is_rare_however_old_it_is(
    add_clips: AddClips, add_sound: AddSound, store: Store, settings: Settings
) -> None:
    (rare,) = add_clips("loop_mika")
    rng = np.random.default_rng(5)
    takes = [add_sound(rng.normal(0, 0.2, RATE + n).astype(np.float32)) for n in range(12)]
    takes = [take for take in takes if take.subset == "training"]
    assert rare.subset == "training"
    assert len(takes) > 3
    room = (
        rare.bytes + 2.5 * takes[0].bytes + sum(e.bytes for e in store.contents() if e.subset != "training")
    )
    removed = trim_dataset(store, settings.dataset, room / 1e9)
    assert removed == takes[:-2]
    assert rare in store.contents()


def test_validation_sounds_stay_even_beyond_the_limit(
    add_noise: Callable[..., Example], store: Store, settings: Settings, warned: list[str]
) -> None:
    add_noise(1, subset="validation")
    trim_dataset(store, settings.dataset, 1e-9)
    assert [example.subset for example in store.contents()] == ["validation"]
    assert "max_dataset_gb" in warned[0]


def test_validation_sounds_that_judge_no_model_make_room(
    add_noise: Callable[..., Example], store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "VALIDATION_SECONDS", 2)
    training = [add_noise(1) for _ in range(10)]
    validation = sorted(
        (add_noise(1, subset="validation") for _ in range(10)), key=lambda example: example.content_sha256
    )
    removed = trim_dataset(store, settings.dataset, 10 * training[0].bytes / 1e9)
    assert removed == [*training[:2], *validation[2:]]
    assert not any((settings.dataset / example.path).exists() for example in removed)
    assert trim_dataset(store, settings.dataset, 10 * training[0].bytes / 1e9) == []


def test_a_home_within_its_limit_keeps_all_of_its_sounds_whatever_another_home_has(
    add_noise: Callable[..., Example], settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dataset, "VALIDATION_SECONDS", 2)
    own = [add_noise(1, subset="validation") for _ in range(10)]
    elsewhere = replace(own[0], content_sha256="ee" * 32, path="ee/elsewhere.flac", bytes=10**9)
    with open_store(f"sqlite+pysqlite:///{tmp_path / 'shared.sqlite3'}") as shared:
        with shared.write() as connection:
            for example in (elsewhere, *own):
                add_example(connection, example)
        assert trim_dataset(shared, settings.dataset, 11 * own[0].bytes / 1e9) == []


def test_validation_sounds_never_push_out_all_training(
    add_noise: Callable[..., Example], store: Store, settings: Settings, warned: list[str]
) -> None:
    training = [add_noise(1) for _ in range(6)]
    for _ in range(9):
        add_noise(1, subset="validation")
    assert trim_dataset(store, settings.dataset, 8 * training[0].bytes / 1e9) == training[:4]
    assert "raise it" in warned[0]


def test_trimming_goes_on_where_a_crash_left_a_record_without_its_file(
    add_noise: Callable[..., Example], store: Store, settings: Settings
) -> None:
    example = add_noise(1)
    dry_path(settings.dataset, example.content_sha256, ".wav").unlink()
    assert trim_dataset(store, settings.dataset, 1e-9) == [example]
    assert store.contents() == []
