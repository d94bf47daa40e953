"""Multi-resolution STFT distance of two signals that come in portions; memory stays flat.

For every resolution, with magnitudes |T| of the target and |E| of the estimate over all frames and channels,

    distance = ||E| - |T|| / ||T||  (Frobenius)  +  mean | log |E| - log |T| |

and the result is the mean over the resolutions: 0 for equal signals, larger is farther.
Source: Yamamoto et al., "Parallel WaveGAN", 2020, eq. 3 to 6, in the form and with the defaults of auraloss
(Steinmetz and Reiss, "auraloss: Audio focused loss functions in PyTorch", 2020); a test compares the two.
Like auraloss it works in float32, whose rounding in the faintest bins is worth up to 2e-4 of distance.

Frames are centred: frame f of a resolution with hop H and window W begins at sample f H - W/2, there are
1 + T // H of them, and the signal of T samples is mirrored at both ends. H = 4, W = 6, T = 10:

    sample     -3 -2 -1  0  1  2  3  4  5  6  7  8  9 10 11 12
    value      x3 x2 x1 x0 x1 x2 x3 x4 x5 x6 x7 x8 x9 x8 x7 x6
    frame 0    [--------------]
    frame 1                [--------------]
    frame 2                            [--------------]
"""

from dataclasses import dataclass, field

import numpy as np
import scipy.fft

from fxd.engines.engine import Array

MAGNITUDE_FLOOR = np.float32(1e-4)
"""Magnitudes are raised to this, so that silence has a logarithm."""
MARGIN = 600
"""Half of the longest window: the signal is mirrored that far at both ends."""
MIN_FRAMES = 2048 // 2 + 1
"""Shorter signals cannot be mirrored by half of the longest transform (only auraloss needs that much)."""
BATCH = 64
"""Frames that are transformed at once: few enough for the cache, enough for SciPy's vectors."""


@dataclass
class Resolution:
    """One STFT of both signals, and the sums of their distance so far."""

    fft_size: int
    hop: int
    window_size: int
    frames: int = 0
    """Frames done, of each channel."""
    bins: int = 0
    difference_energy: float = 0.0
    target_energy: float = 0.0
    log_difference: float = 0.0
    window: Array = field(init=False)

    def __post_init__(self) -> None:
        phase = 2 * np.pi * np.arange(self.window_size) / self.window_size
        self.window = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)

    @property
    def next_sample(self) -> int:
        """Where the next frame begins."""
        return self.frames * self.hop - self.window_size // 2

    # An engine that failed may give nan or inf; then so is the distance, and that is no reason to warn.
    @np.errstate(invalid="ignore", over="ignore")
    def update(self, target: Array, estimate: Array, origin: int, last: int | None = None) -> None:
        """Add the frames that lie whole in two arrays [channels, n] which begin at sample `origin`.

        With `last`, the length of the signal, no frame is centred behind it.
        """
        begin = self.next_sample - origin
        count = (target.shape[1] - begin - self.window_size) // self.hop + 1
        if last is not None:
            count = min(count, 1 + last // self.hop - self.frames)
        if count <= 0:
            return
        for channel in range(target.shape[0]):
            one = self._frames(target[channel, begin:], count)
            other = self._frames(estimate[channel, begin:], count)
            for at in range(0, count, BATCH):
                self._add(self._magnitudes(one[at : at + BATCH]), self._magnitudes(other[at : at + BATCH]))
        self.frames += count

    def _frames(self, signal: Array, count: int) -> Array:
        return np.lib.stride_tricks.sliding_window_view(signal, self.window_size)[:: self.hop][:count]

    def _magnitudes(self, frames: Array) -> Array:
        # Where in the transform the window stands only turns phases, so it need not be centred there.
        spectra = scipy.fft.rfft(frames * self.window, self.fft_size)
        magnitudes: Array = np.maximum(np.abs(spectra), MAGNITUDE_FLOOR)
        return magnitudes

    def _add(self, target: Array, estimate: Array) -> None:
        self.difference_energy += float(np.square(estimate - target).sum())
        self.target_energy += float(np.square(target).sum())
        # The logarithm of the ratio: one logarithm instead of two.
        self.log_difference += float(np.abs(np.log(estimate / target)).sum())
        self.bins += target.size

    @property
    def distance(self) -> float:
        convergence = float(np.sqrt(self.difference_energy / self.target_energy))
        return convergence + self.log_difference / self.bins


class MrStft:
    """The distance of two signals [channels, frames] that arrive together, in portions."""

    def __init__(self, channels: int) -> None:
        self._resolutions = (
            Resolution(1024, 120, 600),
            Resolution(2048, 240, 1200),
            Resolution(512, 50, 240),
        )
        self._kept = np.zeros((2, channels, 0), np.float32)
        """The end of target and estimate, as far as a frame still needs it."""
        self._origin = 0
        """Sample at which it begins."""
        self._is_mirrored = False
        """Whether the mirrored beginning has been put in front."""
        self._length = 0

    def update(self, target: Array, estimate: Array) -> None:
        """Take the next portion of both, float32 of the same shape [channels, n]."""
        self._kept = np.concatenate([self._kept, np.stack([target, estimate])], axis=2)
        self._length += target.shape[1]
        if self._length < MIN_FRAMES:
            return
        if not self._is_mirrored:
            self._kept = np.concatenate([self._kept[:, :, MARGIN:0:-1], self._kept], axis=2)
            self._origin, self._is_mirrored = -MARGIN, True
        for resolution in self._resolutions:
            resolution.update(self._kept[0], self._kept[1], self._origin)
        # The mirrored end needs MARGIN samples and the one that it is mirrored at.
        needed = min(self._length - MARGIN - 1, *(resolution.next_sample for resolution in self._resolutions))
        self._kept = self._kept[:, :, needed - self._origin :].copy()
        self._origin = needed

    def result(self) -> float:
        """The distance, to be asked for once, at the end; nan for fewer than 1,025 frames."""
        if self._length < MIN_FRAMES:
            return float("nan")
        mirrored = self._kept[:, :, -2 : -2 - MARGIN : -1]
        target, estimate = np.concatenate([self._kept, mirrored], axis=2)
        for resolution in self._resolutions:
            resolution.update(target, estimate, self._origin, last=self._length)
        return sum(resolution.distance for resolution in self._resolutions) / len(self._resolutions)
