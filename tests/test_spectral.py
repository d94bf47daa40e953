"""The streaming multi-resolution STFT distance against auraloss on whole signals."""

import math
from pathlib import Path

import auraloss
import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch

from fxd.spectral import MrStft

Array = npt.NDArray[np.float32]


def distance(target: Array, estimate: Array, size: int = 16_384) -> float:
    measured = MrStft(target.shape[0])
    for at in range(0, target.shape[1], size):
        measured.update(target[:, at : at + size], estimate[:, at : at + size])
    return measured.result()


def auraloss_distance(target: Array, estimate: Array) -> float:
    loss = auraloss.freq.MultiResolutionSTFTLoss()
    return float(loss(torch.tensor(estimate)[None], torch.tensor(target)[None]))


def clip(name: str, frames: int) -> Array:
    sound, _ = soundfile.read(
        Path(__file__).parent / "audio" / f"{name}.flac", frames, dtype="float32", always_2d=True
    )
    return np.ascontiguousarray(sound.T)


@pytest.mark.parametrize("name", ["guit_harmonics", "ambi_piano", "loop_breakbeat"])
@pytest.mark.parametrize("frames", [1025, 1200, 4800, 30_011])
def test_it_equals_auraloss(name: str, frames: int) -> None:
    target = clip(name, frames)
    noise = np.random.default_rng(3).standard_normal(target.shape).astype(np.float32)
    for estimate in (
        np.tanh(3 * target),
        target + np.float32(1e-3) * noise,
        target * np.float32(0.999),
        np.zeros_like(target),
    ):
        assert distance(target, estimate) == pytest.approx(
            auraloss_distance(target, estimate), abs=1e-4, rel=1e-5
        )


def test_silence_against_silence_is_no_distance_and_against_sound_equals_auraloss() -> None:
    sound = clip("loop_breakbeat", 5000)
    silence = np.zeros_like(sound)
    assert distance(silence, silence) == 0
    assert distance(silence, sound) == pytest.approx(auraloss_distance(silence, sound), rel=1e-4)


@pytest.mark.parametrize("size", [1, 7, 599, 1024, 5000])
def test_portions_change_nothing(size: int) -> None:
    target = clip("loop_breakbeat", 5003)
    estimate = np.tanh(2 * target)
    assert distance(target, estimate, size) == pytest.approx(distance(target, estimate, 10_000), rel=1e-6)


def test_what_is_kept_does_not_grow() -> None:
    target = clip("guit_e_fifths", 44_100)
    measured = MrStft(target.shape[0])
    for _ in range(5):
        measured.update(target, target)
        assert measured._kept.shape[2] < 10_000


def test_too_short_for_the_longest_transform_is_nan() -> None:
    target = clip("guit_e_fifths", 1024)
    assert math.isnan(distance(target, target))
