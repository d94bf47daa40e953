"""ESR, MAE and SI-SDR against their definitions, and the bookkeeping of a comparison."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from fxd.metrics import Comparison, Quality, esr

Array = npt.NDArray[np.float32]


@pytest.fixture(scope="session")
def pair() -> tuple[Array, Array]:
    """A stereo recording and a distorted, noisy copy of it, [2, 40000]; the channels differ in level."""
    clip = Path(__file__).parent / "audio" / "loop_breakbeat.flac"
    sound, _ = soundfile.read(clip, 40_000, dtype="float32")
    target = np.ascontiguousarray(sound.T) * np.array([[1.0], [0.2]], np.float32)
    noise = np.random.default_rng(7).standard_normal(target.shape).astype(np.float32)
    return target, np.tanh(1.1 * target) + np.float32(0.003) * noise + np.float32(0.01)


def compare(target: Array, estimate: Array, size: int | None = None) -> Quality:
    comparison = Comparison(target.shape[0])
    size = size or max(target.shape[1], 1)
    for at in range(0, target.shape[1], size):
        comparison.update(target[:, at : at + size], estimate[:, at : at + size])
    return comparison.result()


def test_the_measures_are_what_they_are_defined_as(pair: tuple[Array, Array]) -> None:
    t, e = (signal.astype(np.float64).ravel() for signal in pair)
    quality = compare(*pair)
    ratio = np.square(t - e).sum() / np.square(t).sum()
    assert quality.esr == pytest.approx(ratio, rel=1e-12)
    assert quality.esr_db == pytest.approx(10 * np.log10(ratio), rel=1e-12)
    assert quality.mae == pytest.approx(np.abs(t - e).mean(), rel=1e-12)
    assert esr(*pair) == pytest.approx(ratio, rel=1e-12)
    # Le Roux et al., 2019, eq. 5: the target is scaled to the estimate.
    scaled = (e @ t) / (t @ t) * t
    assert quality.si_sdr_db == pytest.approx(
        10 * np.log10(np.square(scaled).sum() / np.square(scaled - e).sum())
    )


def test_si_sdr_is_the_cotangent_of_the_angle_between_the_two(pair: tuple[Array, Array]) -> None:
    t, e = (signal.astype(np.float64).ravel() for signal in pair)
    cosine = (t @ e) / math.sqrt((t @ t) * (e @ e))
    assert compare(*pair).si_sdr_db == pytest.approx(
        20 * math.log10(cosine / math.sin(math.acos(cosine))), abs=1e-6
    )


def test_si_sdr_equals_auraloss(pair: tuple[Array, Array]) -> None:
    import auraloss
    import torch

    target, estimate = (torch.tensor(signal.reshape(1, 1, -1)) for signal in pair)
    loss = auraloss.time.SISDRLoss(zero_mean=False)(estimate, target)
    assert compare(*pair).si_sdr_db == pytest.approx(-float(loss), abs=1e-3)


def test_si_sdr_does_not_depend_on_the_level_and_stays_exact_when_nearly_perfect(
    pair: tuple[Array, Array],
) -> None:
    target, estimate = pair
    assert compare(target, 4 * estimate).si_sdr_db == pytest.approx(compare(*pair).si_sdr_db, abs=1e-9)
    error = np.random.default_rng(1).standard_normal(target.shape) * 1e-6
    near = (target + error).astype(np.float32)
    t, e = (signal.astype(np.longdouble).ravel() for signal in (target, near))
    scaled = (e @ t) / (t @ t) * t
    expected = 10 * np.log10(np.square(scaled).sum() / np.square(scaled - e).sum())
    assert compare(target, near).si_sdr_db == pytest.approx(float(expected), abs=1e-4)


def test_equal_signals_are_perfect(pair: tuple[Array, Array]) -> None:
    target, _ = pair
    assert compare(target, target) == Quality(0.0, -math.inf, 0.0, math.inf, 0.0)


def test_measures_that_do_not_exist_are_nan(pair: tuple[Array, Array]) -> None:
    target, _ = pair
    silence = np.zeros_like(target)
    against_silence = compare(silence, target)
    assert math.isnan(against_silence.esr)
    assert math.isnan(against_silence.esr_db)
    assert math.isnan(against_silence.si_sdr_db)
    assert against_silence.mae == pytest.approx(float(np.abs(target).mean()), rel=1e-6)
    assert math.isnan(esr(silence, silence))
    muted = compare(target, silence)
    assert muted.esr == 1
    assert math.isnan(muted.si_sdr_db)
    nothing = compare(target[:, :0], target[:, :0])
    assert all(math.isnan(value) for value in vars(nothing).values())


@pytest.mark.parametrize("frames", [1, 2, 100, 1024, 1025])
def test_tiny_signals_are_measured_as_far_as_possible(pair: tuple[Array, Array], frames: int) -> None:
    target, estimate = (signal[:, 5000 : 5000 + frames] for signal in pair)
    quality = compare(target, estimate)
    assert quality.esr == pytest.approx(esr(target, estimate), rel=1e-12)
    assert math.isnan(quality.mrstft) == (frames < 1025)


def test_an_engine_that_gave_nan_or_inf_gets_no_number(pair: tuple[Array, Array]) -> None:
    target, estimate = pair
    for value in (np.nan, np.inf):
        broken = estimate.copy()
        broken[0, 20_000] = value
        quality = compare(target, broken)
        assert not any(math.isfinite(measure) for measure in vars(quality).values())


@settings(max_examples=15, deadline=None)
@given(
    targets=st.lists(st.integers(0, 30_000), min_size=1, max_size=5),
    estimates=st.lists(st.integers(0, 30_000), min_size=1, max_size=5),
)
def test_portions_never_change_a_bit_though_the_two_arrive_at_different_times(
    pair: tuple[Array, Array], targets: list[int], estimates: list[int]
) -> None:
    comparison = Comparison(2)
    signals, at = pair, [0, 0]
    for one, other in zip(
        targets + [40_000] * len(estimates), estimates + [40_000] * len(targets), strict=True
    ):
        blocks = [signals[i][:, at[i] : at[i] + size] for i, size in enumerate((one, other))]
        comparison.update(*blocks)
        at = [at[i] + blocks[i].shape[1] for i in range(2)]
    assert comparison.result() == compare(*pair)


def test_one_frame_at_a_time_is_the_same(pair: tuple[Array, Array]) -> None:
    target, estimate = (signal[:, :3000] for signal in pair)
    assert compare(target, estimate, size=1) == compare(target, estimate)


def test_signals_of_different_length_are_refused(pair: tuple[Array, Array]) -> None:
    target, estimate = pair
    comparison = Comparison(2)
    comparison.update(target, estimate[:, 1:])
    with pytest.raises(ValueError, match="40000 frames of target, 39999 of estimate"):
        comparison.result()
    with pytest.raises(ValueError, match="shape"):
        esr(target, estimate[:, 1:])
