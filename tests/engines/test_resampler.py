"""The resampler against soxr, exact sines and its word: counts, whole delay, one result for all blocks"""

import math
import pickle

import numpy as np
import pytest
import soxr
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fxd.engines.engine import Array
from fxd.engines.resampler import MOST_PHASES, PASS_BAND, Detour, Resampler, filter_bank

RATES = [8000, 11025, 16000, 22050, 32000, 44100, 48000, 88200, 96000, 176400, 192000]
ODD_RATES = [37_800, 44_056, 44_099, 191_999]
PAIRS = [(rate, 48_000) for rate in RATES + ODD_RATES if rate != 48_000]
PAIRS += [(8000, 256_000), (11_025, 176_400), (44_100, 176_400), (48_000, 192_000), (96_000, 192_000)]
pairs = pytest.mark.parametrize(("base", "inner"), PAIRS)


def level_db(signal: Array) -> float:
    """Of the whole signal, against a sine of full scale."""
    return float(10 * np.log10(2 * np.mean(np.square(signal, dtype=np.float64)) + 1e-30))


def error_db(target: Array, estimate: Array) -> float:
    return level_db(estimate.astype(np.float64) - target) - level_db(target)


def noise(rate: int, highest_hz: float, frames: int, channels: int = 1) -> Array:
    """Noise up to `highest_hz` that begins and ends softly, as a hard edge holds every frequency."""
    spectrum = np.fft.rfft(np.random.default_rng(1).standard_normal((channels, frames)), axis=1)
    spectrum[:, np.fft.rfftfreq(frames, 1 / rate) > highest_hz] = 0
    return (np.fft.irfft(spectrum, frames, axis=1) * np.hanning(frames)).astype(np.float32)


def in_blocks(signal: Array, sizes: list[int]) -> list[Array]:
    """The signal in blocks of these sizes, and what is left."""
    return np.split(signal, np.minimum(np.cumsum(sizes), signal.shape[1]), axis=1)


def kept_hz(*rates: int) -> float:
    """Up to here sound passes; a little below the edge, as the soft ends of `noise` widen its spectrum."""
    return PASS_BAND * min(rates) / 2 * 0.998


@pairs
def test_both_directions_agree_with_soxr(base: int, inner: int) -> None:
    # No higher: soxr's own pass band droops from there on, by 0.006 dB (-63 dB of error) at 20 of 22.05 kHz.
    highest_hz = 0.63 * min(base, inner) / 2
    for source, target, whole_at in ((base, inner, "source"), (inner, base, "target")):
        dry = noise(source, highest_hz, int(source * 0.3))
        resampler = Resampler(source, target, 1, whole_at)
        wet = resampler.process(np.pad(dry, ((0, 0), (0, source // 50))))[0]
        if whole_at == "source":
            expected = soxr.resample(np.pad(dry[0], (resampler.latency, 0)), source, target, "VHQ")
        else:
            expected = soxr.resample(dry[0], source, target, "VHQ")
            wet = wet[resampler.latency :]
        frames = min(len(wet), len(expected))
        assert frames > target * 0.29
        assert error_db(expected[:frames], wet[:frames]) < -105


@pairs
@pytest.mark.parametrize("share", [0.05, 0.5, 0.85, 1.0])
def test_a_sine_in_the_pass_band_is_exact(base: int, inner: int, share: float) -> None:
    hz = share * PASS_BAND * min(base, inner) / 2
    dry = np.sin(2 * np.pi * hz * np.arange(base // 10) / base).astype(np.float32)[None]
    resampler = Resampler(base, inner, 1)
    wet = resampler.process(dry)[0]
    time = np.arange(len(wet)) / inner - resampler.latency / base
    settled = time > resampler.latency / base
    assert error_db(np.sin(2 * np.pi * hz * time[settled]), wet[settled]) < -110


@pairs
def test_a_detour_changes_nothing_but_the_time(base: int, inner: int) -> None:
    dry = noise(base, kept_hz(base, inner), int(base * 0.3), channels=2)
    detour = Detour(base, inner, 2)
    wet = detour.process(np.pad(dry, ((0, 0), (0, detour.latency))), lambda block: block)
    assert error_db(dry, wet[:, detour.latency :]) < -105


@pytest.mark.parametrize(("source", "target"), [(96_000, 48_000), (48_000, 37_800), (191_999, 48_000)])
def test_what_would_fold_into_the_pass_band_is_gone(source: int, target: int) -> None:
    stop_hz = target - PASS_BAND * target / 2
    time = np.arange(source // 4) / source
    for hz in np.linspace(stop_hz, source / 2, 20, endpoint=False):
        tone = np.sin(2 * np.pi * hz * time, dtype=np.float64).astype(np.float32)[None]
        wet = Resampler(source, target, 1).process(tone)
        assert level_db(wet[0, target // 50 :]) < -110


@pytest.mark.parametrize(("source", "target"), [(48_000, 192_000), (44_100, 48_000), (44_099, 48_000)])
def test_no_images_appear_above_the_source(source: int, target: int) -> None:
    dry = noise(source, kept_hz(source, target), source // 2)
    wet = Resampler(source, target, 1).process(dry)[0].astype(np.float64)
    power = np.abs(np.fft.rfft(wet * np.hanning(len(wet)))) ** 2
    image = np.fft.rfftfreq(len(wet), 1 / target) > source - PASS_BAND * source / 2
    if image.any():
        assert 10 * np.log10(power[image].sum() / power.sum()) < -110


sizes = st.lists(st.sampled_from([0, 1, 2, 7, 64, 333, 1000]), max_size=12)


@settings(deadline=None)
@given(pair=st.sampled_from(PAIRS), sizes=sizes)
def test_outputs_are_ready_as_soon_as_they_can_be(pair: tuple[int, int], sizes: list[int]) -> None:
    source, target = pair
    resampler = Resampler(source, target, 1)
    fed = given_back = 0
    for size in sizes:
        fed += size
        given_back += resampler.process(np.zeros((1, size), np.float32)).shape[1]
        assert given_back == math.ceil(fed * target / source)


@settings(deadline=None)
@given(pair=st.sampled_from(PAIRS), sizes=sizes)
@example(pair=(44_100, 48_000), sizes=[1] * 300)
@example(pair=(192_000, 48_000), sizes=[1] * 300)
@example(pair=(44_099, 48_000), sizes=[1] * 300)
def test_blocks_do_not_change_a_bit_of_the_result(pair: tuple[int, int], sizes: list[int]) -> None:
    dry = np.random.default_rng(2).standard_normal((2, 3000)).astype(np.float32)
    whole = Detour(*pair, 2).process(dry, np.negative)
    detour = Detour(*pair, 2)
    blocks = in_blocks(dry, sizes)
    wet = [detour.process(block, np.negative) for block in blocks]
    assert [block.shape for block in wet] == [block.shape for block in blocks]
    np.testing.assert_array_equal(np.concatenate(wet, axis=1), whole)


def test_a_block_may_be_long_or_have_any_memory_layout() -> None:
    dry = np.random.default_rng(3).standard_normal((70_001, 8)).astype(np.float32).T
    whole = Detour(44_100, 48_000, 8).process(dry, np.copy)
    detour = Detour(44_100, 48_000, 8)
    wet = [detour.process(block.copy(), np.copy) for block in in_blocks(dry, [65_536, 1])]
    np.testing.assert_array_equal(np.concatenate(wet, axis=1), whole)
    alone = Detour(44_100, 48_000, 1).process(dry[5:6], np.copy)
    np.testing.assert_array_equal(alone, whole[5:6])


@pairs
def test_an_impulse_comes_back_at_the_latency(base: int, inner: int) -> None:
    detour = Detour(base, inner, 1)
    dry = np.zeros((1, 3 * detour.latency), np.float32)
    dry[0, 20] = 1
    assert np.argmax(detour.process(dry, np.copy)) == 20 + detour.latency


def test_each_direction_lags_less_than_a_millisecond_and_a_half_at_44100() -> None:
    for inner in (48_000, 176_400):
        detour = Detour(44_100, inner, 1)
        assert detour.there.latency == detour.back.latency < 0.0015 * 44_100


def test_silence_stays_silence() -> None:
    detour = Detour(44_099, 48_000, 1)
    detour.process(np.ones((1, 500), np.float32), np.copy)
    detour.process(np.zeros((1, 500), np.float32), np.copy)
    assert not detour.process(np.zeros((1, 500), np.float32), np.copy).any()


def test_equal_rates_are_no_detour() -> None:
    detour = Detour(48_000, 48_000, 1)
    dry = np.random.default_rng(4).standard_normal((1, 100)).astype(np.float32)
    np.testing.assert_array_equal(detour.process(dry, np.negative), -dry)
    assert detour.latency == 0


def test_the_state_does_not_grow() -> None:
    detour = Detour(44_099, 48_000, 2)
    size = 0
    for number in range(2000):
        detour.process(np.ones((2, number % 50), np.float32), np.copy)
        if number == 100:
            size = len(pickle.dumps(detour))
    assert len(pickle.dumps(detour)) < size + 1000


@pytest.mark.parametrize("rate", ODD_RATES)
def test_odd_rates_need_no_huge_tables(rate: int) -> None:
    for bank in (Detour(rate, 48_000, 1).there.bank, Detour(rate, 48_000, 1).back.bank):
        assert bank.taps.shape[0] <= MOST_PHASES + 1
        assert bank.taps.nbytes < 4e6


def test_streams_of_the_same_rates_share_their_taps() -> None:
    first, second = (Resampler(44_100, 48_000, 1) for _ in range(2))
    assert first.bank is second.bank
    assert filter_bank.cache_info().maxsize is not None


def test_asking_for_more_than_there_is_says_so() -> None:
    with pytest.raises(ValueError, match="5 frames are wanted, 4 are ready: feed more"):
        Resampler(44_100, 88_200, 1).process(np.zeros((1, 2), np.float32), frames=5)
