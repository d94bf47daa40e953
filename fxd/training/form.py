"""What the kernels of a layer array are compiled for, and what they work in.

All rows have one time axis. Layer l reads its input x[l] and gives its activations z[l] and its output
x[l + 1], which begins its reach later: a frame that no later layer sees is not computed. For reaches of 2 and 4,

    frame         0 1 2 3 4 5 6 7 8 9
    x[0]          x x x x x x x x x x     firsts[0] = 0
    x[1] z[0]     g g x x x x x x x x     firsts[1] = 2
    x[2] z[1]     . . . . g g x x x x     firsts[2] = 6: the wet sound begins here, if no array follows

Every layer works in the same steps of some vectors that begin at multiples of their length, so it may begin
before its first frame, by less than a step: the frames `g` hold finite numbers that mean nothing. No frame from
the first on sees them, and their gradients are exactly zero. The end is a multiple of every step.

Time goes in tiles through all layers, so that what the next layer reads is still in the cache. What a layer needs
on the way back, x and z, is kept for all frames.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fxd.engines.engine import Array
from fxd.engines.tcn import LayerArray
from fxd.vectors import winograd
from fxd.vectors.registers import LANES, REGISTERS

WIDTHS = (4, 2)
"""Vectors that a row of a block may have."""
GRID = max(WIDTHS) * LANES
"""Frames: every step divides it."""
TILE = 1024
"""Frames, a multiple of GRID. With 16 channels that is 64 KiB an array."""

PAIRED_CHANNELS = 8
"""That an array must have for its layers to take frames in pairs: with fewer, too little is multiplied."""


@dataclass(frozen=True)
class Form:
    """What the kernels of a layer array are compiled for."""

    channels: int
    taps: int
    input_size: int
    head_size: int
    head_bias: bool
    first: bool
    """Whether it hears the dry sound."""
    winograd: bool
    """Whether its layers take frames in pairs, where they can: see `fxd.training.winograd`."""

    @classmethod
    def of(cls, array: LayerArray, first: bool, own_adders: bool) -> "Form":
        return cls(
            array.channels,
            array.kernel_size,
            array.input_size,
            array.head_size,
            array.head_bias,
            first,
            own_adders and in_pairs(array),
        )


def in_pairs(array: LayerArray) -> bool:
    """Whether frames of an array can go in pairs, and it would pay."""
    return (
        array.kernel_size == winograd.TAPS
        and array.channels >= PAIRED_CHANNELS
        and winograd.LEAST_LANES <= LANES
    )


class Weights(NamedTuple):
    """The parameters of `ArrayModule` and what follows from them, as they are or each of the matrices transposed.

    So what is to be summed up for the rows of a block at once stands side by side, in both directions.
    """

    rechannel: Array
    hidden: Array
    residual: Array
    head: Array
    filtered: Array
    """Of the taps, the factors of Winograd's filtering, [layers, channels, products x channels]; or no layers."""
    entry: Array
    """[1, channels, taps + 2]: what a network's first layer makes of the dry sound; or none. See `Factors`."""


class Span(NamedTuple):
    """The frames of a layer array: see above."""

    dilations: npt.NDArray[np.int64]
    """[layers]"""
    firsts: npt.NDArray[np.int64]
    """[layers + 1]"""
    wet: int
    """The first frame of the wet sound."""
    end: int


class Kept(NamedTuple):
    """What the forward pass of a layer array leaves for its backward pass."""

    x: Array
    """[layers or one more, channels, columns]: the inputs of the layers, and what comes after the last"""
    z: Array
    """[layers, channels, columns]: the activations"""
    total: Array
    """[channels, columns]: the skip sum. It begins with what stands there."""
    heads: Array
    """[head_size, columns]"""


def divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def block(channels: int) -> tuple[int, int]:
    """Rows, and vectors a row, that are summed up at once.

    At most half of the registers hold sums, enough to work on side by side. A row has two vectors at least, which
    need each factor once: with one, the processor would wait for loads.
    """
    rows = max(d for d in divisors(channels) if d <= REGISTERS // 4)
    return rows, next(width for width in WIDTHS if rows * width <= REGISTERS // 2)
