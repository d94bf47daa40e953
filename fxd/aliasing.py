"""How much of an engine's output on a sine is no harmonic of it: aliases, and in a network also errors.

A sine of full scale goes in, at a whole number of Hz that has no common divisor with the sample rate. Once the
engine has settled, one second of its output is whole periods of everything in it, so that the bins of a
transform without a window stand 1 Hz apart and each partial fills exactly one. A sine of 5 Hz at 12 Hz, say:

    bin                       0    1    2    3    4    5    6
    order that lands there   12    5    2    3    4    1    6     the second, at 10 Hz, comes out as 12 - 10
    it is                    off  off  off  off  off   on  off

The level is the energy in the bins from 30 Hz to 20 kHz that are no multiples of the frequency, over the
energy in those that are, in dB.
"""

import math
from fractions import Fraction

import numpy as np
import scipy.fft

from fxd.engines.engine import Array, Engine

LOWEST_HZ, HIGHEST_HZ = 30, 20_000
SINES_HZ = {"5 kHz": 5_003, "8 kHz": 8_009}
"""Primes, which no usual sample rate is a multiple of."""
SAMPLE_RATES = (44_100, 48_000)
SETTLING_SECONDS = 1
"""The slowest thing in an engine is the DC blocker: after a second, 1e-54 of its beginning is left."""


def sine(sample_rate: int, hz: int, seconds: int) -> Array:
    """A sine of full scale, float32 [1, frames]. The phase is exact however long it is."""
    phase = np.arange(seconds * sample_rate) * hz % sample_rate / sample_rate
    return np.sin(2 * np.pi * phase)[None].astype(np.float32)


def alias_db(engine: Engine, sample_rate: int, hz: int) -> float:
    """Level of what is off the harmonics of a sine of full scale in an engine's output, against what is on them.

    Raises ValueError where the engine cannot work at that rate, or the sine has no bin of its own.
    """
    wet = engine.stream(sample_rate, 1).process(sine(sample_rate, hz, SETTLING_SECONDS + 1))
    return off_harmonics_db(wet[0, -sample_rate:], sample_rate, hz)


def off_harmonics_db(second: Array, sample_rate: int, hz: int) -> float:
    """The same for a second of output, [sample_rate frames]; nan where it is silent.

    Raises ValueError where the sine's harmonics and aliases share bins.
    """
    if Fraction(hz, sample_rate).denominator != sample_rate or len(second) != sample_rate:
        raise ValueError(f"{hz} Hz in {len(second)} frames at {sample_rate} Hz has no bins of its own")
    energy = np.abs(scipy.fft.rfft(second.astype(np.float64))) ** 2
    bins = np.arange(len(energy))
    heard = (bins >= LOWEST_HZ) & (bins <= HIGHEST_HZ)
    on = heard & (bins % hz == 0)
    harmonics, rest = float(energy[on].sum()), float(energy[heard & ~on].sum())
    if harmonics == 0:
        return math.nan
    return 10 * math.log10(rest / harmonics) if rest else -math.inf


def alias_levels(engine: Engine) -> list[dict[str, object]]:
    """The level for each of the sines at each of the rates; None where the engine cannot work there."""
    return [
        {"sine": name, "hz": hz, "sample_rate": rate, "db": level(engine, rate, hz)}
        for rate in SAMPLE_RATES
        for name, hz in SINES_HZ.items()
    ]


def loudest_alias_db(engine: Engine) -> float:
    """The highest of these levels; nan where there is none, as for an engine that gives silence, nan or inf."""
    levels = [level(engine, rate, hz) for rate in SAMPLE_RATES for hz in SINES_HZ.values()]
    return max((one for one in levels if one is not None), default=math.nan)


def level(engine: Engine, sample_rate: int, hz: int) -> float | None:
    try:
        value = alias_db(engine, sample_rate, hz)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
