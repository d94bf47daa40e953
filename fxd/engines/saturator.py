"""The tube saturator, the reference that the network learns.

    y = output_gain * tone(dc_block(tanh(drive * x + asymmetry) - tanh(asymmetry)))

tone is a Butterworth low-pass of order 4 at `tone_hz`, and dc_block is
H(z) = (1 - z^-1) / (1 - R z^-1) with R = 1 - 2 pi 20 / rate. Both are at rest before the first frame, and as
the tanh of the bias is taken off again, silence in is exactly silence out.

The tanh makes harmonics without end, and those above half the rate fold back. With `antialias = "none"`, the
formula at the signal's own rate, they do. With "on" the whole formula, filters included, runs at 176 kHz or
more, so that hardly anything is left to fold and the tone filter is the same at every rate of the signal:

    8 kHz .. 11.025 .. 16 .. 22.05 .. 32 .. 44.1 .. 48 .. 88.2 .. 96 .. 176.4 .. 192
       32        16    16        8     8       4     4       2     2        1      1   times

Samples are float32, as everywhere; the recursions keep float64 state, since in float32 they drift by 2.5e-6.
"""

from math import pi

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.signal import butter

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array
from fxd.engines.resampler import Detour
from fxd.engines.settings_hash import settings_hash

DoubleArray = npt.NDArray[np.float64]
Section = tuple[float, float, float, float, float]
"""b0, b1, b2, a1, a2 of a second-order section."""

LEAST_HIGH_RATE = 176_000
"""Hz. At 176.4 kHz a 5 kHz sine of full scale leaves -97 dB of aliases with the default settings."""
DC_BLOCK_HZ = 20
CHUNK = 16_384
"""Frames at the high rate that are worked on at once: what lies between the steps stays in the cache."""
TINY = 1e-30
"""State below this is zero: a recursion would decay into denormal numbers and, rounded, never leave them."""


def oversampling(sample_rate: int) -> int:
    """The smallest power of two that brings `sample_rate` to LEAST_HIGH_RATE or more.

    >>> [oversampling(rate) for rate in (8000, 44100, 96000, 192000)]
    [32, 4, 2, 1]
    """
    factor = 1
    while factor * sample_rate < LEAST_HIGH_RATE:
        factor *= 2
    return factor


def design(tone_hz: float, rate: int) -> tuple[Section, Section, Section]:
    """The DC blocker and the two halves of the tone filter at `rate` Hz.

    Raises ValueError where `tone_hz` is not below half of it.
    """
    if tone_hz >= rate / 2:
        raise ValueError(
            f"tone_hz = {tone_hz:g} is not below half the sample rate ({rate / 2:g} Hz): "
            'lower [saturator] tone_hz or use antialias = "on"'
        )
    low, high = butter(4, tone_hz, fs=rate, output="sos")[:, [0, 1, 2, 4, 5]].tolist()
    return (1.0, -1.0, 0.0, 2 * pi * DC_BLOCK_HZ / rate - 1, 0.0), tuple(low), tuple(high)


@njit(cache=True, nogil=True, fastmath={"contract"})
def run_section(section: Section, x: float, s1: float, s2: float) -> tuple[float, float, float]:
    """One step of a transposed direct form II: the output and the state after it.

    The state goes to zero as a whole: half of it alone would kick a slow filter into swinging for ever.
    """
    b0, b1, b2, a1, a2 = section
    y = b0 * x + s1
    if abs(x) + abs(s1) + abs(s2) < TINY:
        return y, 0.0, 0.0
    return y, b1 * x + s2 - a1 * y, b2 * x - a2 * y


@njit(cache=True, nogil=True, fastmath={"contract"})
def run_filters(
    sections: tuple[Section, Section, Section],
    gain: float,
    shaped: DoubleArray,
    state: DoubleArray,
    wet: Array,
) -> None:
    """Fill `wet`, [channels, frames], with `gain` times the filtered `shaped`; `state` is [channels, 6].

    The three stand in one loop, as a recursion waits for itself and the others can run meanwhile.
    """
    dc_block, tone_low, tone_high = sections
    for channel in range(shaped.shape[0]):
        d1, d2, l1, l2, h1, h2 = state[channel]
        for n in range(shaped.shape[1]):
            y, d1, d2 = run_section(dc_block, shaped[channel, n], d1, d2)
            y, l1, l2 = run_section(tone_low, y, l1, l2)
            y, h1, h2 = run_section(tone_high, y, h1, h2)
            wet[channel, n] = gain * y
        state[channel] = d1, d2, l1, l2, h1, h2


class SaturatorStream:
    """The saturator at work on one signal; `latency` is 0 where it runs at the signal's own rate."""

    def __init__(self, settings: SaturatorSettings, sample_rate: int, channels: int) -> None:
        self.settings = settings
        self.factor = oversampling(sample_rate) if settings.antialias == "on" else 1
        self.sections = design(settings.tone_hz, sample_rate * self.factor)
        self.detour = Detour(sample_rate, sample_rate * self.factor, channels)
        self.latency = self.detour.latency
        self.state = np.zeros((channels, 6))
        # An array, as a scalar may take another path through NumPy and differ in the last bit.
        self.rest = np.tanh(np.full(64, settings.asymmetry))[0]
        # No frames leave no trace, but compile the kernels, which nobody should count as processing time.
        self.detour.process(np.zeros((channels, 0), np.float32), self.saturate)

    def process(self, block: Array) -> Array:
        """The next output for the next input: float32 [channels, frames], same shape."""
        wet = np.empty(block.shape, np.float32)
        step = CHUNK // self.factor
        for start in range(0, block.shape[1], step):
            chunk = slice(start, start + step)
            wet[:, chunk] = self.detour.process(block[:, chunk], self.saturate)
        return wet

    def saturate(self, dry: Array) -> Array:
        """The formula itself, at the rate at which it runs."""
        shaped = np.multiply(dry, self.settings.drive, dtype=np.float64, order="C")
        shaped += self.settings.asymmetry
        np.tanh(shaped, out=shaped)
        shaped -= self.rest
        wet = np.empty(dry.shape, np.float32)
        run_filters(self.sections, self.settings.output_gain, shaped, self.state, wet)
        return wet


class Saturator:
    """The `dsp` engine."""

    name = "dsp"

    def __init__(self, settings: SaturatorSettings) -> None:
        self.settings = settings
        self.version = settings_hash(settings)

    def stream(self, sample_rate: int, channels: int) -> SaturatorStream:
        """A new stream at `sample_rate` Hz, at rest in silence.

        Raises ValueError where `tone_hz` is not below half the rate at which the formula runs.
        """
        return SaturatorStream(self.settings, sample_rate, channels)
