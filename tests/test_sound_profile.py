"""What a sound is like, in five figures: on real recordings, changed in ways that are known."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fxd.sound_profile import SoundProfile

Array = npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def electric(clips: list[Path]) -> Array:
    sound, _ = soundfile.read(clips[11], dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound.T)


def figures(sound: Array, rate: int = 44_100, block: int = 65_536) -> npt.NDArray[np.float64]:
    profile = SoundProfile(rate)
    for start in range(0, sound.shape[1], block):
        profile.update(sound[:, start : start + block])
    return np.array(profile.figures())


def sine(hertz: float, rate: int, level: float = 0.5) -> Array:
    return (level * np.sin(2 * np.pi * hertz * np.arange(2 * rate) / rate))[None].astype(np.float32)


@settings(deadline=None, max_examples=10)
@given(block=st.integers(1000, 70_000))
def test_the_size_of_the_blocks_does_not_matter(electric: Array, block: int) -> None:
    np.testing.assert_allclose(figures(electric, block=block), figures(electric), atol=0.11)


def test_half_as_loud_is_six_decibels_less_and_the_same_balance(electric: Array) -> None:
    difference = figures(electric) - figures(electric * np.float32(0.5))
    np.testing.assert_allclose(difference[:2], 6, atol=1)
    np.testing.assert_allclose(difference[2:], 0, atol=0.11)


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize(("hertz", "band"), [(60, 2), (1000, 1), (9000, 0)])
def test_a_tone_falls_into_its_band_at_every_rate(hertz: float, band: int, rate: int) -> None:
    loud, usual, *shares = figures(sine(hertz, rate), rate)
    assert loud == usual == -9
    assert int(np.argmax(shares)) == band
    assert shares[band] > -1.5


def test_loud_moments_in_a_quiet_sound_are_told_apart_from_a_loud_sound() -> None:
    tone = sine(1000, 48_000)
    rarely = np.concatenate([tone, 0.01 * np.tile(tone, 5)], axis=1)
    assert figures(rarely)[0] == -9
    assert figures(rarely)[1] == -49


@pytest.mark.parametrize("frames", [1, 100, 4095])
def test_a_sound_shorter_than_a_moment_has_a_profile(frames: int) -> None:
    assert figures(sine(9000, 48_000)[:, 10 : 10 + frames], 48_000)[0] > -60


def test_silence_has_the_lowest_figures() -> None:
    profile = SoundProfile(44_100)
    profile.update(np.zeros((2, 50_000), np.float32))
    assert profile.text() == "-80 -80 -30 -30 -30"
