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

import math
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.vectors.arithmetic import exponent, larger, mantissa, multiply, smaller, sqrt
from fxd.vectors.fourier import bin_rows, transform, twiddles
from fxd.vectors.memory import broadcast_rows, filled, load, load_rows, store, store_rows, transpose
from fxd.vectors.registers import LANES

MAGNITUDE_FLOOR = 1e-4
"""Magnitudes are raised to this, so that silence has a logarithm."""
LEAST_POWER = np.float32(MAGNITUDE_FLOOR**2)
MARGIN = 600
"""Half of the longest window: the signal is mirrored that far at both ends."""
MIN_FRAMES = 2048 // 2 + 1
"""Shorter signals cannot be mirrored by half of the longest transform (only auraloss needs that much)."""
BATCH = 2 * LANES
"""Frames that are transformed at once: two in each lane, as real and imaginary part of one signal."""

Rows = npt.NDArray[np.intp]
Sums = npt.NDArray[np.float64]
"""Energy of the difference, energy of the target, sum of the logarithms' differences."""


@njit(cache=True, nogil=True)
def place(signal: Array, at: int, hop: int, window: Array, z: Array) -> None:
    """BATCH frames of a signal, the first at `at`, under the window: in each lane one real, the next imaginary.

    Where in the transform the window stands only turns phases, so it stands at its beginning.
    """
    size = window.shape[0]
    for begin in range(0, size, LANES):
        # The last rows may be done twice, so that nothing behind the last frame is read.
        first = min(begin, size - LANES)
        factors = broadcast_rows(window, first, LANES, 1)
        for part in range(2):
            samples = transpose(load_rows(signal, at + part * hop + first, 2 * hop, LANES, 1))
            store_rows(z, (2 * first + part) * LANES, 2 * LANES, multiply(samples, factors), 1)
    z[size:] = 0


@njit(cache=True, nogil=True)
def part_magnitudes(z: Array, mirrored: Rows, magnitudes: Array) -> None:
    """The magnitudes of two real signals x, y from the transform Z of x + i y, into two rows for each bin.

    X[k] = (Z[k] + conj Z[-k]) / 2 and Y[k] = (Z[k] - conj Z[-k]) / 2i; the halves are in the window.
    """
    least = filled(LEAST_POWER)
    for n in range(mirrored.shape[0]):
        one, other = 2 * mirrored[n, 0] * LANES, 2 * mirrored[n, 1] * LANES
        a, b, c, d = load(z, one), load(z, one + LANES), load(z, other), load(z, other + LANES)
        x_real, x_imag, y_real, y_imag = a + c, b - d, b + d, c - a
        store(magnitudes, 2 * n * LANES, sqrt(larger(x_real * x_real + x_imag * x_imag, least)))
        store(magnitudes, (2 * n + 1) * LANES, sqrt(larger(y_real * y_real + y_imag * y_imag, least)))


@njit(cache=True, nogil=True)
def compare(target: Array, estimate: Array, first: int, parts: Array) -> None:
    """Write the sums over every other row of two magnitudes, from `first` on, into the rows of `parts`.

    The logarithms' differences add up as the logarithm of the product of all larger / smaller, of which the
    power of two is taken out at every step: its sum is in row 2, what is left of the product in row 3.
    """
    difference_energy = target_energy = powers = filled(np.float32(0))
    product = filled(np.float32(1))
    for row in range(first, target.shape[0], 2):
        t, e = load(target, row * LANES), load(estimate, row * LANES)
        difference_energy = difference_energy + (e - t) * (e - t)
        target_energy = target_energy + t * t
        product = product * (larger(t, e) / smaller(t, e))
        powers = powers + exponent(product)
        product = mantissa(product)
    store(parts, 0, difference_energy)
    store(parts, LANES, target_energy)
    store(parts, 2 * LANES, powers)
    store(parts, 3 * LANES, product)


@njit(cache=True, nogil=True)
def add_frames(
    target: Array,
    estimate: Array,
    shape: tuple[int, int],
    tables: tuple[Array, Array, Rows],
    scratch: tuple[Array, Array, Array],
    sums: Sums,
) -> None:
    """Add to `sums` what the frames of two signals differ; `shape` is the hop and the number of frames.

    The signals reach as far as whole batches of frames do.
    """
    hop, frames = shape
    window, twiddle, mirrored = tables
    z, magnitudes, parts = scratch
    for begin in range(0, frames, BATCH):
        for signal, result in ((target, magnitudes[0]), (estimate, magnitudes[1])):
            place(signal, begin * hop, hop, window, z)
            transform(z, twiddle)
            part_magnitudes(z, mirrored, result)
        for half in range(2):
            compare(magnitudes[0], magnitudes[1], half, parts)
            for lane in range(min(LANES, (frames - begin - half + 1) // 2)):
                sums[0] += parts[0, lane]
                sums[1] += parts[1, lane]
                sums[2] += math.log(2) * parts[2, lane] + math.log(parts[3, lane])


def reaching(signal: Array, frames: int) -> Array:
    """The signal, with silence behind it where it is shorter."""
    return signal if signal.size >= frames else np.pad(signal, (0, frames - signal.size))


@lru_cache
def tables(fft_size: int, window_size: int) -> tuple[Array, Array, Rows]:
    """Half of a Hann window (see `part_magnitudes`), the factors of the transform, the rows of its bins."""
    phase = 2 * np.pi * np.arange(window_size) / window_size
    window = (0.25 - 0.25 * np.cos(phase)).astype(np.float32)
    return window, twiddles(fft_size), mirrored_rows(fft_size)


def mirrored_rows(size: int) -> Rows:
    """The rows of the bins k and -k after a transform, for k = 0 .. size / 2, [size / 2 + 1, 2].

    In the order of the rows of k, as that is faster to read.
    """
    rows = bin_rows(size)
    half = np.arange(size // 2 + 1)
    half = half[np.argsort(rows[half])]
    return np.stack([rows[half], rows[-half]], axis=1)


@dataclass
class Resolution:
    """One STFT of both signals, and the sums of their distance so far."""

    fft_size: int
    hop: int
    window_size: int
    frames: int = 0
    """Frames done, of each channel."""
    bins: int = 0
    sums: Sums = field(default_factory=lambda: np.zeros(3))

    def __post_init__(self) -> None:
        self.tables = tables(self.fft_size, self.window_size)
        # Kept, as the system clears pages of this size whenever they are asked for.
        self.scratch = (
            np.empty((self.fft_size, 2 * LANES), np.float32),
            np.empty((2, self.fft_size + 2, LANES), np.float32),
            np.empty((4, LANES), np.float32),
        )

    @property
    def next_sample(self) -> int:
        """Where the next frame begins."""
        return self.frames * self.hop - self.window_size // 2

    def update(self, target: Array, estimate: Array, origin: int, last: int | None = None) -> None:
        """Add frames that lie whole in two arrays [channels, n] which begin at sample `origin`.

        They are added in batches; what does not fill one waits. With `last`, the length of the signal, all
        are added, and no frame is centred behind it.
        """
        begin = self.next_sample - origin
        count = (target.shape[1] - begin - self.window_size) // self.hop + 1
        count = count // BATCH * BATCH if last is None else min(count, 1 + last // self.hop - self.frames)
        if count <= 0:
            return
        shape = (self.hop, count)
        reach = (-(-count // BATCH) * BATCH - 1) * self.hop + self.window_size
        for signals in zip(target[:, begin:], estimate[:, begin:], strict=True):
            one, other = (reaching(signal, reach) for signal in signals)
            add_frames(one, other, shape, self.tables, self.scratch, self.sums)
        self.frames += count
        self.bins += target.shape[0] * count * (self.fft_size // 2 + 1)

    @property
    def distance(self) -> float:
        difference_energy, target_energy, log_difference = self.sums
        return float(np.sqrt(difference_energy / target_energy) + log_difference / self.bins)


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
