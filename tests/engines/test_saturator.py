"""The saturator against SciPy in float64, and what it promises: silence, time, blocks, few aliases."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.signal import butter, fftconvolve, firwin, kaiser_beta, lfilter, sosfilt, upfirdn

from fxd.config import SaturatorSettings
from fxd.engines import settings_hash as versions
from fxd.engines.engine import Array, render
from fxd.engines.oversampling import butterworth, interpolator
from fxd.engines.saturator import Saturator, oversampling
from fxd.engines.settings_hash import settings_hash

AUDIO = Path(__file__).parents[1] / "audio"
RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000, 384000]
ODD_RATES = [12_345, 37_800, 44_099]
rates = pytest.mark.parametrize("rate", RATES)
modes = pytest.mark.parametrize("antialias", ["none", "on"])


def clip(name: str, seconds: float, rate: int = 44_100) -> Array:
    """The first seconds of a clip, [channels, frames], read-only: an engine must not write on its input."""
    samples, clip_rate = soundfile.read(AUDIO / f"{name}.flac", frames=int(seconds * 44_100), dtype="float32")
    signal = np.atleast_2d(soxr.resample(samples, clip_rate, rate, "VHQ").T).copy()
    signal.setflags(write=False)
    return signal


def formula(dry: npt.NDArray[np.float64], rate: float, chosen: SaturatorSettings) -> npt.NDArray[np.float64]:
    """The saturator as DESIGN writes it, by SciPy."""
    shaped = np.tanh(chosen.drive * dry + chosen.asymmetry) - np.tanh(chosen.asymmetry)
    blocked = lfilter([1, -1], [1, -(1 - 2 * np.pi * 20 / rate)], shaped, axis=1)
    tone = butter(4, chosen.tone_hz, fs=rate, output="sos")
    return np.asarray(chosen.output_gain * sosfilt(tone, blocked, axis=1))


def oversampled(dry: Array, rate: int, chosen: SaturatorSettings, reach: int) -> npt.NDArray[np.float64]:
    """The formula at the high rate, all of its frames, between two Kaiser filters of `reach` frames either way.

    The high rate's instants lie symmetrically between the frames, half a step after each frame the first.
    """
    factor = oversampling(rate)
    taps = firwin(2 * reach * factor, 1 / factor, window=("kaiser", kaiser_beta(100)))[None]
    high = formula(upfirdn(factor * taps[0], dry.astype(np.float64), factor, axis=1), rate * factor, chosen)
    whole = fftconvolve(high, taps, axes=1)
    return np.asarray(whole[:, 2 * reach * factor - 1 :: factor][:, : dry.shape[1]])


def esr_db(target: npt.NDArray[np.floating], estimate: npt.NDArray[np.floating]) -> float:
    target = target.astype(np.float64)
    return float(10 * np.log10(np.sum((estimate - target) ** 2) / np.sum(target**2)))


def test_the_factor_brings_every_rate_to_352_khz() -> None:
    assert [oversampling(rate) for rate in RATES] == [64, 32, 32, 16, 16, 8, 8, 4, 4, 4, 4, 1]


@pytest.mark.parametrize("factor", [4, 8, 64])
def test_the_interpolator_is_the_one_that_scipy_designs(factor: int) -> None:
    expected = firwin(36 * factor, 1 / factor, window=("kaiser", kaiser_beta(100)))
    np.testing.assert_allclose(interpolator(factor), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("rate", [8000, 352_800, 512_000])
@pytest.mark.parametrize("tone_hz", [20, 3999])
def test_the_tone_filter_is_the_one_that_scipy_designs(tone_hz: float, rate: int) -> None:
    _, expected, expected_gain = butter(4, tone_hz, fs=rate, output="zpk")
    poles, gain = butterworth(tone_hz, rate)
    np.testing.assert_allclose(poles, expected[expected.imag > 0], rtol=0, atol=1e-14)
    assert gain == pytest.approx(expected_gain, rel=1e-12)


@rates
def test_without_antialias_it_is_the_formula(rate: int) -> None:
    chosen = SaturatorSettings(antialias="none", tone_hz=3900)
    dry = clip("loop_amen", 0.5, rate)
    wet = render(Saturator(chosen), dry, rate)
    assert np.abs(wet - formula(dry.astype(np.float64), rate, chosen)).max() < 1e-6


@settings(deadline=None)
@given(
    drive=st.floats(0.01, 1000),
    asymmetry=st.floats(-5, 5),
    tone_hz=st.floats(20, 22_000),
    output_gain=st.floats(0.01, 1),
)
def test_without_antialias_it_is_the_formula_for_all_settings(
    drive: float, asymmetry: float, tone_hz: float, output_gain: float
) -> None:
    chosen = SaturatorSettings(
        antialias="none", drive=drive, asymmetry=asymmetry, tone_hz=tone_hz, output_gain=output_gain
    )
    dry = clip("loop_electric", 0.1)
    wet = render(Saturator(chosen), dry, 44_100)
    assert np.abs(wet - formula(dry.astype(np.float64), 44_100, chosen)).max() < 1e-6


@pytest.mark.parametrize("rate", [rate for rate in RATES + ODD_RATES if oversampling(rate) > 1])
def test_with_antialias_it_is_the_formula_at_the_high_rate(rate: int) -> None:
    chosen = SaturatorSettings()
    dry = clip("loop_mehackit1", 0.5, rate)
    wet = render(Saturator(chosen), dry, rate)
    assert wet.shape == dry.shape
    assert esr_db(oversampled(dry, rate, chosen, reach=18), wet) < -100


@pytest.mark.parametrize("rate", [44_100, 48_000, 96_000])
@pytest.mark.parametrize("name", ["ambi_piano", "bass_voxy_c", "loop_breakbeat"])
def test_far_longer_interpolators_would_change_nothing(name: str, rate: int) -> None:
    chosen = SaturatorSettings()
    dry = clip(name, 0.5, rate)
    assert esr_db(oversampled(dry, rate, chosen, reach=200), render(Saturator(chosen), dry, rate)) < -80


@pytest.mark.parametrize("rate", [352_800, 384_000])
def test_with_antialias_a_high_rate_is_left_alone(rate: int) -> None:
    dry = clip("drum_roll", 0.2, rate)
    wet = [render(Saturator(SaturatorSettings(antialias=mode)), dry, rate) for mode in ("none", "on")]
    np.testing.assert_array_equal(*wet)
    assert Saturator(SaturatorSettings()).stream(rate, 1).latency == 0


blocks = st.lists(st.sampled_from([0, 1, 3, 64, 511, 4096]), max_size=12)


@modes
@settings(deadline=None)
@given(rate=st.sampled_from(RATES), sizes=blocks)
@example(rate=44_100, sizes=[1] * 200)
@example(rate=8000, sizes=[511, 1, 0, 513])
def test_blocks_do_not_change_a_bit_of_the_result(antialias: str, rate: int, sizes: list[int]) -> None:
    check_blocks(antialias, rate, sizes)


def check_blocks(antialias: str, rate: int, sizes: list[int]) -> None:
    engine = Saturator(SaturatorSettings.model_validate({"antialias": antialias, "tone_hz": 3000}))
    dry = clip("loop_amen", 0.15)
    stream = engine.stream(rate, 2)
    pieces = np.split(dry, np.minimum(np.cumsum(sizes), dry.shape[1]), axis=1)
    wet = [stream.process(piece) for piece in pieces]
    assert [piece.shape for piece in wet] == [piece.shape for piece in pieces]
    np.testing.assert_array_equal(np.concatenate(wet, axis=1), engine.stream(rate, 2).process(dry))


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names processors of x86-64")
@pytest.mark.parametrize("processor", ["haswell", "generic"])
def test_every_width_of_vectors_is_right(processor: str, tmp_path: Path) -> None:
    script = f"""
import runpy
tests = runpy.run_path({str(Path(__file__))!r})
tests["test_without_antialias_it_is_the_formula"](44_100)
tests["test_with_antialias_it_is_the_formula_at_the_high_rate"](44_100)
for antialias in ("on", "none"):
    tests["check_blocks"](antialias, 44_100, [1] * 70 + [511, 0, 513])
"""
    changes = {
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),  # the folder that is in use would grow with every run
    }
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **changes}, check=True)


@modes
def test_a_block_may_be_long_or_have_any_memory_layout(antialias: str) -> None:
    engine = Saturator(SaturatorSettings.model_validate({"antialias": antialias}))
    dry = clip("loop_mika", 1.6)
    assert dry.shape[1] > 65_536
    transposed = np.asfortranarray(dry)
    wet = engine.stream(44_100, 2).process(transposed)
    assert wet.dtype == np.float32
    stream = engine.stream(44_100, 2)
    pieces = [stream.process(dry[:, start : start + 20_000]) for start in range(0, dry.shape[1], 20_000)]
    np.testing.assert_array_equal(wet, np.concatenate(pieces, axis=1))


@modes
def test_channels_do_not_hear_each_other(antialias: str) -> None:
    engine = Saturator(SaturatorSettings.model_validate({"antialias": antialias}))
    dry = np.concatenate([clip(name, 0.3) for name in ("loop_amen", "perc_bell", "loop_mika", "bass_voxy_c")])
    wet = render(engine, dry, 44_100)
    for channel in range(8):
        alone = slice(channel, channel + 1)
        np.testing.assert_array_equal(wet[alone], render(engine, dry[alone], 44_100))


@modes
@settings(deadline=None)
@given(asymmetry=st.floats(-5, 5), drive=st.floats(0.01, 1000), frames=st.integers(0, 300))
def test_silence_is_exactly_silence(antialias: str, asymmetry: float, drive: float, frames: int) -> None:
    values = {"antialias": antialias, "asymmetry": asymmetry, "drive": drive}
    engine = Saturator(SaturatorSettings.model_validate(values))
    assert not render(engine, np.zeros((3, frames), np.float32), 44_100).any()


@modes
@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_after_a_sound_it_comes_to_rest_exactly(antialias: str, rate: int) -> None:
    stream = Saturator(SaturatorSettings.model_validate({"antialias": antialias, "tone_hz": 20})).stream(
        rate, 1
    )
    stream.process(np.ones((1, 1000), np.float32))
    stream.process(np.zeros((1, 3 * rate), np.float32))
    assert not stream.process(np.zeros((1, 100), np.float32)).any()
    assert not stream.memories[
        0
    ].state.any()  # nor does the state creep on among the denormal numbers, which are slow


def test_numbers_too_small_to_hear_are_silence() -> None:
    stream = Saturator(SaturatorSettings()).stream(44_100, 1)
    fade = np.geomspace(9e-21, 1e-45, 4000, dtype=np.float32)[None]
    assert not stream.process(fade).any()
    assert not stream.memories[0].dry.any()


@modes
@pytest.mark.parametrize("size", [50, 129])
def test_blocks_do_not_change_when_it_comes_to_rest(antialias: str, size: int) -> None:
    engine = Saturator(SaturatorSettings.model_validate({"antialias": antialias}))
    dry = np.zeros((1, 32_000), np.float32)
    dry[:, :300] = 1
    whole = engine.stream(44_100, 1).process(dry)
    last = int(np.flatnonzero(whole)[-1])
    assert 10_000 < last < 31_000
    assert 0 < abs(whole[0, last]) < 1e-29
    stream = engine.stream(44_100, 1)
    pieces = [stream.process(dry[:, start : start + size]) for start in range(0, dry.shape[1], size)]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


@pytest.mark.parametrize("rate", [*RATES, 37_800, 44_099])
def test_the_output_stands_where_the_input_stood(rate: int) -> None:
    engine = Saturator(SaturatorSettings(tone_hz=40_000, asymmetry=0, drive=0.1))
    dry = np.zeros((1, 500), np.float32)
    dry[0, 123] = 1
    wet = render(engine, dry, rate)
    assert wet.shape == dry.shape
    delay = 2.6131 / (2 * np.pi * 40_000) * rate  # of the tone filter, which belongs to the sound
    assert abs(int(np.argmax(wet)) - 123 - delay) <= 1


@rates
def test_the_latency_is_a_whole_number_of_frames_and_below_a_millisecond(rate: int) -> None:
    stream = Saturator(SaturatorSettings()).stream(rate, 1)
    assert isinstance(stream.latency, int)
    assert stream.latency < 0.001 * max(rate, 44_100)


def off_harmonics_db(hz: int, antialias: str, rate: int) -> float:
    """Energy off the harmonics of a sine of full scale over the energy on them, from 30 Hz to 20 kHz."""
    dry = np.sin(2 * np.pi * hz * np.arange(2 * rate) / rate).astype(np.float32)[None]
    wet = render(Saturator(SaturatorSettings.model_validate({"antialias": antialias})), dry, rate)
    power = np.abs(np.fft.rfft(wet[0, rate // 2 : rate // 2 + rate].astype(np.float64))) ** 2
    heard = np.arange(30, 20_001)
    harmonic = heard % hz == 0
    return float(10 * np.log10(power[heard[~harmonic]].sum() / power[heard[harmonic]].sum()))


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_oversampling_removes_the_aliases(rate: int) -> None:
    assert off_harmonics_db(5000, "none", rate) > -40
    assert off_harmonics_db(5000, "on", rate) < -110
    assert off_harmonics_db(8000, "on", rate) < -95


def band_limited(signal: Array, rate: int, highest_hz: float) -> Array:
    """Without what is above `highest_hz`, and with soft ends, as a hard edge holds every frequency."""
    spectrum = np.fft.rfft(signal.astype(np.float64), axis=1)
    spectrum[:, np.fft.rfftfreq(signal.shape[1], 1 / rate) > highest_hz] = 0
    ramp = np.minimum(np.arange(signal.shape[1]) / 2000, 1)
    return (np.fft.irfft(spectrum, signal.shape[1], axis=1) * ramp * ramp[::-1]).astype(np.float32)


def test_a_clip_sounds_the_same_at_every_rate() -> None:
    engine = Saturator(SaturatorSettings())
    differences = []
    for path in sorted(AUDIO.glob("*.flac")):
        dry = band_limited(clip(path.stem, 1), 44_100, 18_000)
        wet = [render(engine, dry, 44_100)]
        for rate in (48_000, 96_000):
            other = render(engine, soxr.resample(dry.T, 44_100, rate, "VHQ").T, rate)
            wet.append(soxr.resample(other.T, rate, 44_100, "VHQ").T[:, : dry.shape[1]])
        pairs = ((wet[0], wet[1]), (wet[0], wet[2]), (wet[1], wet[2]))
        differences.append([esr_db(*pair) for pair in pairs])
    assert len(differences) == 18
    assert (np.median(differences, axis=0) < -80).all()
    assert np.max(differences) < -65


def test_a_tone_that_the_rate_cannot_hold_is_refused_with_the_remedy() -> None:
    chosen = SaturatorSettings(antialias="none", tone_hz=30_000)
    with pytest.raises(ValueError, match="tone_hz") as caught:
        Saturator(chosen).stream(44_100, 1)
    assert str(caught.value) == (
        "tone_hz = 30000 is not below half the sample rate (22050 Hz): "
        'lower [saturator] tone_hz or use antialias = "on"'
    )
    Saturator(chosen.model_copy(update={"antialias": "on"})).stream(8000, 1)
    with pytest.raises(ValueError, match="tone_hz = 4000 is not below"):
        Saturator(SaturatorSettings(antialias="none", tone_hz=4000)).stream(8000, 1)


def test_the_version_tells_all_settings_apart() -> None:
    changes = {
        "drive": 5.000001,
        "asymmetry": -0.2,
        "tone_hz": 5001,
        "output_gain": 0.81,
        "antialias": "none",
    }
    assert changes.keys() == SaturatorSettings.model_fields.keys()
    others = [SaturatorSettings.model_validate({key: value}) for key, value in changes.items()]
    hashes = {settings_hash(chosen) for chosen in [SaturatorSettings(), *others]}
    assert len(hashes) == 1 + len(changes)
    assert all(len(digits) == 12 and int(digits, 16) >= 0 for digits in hashes)
    assert Saturator(SaturatorSettings()).version == settings_hash(SaturatorSettings(drive=5))


def test_a_new_method_changes_the_version_of_its_mode_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [SaturatorSettings(antialias="none"), SaturatorSettings(antialias="on")]
    before = [settings_hash(each) for each in chosen]
    monkeypatch.setitem(versions.METHODS, "on", 99)
    after = [settings_hash(each) for each in chosen]
    assert after[0] == before[0]
    assert after[1] != before[1]
