"""A sound in five figures, by which takes of the same thing are known from different things.

    loud     level that the loudest tenth of its moments exceeds, in dBFS (RMS)
    usual    level that half of its moments exceed
    high     share of its energy above about 3 kHz, in dB
    middle   share between about 350 Hz and 3 kHz
    low      share below about 350 Hz

A moment is 85 ms. The bands are those of a Haar wavelet: the energy of the means over 8 samples (at 48 kHz), and
of the means of 8 of these, is what is left of the sound below either edge, and no more than what it was taken
from. That is coarse, but costs a hundredth of what the engines do, in one pass over blocks of any size.
"""

from math import log2

import numpy as np
import numpy.typing as npt

from fxd.engines.engine import Array

HIGH_EDGE_HZ = 6_000
"""A mean over a sixth of a millisecond: half of the energy is gone at 2.7 kHz."""
SHORT_IN_LONG = 8
SHORT_IN_MOMENT = 512
LEAST_DBFS, MOST_DBFS = -80, 40
LEAST_SHARE_DB = -30.0
"""What is below is heard by nobody, and would tell apart what is alike."""


class SoundProfile:
    """The five figures of a sound that comes in blocks."""

    def __init__(self, sample_rate: int) -> None:
        self.short = max(1, 2 ** round(log2(sample_rate / HIGH_EDGE_HZ)))
        self.moment = self.short * SHORT_IN_MOMENT
        self.rest: Array | None = None
        self.levels = np.zeros(MOST_DBFS - LEAST_DBFS + 1, np.int64)
        """How many moments had each level, in whole dB."""
        self.bands = np.zeros(3)
        """Energy of high, middle and low."""

    def update(self, block: Array) -> None:
        """Hear float32 [channels, n]."""
        sound = block if self.rest is None else np.concatenate([self.rest, block], axis=1)
        whole = sound.shape[1] // self.moment * self.moment
        self.rest = sound[:, whole:].copy() if whole < sound.shape[1] else None
        if whole:
            self.hear(np.ascontiguousarray(sound[:, :whole]))

    def hear(self, sound: Array) -> None:
        """Whole moments, of all channels together."""
        channels = len(sound)
        short = means(sound.reshape(-1), self.short)
        long = means(short, SHORT_IN_LONG)
        moments = np.square(sound).reshape(channels, -1, self.moment).mean(axis=(0, 2), dtype=np.float64)
        below_high, below_middle = (np.square(part).mean(dtype=np.float64) for part in (short, long))
        energy = moments.mean()
        edges = np.array([energy, below_high, below_middle, 0]) * sound.size
        self.bands += np.maximum(edges[:-1] - edges[1:], 0)
        levels = np.clip(np.rint(decibels(moments)), LEAST_DBFS, MOST_DBFS).astype(np.int64) - LEAST_DBFS
        self.levels += np.bincount(levels, minlength=len(self.levels))

    def figures(self) -> tuple[float, ...]:
        """The five, to a tenth of a dB. Nothing more can be heard afterwards."""
        if not self.levels.any() and self.rest is not None:
            self.hear(np.pad(self.rest, ((0, 0), (0, self.moment - self.rest.shape[1]))))
        reached = np.cumsum(self.levels) / max(1, self.levels.sum())
        levels = [float(np.searchsorted(reached, share) + LEAST_DBFS) for share in (0.9, 0.5)]
        total = self.bands.sum() or 1.0
        shares = np.maximum(decibels(self.bands / total), LEAST_SHARE_DB)
        return (*levels, *(round(float(share), 1) for share in shares))

    def text(self) -> str:
        """The figures as the store keeps them, with spaces between."""
        return " ".join(f"{figure:g}" for figure in self.figures())


def means(sound: Array, width: int) -> Array:
    """Of every `width` samples that follow each other."""
    weights = np.full(width, 1 / width, np.float32)
    return np.asarray(sound.reshape(-1, width) @ weights)


def decibels(energy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 10 * np.log10(np.maximum(energy, 1e-20))
