"""The forward pass of one layer array over a segment, compiled, and what its backward pass shares with it.

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

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba.misc.special import literally

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.engines.tcn import LayerArray
from fxd.vectors.arithmetic import add, tanh
from fxd.vectors.memory import broadcast_rows, load_rows, store_rows, zeros
from fxd.vectors.registers import LANES, REGISTERS
from fxd.vectors.sums import add_outer

WIDTHS = (4, 2)
"""Vectors that a row of a block may have."""
GRID = max(WIDTHS) * LANES
"""Frames: every step divides it."""
TILE = 1024
"""Frames, a multiple of GRID. With 16 channels that is 64 KiB an array."""


@dataclass(frozen=True)
class Form:
    """What the kernels of a layer array are compiled for."""

    channels: int
    taps: int
    input_size: int
    head_size: int
    head_bias: bool

    @classmethod
    def of(cls, array: LayerArray) -> "Form":
        return cls(array.channels, array.kernel_size, array.input_size, array.head_size, array.head_bias)


class Weights(NamedTuple):
    """The parameters of `ArrayModule`, as they are for the way back, or each of their matrices transposed.

    So what is to be summed up for the rows of a block at once stands side by side, in both directions.
    """

    rechannel: Array
    hidden: Array
    residual: Array
    head: Array


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


@njit(cache=True, nogil=True)
def transform(  # type: ignore[no-untyped-def]
    target, target_at, matrix, matrix_at, across, bias_at, source, source_at, count, columns,
    begin, end, outputs, rows, width,
):  # fmt: skip
    """target = matrix times source (+ bias), from frame `begin` to `end`.

    Row i of the matrix, what all `outputs` gain from row i of `count`, begins at `matrix_at` + i * `across`. The
    bias begins at `bias_at`; a negative one means that there is none.
    """
    literally(rows)
    literally(width)
    for t in range(begin, end, width * LANES):
        for top in range(0, outputs, rows):
            tile = zeros(rows, width)
            if bias_at >= 0:
                tile = broadcast_rows(matrix, bias_at + top, rows, width)
            for row in range(count):
                factors = matrix_at + row * across + top
                tile = add_outer(tile, matrix, factors, source, source_at + row * columns + t, width)
            store_rows(target, target_at + top * columns + t, columns, tile, width)


@njit(cache=True, nogil=True)
def activate(  # type: ignore[no-untyped-def]
    hidden, hidden_at, dry, x, z, place, total, columns, dilation, begin, wet, end,
    taps, channels, rows, width,
):  # fmt: skip
    """z of the layer whose rows begin at `place`, from frame `begin` to `end`.

    From `wet` on it is added to the skip sum, too.
    """
    literally(taps)
    literally(channels)
    literally(rows)
    literally(width)
    side = hidden_at + taps * channels * channels
    for t in range(begin, end, width * LANES):
        for top in range(0, channels, rows):
            tile = broadcast_rows(hidden, side + channels + top, rows, width)
            tile = add_outer(tile, hidden, side + top, dry, t, width)
            for tap in range(taps):
                behind = place + t - (taps - 1 - tap) * dilation
                factors = hidden_at + tap * channels * channels + top
                for row in range(channels):
                    tile = add_outer(tile, hidden, factors + row * channels, x, behind + row * columns, width)
            tile = tanh(tile)
            at = top * columns + t
            store_rows(z, place + at, columns, tile, width)
            if t >= wet:
                sums = add(tile, load_rows(total, at, columns, rows, width))
                store_rows(total, at, columns, sums, width)


@njit(cache=True, nogil=True)
def pass_on(  # type: ignore[no-untyped-def]
    residual, residual_at, x, z, place, columns, begin, end, channels, rows, width
):
    """The input of the layer after that whose rows begin at `place`: x + residual z + bias."""
    literally(channels)
    literally(rows)
    literally(width)
    for t in range(begin, end, width * LANES):
        for top in range(0, channels, rows):
            at = place + top * columns + t
            tile = load_rows(x, at, columns, rows, width)
            bias = broadcast_rows(residual, residual_at + channels * channels + top, rows, width)
            tile = add(tile, bias)
            for row in range(channels):
                factors = residual_at + row * channels + top
                tile = add_outer(tile, residual, factors, z, place + row * columns + t, width)
            store_rows(x, at + channels * columns, columns, tile, width)


def forward_kernel(form: Form) -> Callable[..., None]:
    channels, taps, inputs, outputs = form.channels, form.taps, form.input_size, form.head_size
    rows, width = block(channels)
    head_rows, head_width = block(outputs)
    step, head_step = width * LANES, head_width * LANES
    head_bias = channels * outputs if form.head_bias else -1
    hidden_size, residual_size = (taps * channels + 2) * channels, (channels + 1) * channels

    @njit(cache=True, nogil=True)
    def forward(weights, source, source_at, dry, kept, span, follows):  # type: ignore[no-untyped-def]
        """Fill `kept`.

        The weights are transposed. The array hears the rows of `source` from `source_at` on; `dry` is
        [2, columns], the dry sound and ones. Whether an array `follows` decides if the output of the last layer
        is needed.
        """
        x, z, total = kept.x, kept.z, kept.total
        layers, columns = z.shape[0], z.shape[2]
        plane, wet = channels * columns, span.wet // step * step
        for low in range(span.firsts[0] // step * step, span.end, TILE):
            high = min(low + TILE, span.end)
            transform(
                x, 0, weights.rechannel, 0, channels, -1, source, source_at, inputs, columns,
                low, high, channels, rows, width,
            )  # fmt: skip
            for layer in range(layers):
                place = layer * plane
                begin = max(low, span.firsts[layer + 1] // step * step)
                activate(
                    weights.hidden, layer * hidden_size, dry, x, z, place, total, columns,
                    span.dilations[layer], begin, wet, high, taps, channels, rows, width,
                )  # fmt: skip
                if follows or layer < layers - 1:
                    pass_on(
                        weights.residual, layer * residual_size, x, z, place, columns,
                        begin, high, channels, rows, width,
                    )  # fmt: skip
        transform(
            kept.heads, 0, weights.head, 0, outputs, head_bias, total, 0,
            channels, columns, span.wet // head_step * head_step, span.end, outputs, head_rows, head_width,
        )  # fmt: skip

    compiled: Callable[..., None] = forward
    return compiled
