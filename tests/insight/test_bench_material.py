import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxd.audio import AudioError
from fxd.config import PathSettings, Settings
from fxd.hashes import ContentHash
from fxd.insight.bench.material import RATE, gather, timed_sound

Write = Callable[..., Path]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(paths=PathSettings(inbox=tmp_path / "inbox"))


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a sound of some frames, or of silence, and returns its path."""

    def make(
        name: str, frames: int, level: float = 0.5, sample_rate: int = 44_100, channels: int = 1
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(frames)
        soundfile.write(path, level * rng.uniform(-1, 1, (frames, channels)), sample_rate, subtype="FLOAT")
        return path

    return make


def test_named_files_are_read_in_their_order_up_to_the_limit(settings: Settings, write: Write) -> None:
    files = [write("b.wav", 44_100), write("a.wav", 44_100), write("c.wav", 44_100)]
    material = gather(settings, files, most_seconds=1.5)
    assert material.origin == "given"
    assert [(sound.file, sound.seconds) for sound in material.sounds] == [("b.wav", 1.0), ("a.wav", 0.5)]


def test_a_hash_is_that_of_the_whole_file_however_little_is_kept(settings: Settings, write: Write) -> None:
    path = write("a.wav", 200_000)
    (short,), (whole,) = (gather(settings, [path], most).sounds for most in (1.0, 10.0))
    assert short.dry.shape == (1, 44_100)
    hashed = ContentHash(44_100, 1)
    hashed.update(whole.dry)
    assert short.content_sha256 == whole.content_sha256 == hashed.hexdigest()
    np.testing.assert_array_equal(short.dry, whole.dry[:, :44_100])


def test_without_files_the_newest_of_done_are_taken(settings: Settings, write: Write) -> None:
    for age, name in enumerate(["inbox/done/new.wav", "inbox/done/sub/old.wav", "inbox/done/.hidden.wav"]):
        os.utime(write(name, 4_410), (1e9 - age, 1e9 - age))
    write("inbox/waiting.wav", 4_410)
    material = gather(settings, [], 90)
    assert material.origin == "inbox/done"
    assert [sound.file for sound in material.sounds] == ["new.wav", "old.wav"]


def test_without_any_file_a_signal_is_generated_always_the_same(settings: Settings) -> None:
    material = gather(settings, [], 90)
    assert material.origin == "generated"
    (sound,), (again,) = material.sounds, gather(settings, [], 90).sounds
    np.testing.assert_array_equal(sound.dry, again.dry)
    assert 0.1 < np.abs(sound.dry).max() < 2


@pytest.mark.parametrize(
    ("sample_rate", "channels", "frames"),
    [(48_000, 1, 1), (44_100, 2, 1), (8_000, 1, 999), (192_000, 6, 500_000)],
)
def test_what_is_timed_is_stereo_at_one_rate_and_long_enough(
    settings: Settings, write: Write, sample_rate: int, channels: int, frames: int
) -> None:
    """Even of a file of a single frame, which is repeated."""
    path = write("a.wav", frames, sample_rate=sample_rate, channels=channels)
    sound = timed_sound(gather(settings, [path], 90), seconds=0.5)
    assert sound.shape == (2, RATE // 2)
    assert sound.dtype == np.float32
    assert sound.flags.c_contiguous
    assert sound.any()


def test_what_is_timed_is_the_beginning_of_the_files_resampled(settings: Settings, write: Write) -> None:
    first, second = write("a.wav", 4_800, sample_rate=48_000), write("b.wav", 96_000, sample_rate=48_000)
    material = gather(settings, [first, second], 90)
    sound = timed_sound(material, seconds=1.0)
    np.testing.assert_array_equal(sound[0, :4_800], material.sounds[0].dry[0])
    np.testing.assert_array_equal(sound[1, 4_800:], material.sounds[1].dry[0, : 48_000 - 4_800])


def test_a_bad_file_is_named_with_its_reason(settings: Settings, tmp_path: Path) -> None:
    words = tmp_path / "words.wav"
    words.write_text("only words" * 30)
    with pytest.raises(AudioError, match=r"words\.wav: it is not audio"):
        gather(settings, [words], 90)
    with pytest.raises(IsADirectoryError, match="is a folder; name audio files"):
        gather(settings, [tmp_path], 90)
    with pytest.raises(FileNotFoundError, match=r"missing\.wav"):
        gather(settings, [tmp_path / "missing.wav"], 90)
