"""How far an estimate is from its target: ESR, mean absolute error, SI-SDR, multi-resolution STFT.

All sums are taken over all samples of all channels, so that a quiet channel weighs as little as it sounds.
"""

import math
from collections import deque
from dataclasses import dataclass

import numpy as np

from fxd.engines.engine import Array
from fxd.spectral import MrStft

PORTION_FRAMES = 16_384


@dataclass(frozen=True)
class Quality:
    """How far an estimate is from its target; a measure that does not exist for a signal is nan."""

    esr: float
    """Energy of (target - estimate) over energy of target; 0 is perfect, nan where the target is silent."""
    esr_db: float
    """10 log10 of it; -inf is perfect."""
    mae: float
    """Mean of |target - estimate|."""
    si_sdr_db: float
    """Scale-invariant signal-to-distortion ratio; inf is perfect, nan where either is silent."""
    mrstft: float
    """See `fxd.spectral`; nan for fewer than 1,025 frames."""


@dataclass
class ErrorSums:
    """What ESR, MAE and SI-SDR are made of, in float64; t is the target, d = estimate - target."""

    samples: int = 0
    target_energy: float = 0.0
    error_energy: float = 0.0
    cross: float = 0.0
    """Sum of t d."""
    magnitude: float = 0.0
    """Sum of |d|."""

    # An engine that failed may give nan or inf; then so are the measures, and that is no reason to warn.
    @np.errstate(invalid="ignore", over="ignore")
    def add(self, target: Array, estimate: Array) -> None:
        """Add two arrays of the same shape."""
        t = target.astype(np.float64).ravel()
        d = estimate.astype(np.float64).ravel() - t
        self.samples += t.size
        # einsum, as a dot product starts threads in some BLAS, whose sums then depend on their number.
        self.target_energy += float(np.einsum("i,i", t, t))
        self.error_energy += float(np.einsum("i,i", d, d))
        self.cross += float(np.einsum("i,i", t, d))
        self.magnitude += float(np.abs(d).sum())

    @property
    def esr(self) -> float:
        return self.error_energy / self.target_energy if self.target_energy else math.nan

    @property
    def mae(self) -> float:
        return self.magnitude / self.samples if self.samples else math.nan

    @property
    def si_sdr_db(self) -> float:
        """10 log10 of |a t|^2 / |a t - e|^2 with the scale a = <e, t> / |t|^2 that brings t nearest to e.

        No mean is removed. With e = t + d this is a = 1 + <t, d> / |t|^2 and |a t - e|^2 = |d|^2 - <t, d>^2 /
        |t|^2, which stays exact for estimates that are nearly perfect.
        Source: Le Roux et al., "SDR - half-baked or well done?", 2019, eq. 5.
        """
        if not self.target_energy:
            return math.nan
        scale = 1 + self.cross / self.target_energy
        signal = scale**2 * self.target_energy
        distortion = max(self.error_energy - self.cross**2 / self.target_energy, 0.0)
        if distortion == 0:
            return math.inf if signal else math.nan
        return decibels(signal / distortion)


def decibels(ratio: float) -> float:
    """10 log10 of an energy ratio; -inf for 0, nan for nan."""
    return 10 * math.log10(ratio) if ratio else -math.inf


def esr(target: Array, estimate: Array) -> float:
    """Error-to-signal ratio: energy of (target - estimate) over energy of target, 0 is perfect.

    Both arrays are float, shape [channels, frames]. Silence as target gives nan.
    Raises ValueError where the shapes differ.
    Source: Wright et al., "Real-Time Guitar Amplifier Emulation with Deep Learning", 2020, eq. 9.

    >>> esr(np.array([[1.0, -1.0]]), np.array([[1.0, -0.9]])) < 0.0051
    True
    """
    if target.shape != estimate.shape:
        raise ValueError(f"target has shape {target.shape}, estimate {estimate.shape}")
    sums = ErrorSums()
    sums.add(target, estimate)
    return sums.esr


class Portions:
    """Cuts a signal that comes in blocks of any size into portions of one size.

    Sums of the same portions are the same to the last bit, however large the blocks were.
    """

    def __init__(self, channels: int) -> None:
        self.ready: deque[Array] = deque()
        self.frames = 0
        self._portion = np.empty((channels, PORTION_FRAMES), np.float32)

    def add(self, block: Array) -> None:
        at = 0
        while at < block.shape[1]:
            filled = self.frames % PORTION_FRAMES
            piece = block[:, at : at + PORTION_FRAMES - filled]
            self._portion[:, filled : filled + piece.shape[1]] = piece
            self.frames += piece.shape[1]
            at += piece.shape[1]
            if self.frames % PORTION_FRAMES == 0:
                self.ready.append(self._portion)
                self._portion = np.empty_like(self._portion)

    @property
    def rest(self) -> Array:
        """What does not fill a portion."""
        return self._portion[:, : self.frames % PORTION_FRAMES]


class Comparison:
    """Measures an estimate against its target while both arrive, each in its own time."""

    def __init__(self, channels: int) -> None:
        self._targets = Portions(channels)
        self._estimates = Portions(channels)
        self._sums = ErrorSums()
        self._mrstft = MrStft(channels)

    def update(self, target: Array, estimate: Array) -> None:
        """Take the next blocks, float32 [channels, n]; the two may differ in n, and n may be 0."""
        self._targets.add(target)
        self._estimates.add(estimate)
        while self._targets.ready and self._estimates.ready:
            self._score(self._targets.ready.popleft(), self._estimates.ready.popleft())

    def result(self) -> Quality:
        """The measures of all that came, to be asked for once, at the end.

        Raises ValueError where the two are not of the same length.
        """
        if self._targets.frames != self._estimates.frames:
            raise ValueError(f"{self._targets.frames} frames of target, {self._estimates.frames} of estimate")
        self._score(self._targets.rest, self._estimates.rest)
        return Quality(
            esr=self._sums.esr,
            esr_db=decibels(self._sums.esr),
            mae=self._sums.mae,
            si_sdr_db=self._sums.si_sdr_db,
            mrstft=self._mrstft.result(),
        )

    def _score(self, target: Array, estimate: Array) -> None:
        self._sums.add(target, estimate)
        self._mrstft.update(target, estimate)
