"""Integrated loudness against the standard's own numbers and against pyloudnorm."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyloudnorm
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from fxd.loudness import Loudness, k_weighting

Array = npt.NDArray[np.float32]


def loudness(sound: Array, sample_rate: int, sizes: list[int] | None = None) -> float:
    measured = Loudness(sample_rate, sound.shape[0])
    at, turn = 0, 0
    while at < sound.shape[1]:
        size = sizes[turn % len(sizes)] if sizes else sound.shape[1]
        measured.update(sound[:, at : at + size])
        at, turn = at + size, turn + 1
    return measured.result()


def sine(level_dbfs: float, seconds: float, sample_rate: int, channels: int = 1, hz: float = 997.0) -> Array:
    wave = 10 ** (level_dbfs / 20) * np.sin(
        2 * np.pi * hz * np.arange(int(seconds * sample_rate)) / sample_rate
    )
    return np.tile(wave.astype(np.float32), (channels, 1))


@pytest.fixture(scope="session")
def breakbeat() -> Array:
    sound, _ = soundfile.read(Path(__file__).parent / "audio" / "loop_breakbeat.flac", dtype="float32")
    return np.ascontiguousarray(sound.T)


def test_the_filters_at_48_khz_are_those_of_the_standard() -> None:
    # BS.1770-4, annex 1, tables 1 and 2.
    shelf = [1.53512485958697, -2.69169618940638, 1.19839281085285, 1.0, -1.69065929318241, 0.73248077421585]
    high_pass = [1.0, -2.0, 1.0, 1.0, -1.99004745483398, 0.99007225036621]
    np.testing.assert_allclose(k_weighting(48_000), [shelf, high_pass], atol=1e-8)


@pytest.mark.parametrize("sample_rate", [8_000, 11_025, 22_050, 44_100, 48_000, 96_000, 192_000])
def test_a_full_scale_sine_is_minus_three_at_every_rate(sample_rate: int) -> None:
    assert loudness(sine(0, 3, sample_rate), sample_rate) == pytest.approx(-3.01, abs=0.1)


# EBU Tech 3341, cases 1 to 5 (shortened to a quarter): tones of 1 kHz in both channels.
@pytest.mark.parametrize(
    ("parts", "expected_lufs"),
    [
        ([(-23, 5)], -23),
        ([(-33, 5)], -33),
        ([(-36, 2.5), (-23, 15), (-36, 2.5)], -23),
        ([(-72, 2.5), (-36, 2.5), (-23, 15), (-36, 2.5), (-72, 2.5)], -23),
        ([(-26, 5), (-20, 5.025), (-26, 5)], -23),
    ],
)
def test_the_cases_of_the_ebu_come_out_right(parts: list[tuple[float, float]], expected_lufs: float) -> None:
    sound = np.concatenate([sine(level, seconds, 48_000, 2, 1000) for level, seconds in parts], axis=1)
    assert loudness(sound, 48_000) == pytest.approx(expected_lufs, abs=0.1)


# EBU Tech 3341, case 6, with a loud low-frequency channel put in, which does not count.
def test_surround_channels_are_weighted_and_the_low_frequency_one_is_left_out() -> None:
    levels = [-28, -28, -24, 0, -30, -30]
    sound = np.concatenate([sine(level, 5, 48_000, 1, 1000) for level in levels])
    assert loudness(sound, 48_000) == pytest.approx(-23, abs=0.1)


@pytest.mark.parametrize("sample_rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("name", ["loop_breakbeat", "bass_thick_c", "drum_roll"])
def test_it_equals_pyloudnorm(name: str, sample_rate: int) -> None:
    sound, rate = soundfile.read(
        Path(__file__).parent / "audio" / f"{name}.flac", dtype="float32", always_2d=True
    )
    sound = np.concatenate([sound * np.float32(0.02), sound])
    sound = soxr.resample(sound, rate, sample_rate)
    # pyloudnorm counts an unfinished last block; the standard does not.
    sound = sound[: len(sound) // (sample_rate // 10) * (sample_rate // 10)]
    measured = loudness(np.ascontiguousarray(sound.T), sample_rate)
    exact = pyloudnorm.Meter(sample_rate, filter_class="DeMan").integrated_loudness(sound.astype(np.float64))
    approximate = pyloudnorm.Meter(sample_rate).integrated_loudness(sound.astype(np.float64))
    assert measured == pytest.approx(exact, abs=1e-3)
    assert measured == pytest.approx(approximate, abs=0.05)


def test_both_gates_leave_quiet_parts_out(breakbeat: Array) -> None:
    alone = loudness(breakbeat, 44_100)
    quiet, nothing = breakbeat * np.float32(0.03), np.zeros((2, 44_100 * 20), np.float32)
    assert loudness(np.concatenate([breakbeat, quiet, quiet, nothing], axis=1), 44_100) == pytest.approx(
        alone, abs=0.5
    )


def test_scaling_moves_it_by_as_many_decibels(breakbeat: Array) -> None:
    quieter = breakbeat * np.float32(10 ** (-12 / 20))
    assert loudness(quieter, 44_100) == pytest.approx(loudness(breakbeat, 44_100) - 12, abs=1e-4)


def test_what_is_too_short_or_too_quiet_has_none(breakbeat: Array) -> None:
    assert math.isnan(Loudness(44_100, 2).result())
    assert math.isnan(loudness(breakbeat[:, :1], 44_100))
    assert math.isnan(loudness(breakbeat[:, :17_639], 44_100))
    assert math.isfinite(loudness(breakbeat[:, :17_640], 44_100))
    assert math.isnan(loudness(np.zeros((2, 88_200), np.float32), 44_100))
    assert math.isnan(loudness(sine(-80, 2, 44_100), 44_100))


@settings(max_examples=15, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 9000), min_size=1, max_size=5),
    sample_rate=st.sampled_from([8_000, 11_025, 44_100, 192_000]),
)
def test_the_size_of_the_blocks_changes_no_bit(breakbeat: Array, sizes: list[int], sample_rate: int) -> None:
    sizes = [*sizes, 9000]
    whole = loudness(breakbeat, sample_rate)
    measured = loudness(breakbeat, sample_rate, sizes)
    assert measured == whole or (math.isnan(measured) and math.isnan(whole))


@pytest.mark.parametrize("sample_rate", [8_000, 44_100])
def test_silence_after_sound_leaves_no_denormal_numbers(breakbeat: Array, sample_rate: int) -> None:
    measured = Loudness(sample_rate, 2)
    measured.update(np.concatenate([breakbeat, np.zeros((2, sample_rate * 4), np.float32)], axis=1))
    assert not measured._state[:, :6].any()


def test_every_number_of_channels_is_measured(breakbeat: Array) -> None:
    for channels in range(1, 9):
        sound = np.zeros((channels, breakbeat.shape[1]), np.float32)
        sound[0] = breakbeat[0]
        assert loudness(sound, 44_100) == pytest.approx(loudness(breakbeat[:1], 44_100), abs=1e-9)
