"""The spectrum of the difference against that of the DSP's sound."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fxd.engines.engine import Array
from fxd.insight.report.logbook import Floats

SPECTRUM_FRAMES = 4096
BANDS_PER_OCTAVE = 6


@dataclass(frozen=True)
class Spectrum:
    """Power in bands of a sixth of an octave, in dB against a sine of full scale."""

    hz: tuple[float, ...]
    dsp_db: tuple[float, ...]
    difference_db: tuple[float, ...]


def spectrum_of(dsp: Array, difference: Array, rate: int) -> Spectrum | None:
    if dsp.shape[1] < SPECTRUM_FRAMES or not power(dsp):
        return None
    edges = 20 * 2 ** (np.arange(0, math.log2(rate / 40) * BANDS_PER_OCTAVE) / BANDS_PER_OCTAVE)
    wet, error = (band_power_db(sound, rate, edges) for sound in (dsp, difference))
    kept = np.isfinite(wet)
    middle = np.sqrt(edges[:-1] * edges[1:])
    numbers = (values[kept].round(2).tolist() for values in (middle, wet, error))
    return Spectrum(*(tuple(values) for values in numbers))


def band_power_db(sound: Array, rate: int, edges: Floats) -> Floats:
    """Mean power in bands, in dB against a full-scale sine; nan in bands below the resolution.

    Hann windows of `SPECTRUM_FRAMES` that overlap by half, averaged over windows and channels (Welch, 1967).
    """
    window = np.hanning(SPECTRUM_FRAMES + 1)[:-1]
    total = np.zeros(SPECTRUM_FRAMES // 2 + 1)
    count = 0
    for start in range(0, sound.shape[1] - SPECTRUM_FRAMES + 1, SPECTRUM_FRAMES // 2):
        frame = np.fft.rfft(sound[:, start : start + SPECTRUM_FRAMES] * window)
        total += (np.abs(frame) ** 2).mean(axis=0)
        count += 1
    # A sine of full scale has the power 1/2, of which this window finds sum(w)^2 / 4 * 2 in its bin.
    density = total / max(count, 1) / (window**2).sum() * 2 / SPECTRUM_FRAMES * 2
    hz = np.arange(len(density)) * rate / SPECTRUM_FRAMES
    which = np.digitize(hz, edges)
    found = np.full(len(edges) - 1, np.nan)
    for band in range(1, len(edges)):
        if (inside := which == band).any():
            found[band - 1] = 10 * math.log10(max(float(density[inside].sum()), 1e-20))
    return found


def power(sound: npt.NDArray[np.float32]) -> float:
    """Mean square."""
    return float(np.mean(np.square(sound, dtype=np.float64))) if sound.size else 0.0
