"""Integrated loudness of a signal that comes in blocks, by ITU-R BS.1770-4.

K-weighting, energy of every 400 ms (a block each 100 ms, from four quarters), a gate at -70 LUFS and one
10 LU under the mean of what passed the first. One number is kept for each 100 ms: 0.3 MB an hour.
"""

import math
from array import array

import numpy as np
import numpy.typing as npt

from fxd.compiler import njit
from fxd.engines.engine import Array

OFFSET_LUFS = -0.691
"""Makes a full-scale 1 kHz sine in one channel -3.01 LUFS."""
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0
QUARTERS_PER_SECOND = 10
QUARTERS_PER_BLOCK = 4

CHANNEL_WEIGHTS = {
    1: (1.0,),
    2: (1.0, 1.0),
    3: (1.0, 1.0, 1.0),
    4: (1.0, 1.0, 1.41, 1.41),
    5: (1.0, 1.0, 1.0, 1.41, 1.41),
    6: (1.0, 1.0, 1.0, 0.0, 1.41, 1.41),
    7: (1.0, 1.0, 1.0, 0.0, 1.0, 1.41, 1.41),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.41, 1.41),
}
"""By number of channels in WAV order: front L, R, C, low frequencies (not counted), back, sides.

Four channels are front and surround; of six the last two are the surrounds at 110 degrees.
BS.1770-4, table 4: 1.41 for a loudspeaker to the side (60 to 120 degrees), 1 elsewhere.
"""

TINY = 1e-30
"""State below this is zero: in silence it would decay into denormal numbers, with which processors are slow."""

DoubleArray = npt.NDArray[np.float64]


@njit(cache=True, nogil=True, fastmath={"contract"})
def add_energy(
    sections: DoubleArray, block: Array, cuts: npt.NDArray[np.intp], state: DoubleArray, quarters: DoubleArray
) -> None:
    """Filter a block [channels, frames]; write each channel's energy up to each of `cuts` into [channels, cuts].

    `state`, [channels, 7], is the last two values before, between and behind the two sections (direct form I,
    in which a value waits for one multiply-add of the value before it) and the energy since the last cut.
    The energies are the same for every size of blocks, to the last bit.
    """
    (b0, b1, b2, _, a1, a2), (c0, c1, c2, _, d1, d2) = sections
    for channel in range(block.shape[0]):
        x1, x2, y1, y2, z1, z2, energy = state[channel]
        begin = 0
        for quarter in range(cuts.shape[0] + 1):
            is_cut = quarter < cuts.shape[0]
            end = cuts[quarter] if is_cut else block.shape[1]
            for n in range(begin, end):
                x = np.float64(block[channel, n])
                y = b0 * x + b1 * x1 + b2 * x2 - a2 * y2 - a1 * y1
                z = c0 * y + c1 * y1 + c2 * y2 - d2 * z2 - d1 * z1
                x1, x2, y1, y2, z1, z2 = x, x1, y, y1, z, z1
                energy += z * z
            if is_cut:
                quarters[channel, quarter] = energy
                energy, begin = 0.0, end
                if abs(y1) + abs(y2) + abs(z1) + abs(z2) < TINY:
                    y1 = y2 = z1 = z2 = 0.0
        state[channel] = x1, x2, y1, y2, z1, z2, energy


class Loudness:
    """Loudness of one signal of 1 to 8 channels."""

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._sample_rate = sample_rate
        self._sections = k_weighting(sample_rate)
        self._state = np.zeros((channels, 7))
        self._weights = np.array(CHANNEL_WEIGHTS[channels])[:, None]
        self._frames = 0
        self._quarters = array("d")
        """Weighted energy of every whole 100 ms."""

    def update(self, block: Array) -> None:
        """Take the next float32 [channels, n]."""
        cuts = self._cuts(block.shape[1])
        energies = np.empty((block.shape[0], cuts.size))
        add_energy(self._sections, np.ascontiguousarray(block), cuts, self._state, energies)
        # Not a dot product, whose sums may depend on the number of columns.
        self._quarters.extend((self._weights * energies).sum(axis=0))
        self._frames += block.shape[1]

    def _cuts(self, frames: int) -> npt.NDArray[np.intp]:
        """Where in the next `frames` frames a quarter ends. At 11,025 Hz it has 1,102 or 1,103 frames."""
        done, end = len(self._quarters), self._frames + frames
        quarters = np.arange(done + 1, end * QUARTERS_PER_SECOND // self._sample_rate + 1)
        return quarters * self._sample_rate // QUARTERS_PER_SECOND - self._frames

    def result(self) -> float:
        """Integrated loudness in LUFS; nan for less than 400 ms, and where all is below -70 LUFS."""
        if len(self._quarters) < QUARTERS_PER_BLOCK:
            return math.nan
        block_frames = self._sample_rate * QUARTERS_PER_BLOCK / QUARTERS_PER_SECOND
        blocks = np.convolve(self._quarters, np.ones(QUARTERS_PER_BLOCK), "valid") / block_frames
        loud = blocks[blocks > energy_at(ABSOLUTE_GATE_LUFS)]
        if loud.size == 0:
            return math.nan
        counted = loud[loud > loud.mean() * 10 ** (RELATIVE_GATE_LU / 10)]
        return OFFSET_LUFS + 10 * math.log10(counted.mean())


def energy_at(lufs: float) -> float:
    return float(10 ** ((lufs - OFFSET_LUFS) / 10))


def k_weighting(sample_rate: int) -> npt.NDArray[np.float64]:
    """The two biquads of BS.1770-4, a shelf for the head and a high-pass, as SciPy sections [2, 6].

    The standard tabulates them for 48 kHz only; these are the analogue filters that give that table, brought
    to any rate by the bilinear transform. Source of their constants: De Man, "Evaluation of Implementations
    of the EBU R128 Loudness Measurement", 2018; the same are in libebur128.
    """
    k, q = math.tan(math.pi * 1681.974450955533 / sample_rate), 0.7071752369554196
    gain = 10 ** (3.999843853973347 / 20)
    middle = gain**0.4996667741545416
    shelf = [
        gain + middle * k / q + k * k,
        2 * (k * k - gain),
        gain - middle * k / q + k * k,
        1 + k / q + k * k,
        2 * (k * k - 1),
        1 - k / q + k * k,
    ]
    k, q = math.tan(math.pi * 38.13547087602444 / sample_rate), 0.5003270373238773
    high_pass = [1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k]
    # The table leaves the high-pass unscaled: its numerator is 1, -2, 1 whatever the rate.
    return np.array(
        [[c / shelf[3] for c in shelf], [1, -2, 1, *(c / high_pass[0] for c in high_pass)]], np.float64
    )
