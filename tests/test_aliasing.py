import math

import numpy as np
import pytest

from fxd.aliasing import SAMPLE_RATES, SINES_HZ, alias_db, alias_levels, off_harmonics_db, sine
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array
from fxd.engines.saturator import Saturator

RATE = 48_000


def partials(*parts: tuple[int, float]) -> Array:
    """A second of sines, each of a frequency in Hz and an amplitude."""
    time = np.arange(RATE) / RATE
    return np.sum([level * np.sin(2 * np.pi * hz * time + hz) for hz, level in parts], axis=0)


def test_the_level_of_known_aliases_is_exact() -> None:
    """Harmonics of amplitude 1 and 0.5, two aliases of 0.01, one right beside a harmonic: 0.0002 over 1.25."""
    signal = partials((5_003, 1.0), (15_009, 0.5), (2_985, 0.01), (5_004, 0.01))
    assert off_harmonics_db(signal, RATE, 5_003) == pytest.approx(10 * math.log10(2e-4 / 1.25), abs=1e-9)


def test_only_what_is_heard_counts() -> None:
    """Neither a constant, nor rumble, nor anything above 20 kHz, harmonic or not."""
    audible = partials((5_003, 1.0), (3_000, 0.1))
    rest = partials((29, 0.5), (20_012, 0.5), (20_001, 0.5), (23_000, 0.5)) + 0.5
    assert off_harmonics_db(audible + rest, RATE, 5_003) == pytest.approx(-20, abs=1e-9)


def test_a_sine_alone_has_no_aliases() -> None:
    assert off_harmonics_db(partials((5_003, 1.0)), RATE, 5_003) < -200


def test_silence_has_no_level() -> None:
    assert math.isnan(off_harmonics_db(np.zeros(RATE, np.float32), RATE, 5_003))


@pytest.mark.parametrize(("hz", "frames"), [(5_000, RATE), (5_003, RATE - 1)])
def test_a_sine_whose_aliases_would_meet_its_harmonics_is_refused(hz: int, frames: int) -> None:
    with pytest.raises(ValueError, match="no bins of its own"):
        off_harmonics_db(np.ones(frames, np.float32), RATE, hz)


@pytest.mark.parametrize("rate", SAMPLE_RATES)
@pytest.mark.parametrize("hz", SINES_HZ.values())
def test_the_sines_are_of_full_scale_and_of_whole_periods(rate: int, hz: int) -> None:
    two = sine(rate, hz, 2)
    np.testing.assert_array_equal(two[:, :rate], two[:, rate:])
    assert np.abs(two).max() == pytest.approx(1, abs=1e-6)


class Folding:
    """An engine whose aliases are known: it keeps the sine, and adds what is asked for, 40 dB below."""

    name = version = "folding"

    def __init__(self, hz: int) -> None:
        self.hz = hz

    def stream(self, sample_rate: int, channels: int) -> "Folding":
        if sample_rate != RATE:
            raise ValueError("another rate")
        assert channels == 1
        return self

    latency = 0

    def process(self, block: Array) -> Array:
        time = np.arange(block.shape[1]) / RATE
        return (block + 0.01 * np.sin(2 * np.pi * self.hz * time)).astype(np.float32)


def test_an_engine_is_measured_once_it_has_settled() -> None:
    assert alias_db(Folding(7_001), RATE, 5_003) == pytest.approx(-40, abs=1e-4)


def test_a_rate_that_an_engine_cannot_work_at_has_no_level() -> None:
    levels = {(row["sample_rate"], row["hz"]): row["db"] for row in alias_levels(Folding(7_001))}
    assert levels[44_100, 5_003] is levels[44_100, 8_009] is None
    assert levels[48_000, 8_009] == pytest.approx(-40, abs=1e-4)


def test_antialiasing_is_seen() -> None:
    bare, default = (Saturator(SaturatorSettings(antialias=value)) for value in ("none", "on"))
    assert alias_db(bare, 44_100, 5_003) == pytest.approx(-25, abs=1)
    assert alias_db(default, 44_100, 5_003) < -90
