"""The saturator's filters: interpolation to a high rate, and tone, DC blocker and decimation folded into one.

On the way up and down stands the same linear-phase low-pass h, a sinc under a Kaiser window that reaches
REACH frames either way. It passes up to 18.1 kHz at 44.1 kHz and lies at -100 dB from 26 kHz on; what passes
between folds onto what lies above 18.1 kHz. The high rate's instants lie between the
frames, symmetrically, so that they come in pairs with mirrored taps. With a factor of 4:

    frames        n                       n + 1
    phases            0     1     2     3            at n + 1/8, 3/8, 5/8, 7/8; pairs (0, 3) and (1, 2)

With a = h_p[k] and b = h_p[K-1-k] a pair shares its sums and differences of frames, at half the multiply-adds:

    even = sum of (a+b)/2 (x[n-k] + x[n-K+1+k]),  odd = sum of (a-b)/2 (x[n-k] - x[n-K+1+k])
    u_p = even + odd,  u_(mirror of p) = even - odd

Phase 0 of frame n needs the frames up to n + REACH, and a frame on the way back the instants up to
n + REACH - 1/8: both ways together lag by 2 REACH - 1 frames, 0.8 ms at 44.1 kHz.

On the way back stand the DC blocker and the tone filter. They are designed at the high rate, but only one of
`factor` of their outputs is kept. A pole p at the high rate is, up to a polynomial, the pole p^L at the low one:

    1 / (1 - p z^-1) = (1 + p z^-1 + ... + p^(L-1) z^-(L-1)) / (1 - p^L z^-L)

So the numerators, these polynomials and h are one FIR, of which only the outputs that are kept are computed,
and the recursion that is left has five poles at the low rate. It is the same output. The DC blocker's
1 - z^-1 stays out of the FIR: differences of neighbours in float32 are nearly exact, and a tap's rounding
would not be, once the pole beside it has amplified it 350 times. Against the same in float64 the default settings
give -110 to -150 dB on recordings, and the worst settings found, a tone of 20 Hz, -93.

Sources: Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983; for moving a recursion to the low
rate: Martinez and Parks, "A class of infinite-duration impulse response digital filters for sampling rate
reduction", 1979; for beta from the attenuation: Kaiser, 1974; for the Butterworth low-pass and the bilinear
transform: Oppenheim and Schafer, "Discrete-Time Signal Processing", 2010, section 7.2. The few lines of design
are written out here, as importing SciPy's would double the time in which a worker gets ready.
"""

from cmath import rect
from math import pi, prod, tan
from typing import NamedTuple

import numpy as np

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array
from fxd.engines.recursion import DoubleArray, PolePair, Poles

LEAST_HIGH_RATE = 352_000
"""Hz. At 352.8 kHz a sine of 8 kHz and full scale leaves -100 dB of aliases with the default settings."""
REACH = 18
"""Frames that the interpolator sees either way: with 18 it still passes 18 kHz at 44.1 kHz."""
TAPS = 2 * REACH
ATTENUATION_DB = 100.0
PAIRS = 2
"""Mirrored pairs of phases that are worked on together; so a factor is a multiple of 4."""
PHASES = 2 * PAIRS
BARE_TAPS = 5
"""Of the numerators of the tone filter."""
DC_BLOCK_HZ = 20


class Plan(NamedTuple):
    """The saturator between its interpolators, ready for the kernels."""

    rise: Array
    """[groups, REACH, 2, PAIRS]: `drive` times the taps of the even and the odd sums."""
    fall: Array
    """[groups, rows, PHASES]: the taps on the way back, those for the newest frame first."""
    poles: Poles


class BarePlan(NamedTuple):
    """The saturator at the signal's own rate."""

    drive: Array
    """[1]"""
    fall: DoubleArray
    """[BARE_TAPS]"""
    poles: Poles


def oversampling(sample_rate: int) -> int:
    """The smallest factor, a power of two from 4 on, that brings `sample_rate` to LEAST_HIGH_RATE or more.

    1, no oversampling, where it is there already.

    >>> [oversampling(rate) for rate in (8000, 44100, 48000, 96000, 192000, 384000)]
    [64, 8, 8, 4, 4, 1]
    """
    if sample_rate >= LEAST_HIGH_RATE:
        return 1
    factor = PHASES
    while factor * sample_rate < LEAST_HIGH_RATE:
        factor *= 2
    return factor


def interpolator(factor: int) -> DoubleArray:
    """h at the high rate's instants, [TAPS * factor], symmetric: 1 in sum, near 1 / factor for each phase."""
    time = np.arange(TAPS * factor) - (TAPS * factor - 1) / 2
    taps = np.sinc(time / factor) * np.kaiser(TAPS * factor, 0.1102 * (ATTENUATION_DB - 8.7))
    return np.asarray(taps / taps.sum())


def butterworth(tone_hz: float, sample_rate: float) -> tuple[list[complex], float]:
    """A low-pass of order 4: its two poles above the real axis, whose mirror images are the others, and its gain.

    The bilinear transform of a Butterworth low-pass has all four zeros at half the rate.
    """
    edge = tan(pi * tone_hz / sample_rate)
    analog = [-edge * rect(1, pi * angle / 8) for angle in (-3, -1)]
    gain = edge**4 / prod(abs(1 - pole) ** 2 for pole in analog)
    return [(1 + pole) / (1 - pole) for pole in analog], gain


def at_low_rate(tone_hz: float, high_rate: int, factor: int) -> tuple[DoubleArray, Poles]:
    """The filters but for 1 - z^-1: an FIR at `high_rate` and poles at a `factor`-th of it.

    Raises ValueError where `tone_hz` is not below half the high rate.
    """
    if tone_hz >= high_rate / 2:
        raise ValueError(
            f"tone_hz = {tone_hz:g} is not below half the sample rate ({high_rate / 2:g} Hz): "
            'lower [saturator] tone_hz or use antialias = "on"'
        )
    poles, gain = butterworth(tone_hz, high_rate)
    fir = gain * np.array([1.0, 4.0, 6.0, 4.0, 1.0])
    pairs = []
    for pole in poles:
        powers = pole ** np.arange(factor)
        low = pole**factor
        pairs.append(PolePair(abs(1 - low) ** 2, -2 * low.real, abs(low) ** 2))
        fir = np.convolve(fir, np.convolve(powers, powers.conj()).real) / pairs[-1].gain
    dc_pole = 1 - 2 * pi * DC_BLOCK_HZ / high_rate
    fir = np.convolve(fir, dc_pole ** np.arange(factor))
    return fir, Poles(dc_pole**factor, pairs[0], pairs[1])


def plan_bare(settings: SaturatorSettings, sample_rate: int) -> BarePlan:
    """All that the kernels need without oversampling.

    Raises ValueError where `tone_hz` is not below half the rate.
    """
    fir, poles = at_low_rate(settings.tone_hz, sample_rate, 1)
    return BarePlan(np.array([settings.drive], np.float32), settings.output_gain * fir, poles)


def plan(settings: SaturatorSettings, sample_rate: int, factor: int) -> Plan:
    """All taps for `settings` at `sample_rate` Hz and `factor` times as much.

    Raises ValueError where `tone_hz` is not below half the high rate.
    """
    h = interpolator(factor)
    # Between two frames there is one of them and `factor` instants, so the way up needs `factor` times h.
    first = settings.drive * factor * h.reshape(TAPS, factor).T[: factor // 2]
    newer, older = first[:, :REACH], first[:, : REACH - 1 : -1]
    parts = np.stack([newer + older, newer - older]) / 2
    rise = parts.reshape(2, -1, PAIRS, REACH).transpose(1, 3, 0, 2)

    fir, poles = at_low_rate(settings.tone_hz, sample_rate * factor, factor)
    taps = settings.output_gain * np.convolve(h, fir)
    taps = np.pad(taps, (0, -len(taps) % factor))
    # The newest instant, the last phase of the newest frame, has tap 0.
    fall = taps.reshape(-1, factor)[:, ::-1].reshape(-1, factor // PHASES, PHASES).transpose(1, 0, 2)
    return Plan(np.ascontiguousarray(rise, np.float32), np.ascontiguousarray(fall, np.float32), poles)
