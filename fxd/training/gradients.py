"""The backward pass of one layer array over a segment, compiled: see `fxd.training.kernels` for the frames.

The tiles go from the end to the start, and each through the layers from the last to the first. For every frame t
that a layer gives, and with zero for d_z of all others,

    d_z[t]   =  (d_total[t] + residual^T d_after[t]) (1 - z[t]^2)
    d_x[t]   =  d_after[t] + sum over taps k of  conv[:, :, k]^T d_z[t + (kernel_size - 1 - k) dilation]

d_z takes the place of z, and d_x that of d_after. The gradients of the weights are sums over t of

    hidden     d_z[o, t] (x[i, t - (kernel_size - 1 - k) dilation], ..., dry[t], 1)
    residual   d_after[o, t] (z[i, t], 1)

Each segment has sums of its own, so that the order of additions, and with it every bit, is the same whoever works
on which segment.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba.misc.special import literally

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.training.kernels import TILE, Form, block, divisors, transform
from fxd.vectors.arithmetic import multiply, subtract
from fxd.vectors.memory import load_rows, store_rows, zeros
from fxd.vectors.registers import LANES, REGISTERS
from fxd.vectors.sums import add_outer, add_products, fold


class Back(NamedTuple):
    """What the backward pass of a layer array works in."""

    d_heads: Array
    """[head_size, columns]; zero before the wet sound and after the end"""
    d_total: Array
    """[channels, columns]"""
    d_x: Array
    """[channels, columns]: of the array's output, where another array follows"""
    d_source: Array
    """[input_size, columns]; empty where nobody wants it"""
    sums: Array
    """As many as `gradient_places` says."""


def product_block(rows: int, columns: int) -> tuple[int, int]:
    """Rows by rows whose products are summed up at once: they fit the registers, with the fewest loads."""
    fitting = [(a, b) for a in divisors(rows) for b in divisors(columns) if a * b <= REGISTERS // 2]
    return max(fitting, key=lambda pair: pair[0] * pair[1] / sum(pair))


def size_of(high: int, wide: int) -> int:
    """Numbers that the sums of a block take: `fold` writes whole vectors."""
    return -(-high * wide // LANES) * LANES


def count_products(rows: int, columns: int) -> int:
    """Numbers that the sums of all rows times all columns take."""
    high, wide = product_block(rows, columns)
    return rows * columns // (high * wide) * size_of(high, wide)


def gradient_places(form: Form, layers: int) -> tuple[list[npt.NDArray[np.intp]], int]:
    """Where in a segment's sums each number of the four gradients stands, shaped as the parameters are.

    And how many numbers a segment's sums take.
    """
    channels, outputs = form.channels, form.head_size
    at = 0

    def products(rows: int, columns: int) -> npt.NDArray[np.intp]:
        nonlocal at
        high, wide = product_block(rows, columns)
        places = np.empty((rows, columns), np.intp)
        for top in range(0, rows, high):
            for left in range(0, columns, wide):
                places[top : top + high, left : left + wide] = at + np.arange(high * wide).reshape(high, wide)
                at += size_of(high, wide)
        return places

    residual, hidden = [], []
    for _ in range(layers):
        residual.append(np.hstack([products(channels, channels), products(channels, 1)]))
        side = products(channels, 2)
        hidden.append(np.hstack([*(products(channels, channels) for _ in range(form.taps)), side]))
    head = np.hstack([products(outputs, channels), products(outputs, 1)])[:, : channels + form.head_bias]
    rechannel = products(channels, form.input_size)
    return [rechannel[None], np.stack(hidden), np.stack(residual), head[None]], at


@njit(cache=True, nogil=True)
def sum_products(  # type: ignore[no-untyped-def]
    sums, at, a, a_at, a_rows, b, b_at, b_rows, columns, frames, high, wide
):
    """Add the products of all rows of a with all rows of b, summed over `frames`; gives where the sums end."""
    literally(high)
    literally(wide)
    for top in range(0, a_rows, high):
        for left in range(0, b_rows, wide):
            tile = zeros(high, wide)
            one, other = a_at + top * columns, b_at + left * columns
            for t in range(0, frames, LANES):
                tile = add_products(tile, a, one + t, columns, b, other + t, columns, wide)
            fold(sums, at, tile)
            at += (high * wide + LANES - 1) // LANES * LANES
    return at


@njit(cache=True, nogil=True)
def sum_affine(  # type: ignore[no-untyped-def]
    sums, at, a, a_at, a_rows, b, b_at, b_rows, ones, ones_at, columns, frames, high, wide, high_1, wide_1
):
    """Add what a matrix and its bias gain: the products of a with b, then with ones; gives where the sums end."""
    literally(high)
    literally(wide)
    literally(high_1)
    literally(wide_1)
    at = sum_products(sums, at, a, a_at, a_rows, b, b_at, b_rows, columns, frames, high, wide)
    return sum_products(sums, at, a, a_at, a_rows, ones, ones_at, 1, columns, frames, high_1, wide_1)


@njit(cache=True, nogil=True)
def sum_hidden(  # type: ignore[no-untyped-def]
    sums, at, d_z, x, place, dry, dry_at, dilation, columns, frames, taps, channels,
    high, wide, high_2, wide_2,
):  # fmt: skip
    """Add what a layer's hidden weights gain: the products of d_z with dry sound and ones, then with each tap."""
    literally(high)
    literally(wide)
    literally(high_2)
    literally(wide_2)
    at = sum_products(sums, at, d_z, place, channels, dry, dry_at, 2, columns, frames, high_2, wide_2)
    for tap in range(taps):
        behind = place - (taps - 1 - tap) * dilation
        at = sum_products(sums, at, d_z, place, channels, x, behind, channels, columns, frames, high, wide)


@njit(cache=True, nogil=True)
def find_d_z(  # type: ignore[no-untyped-def]
    residual, residual_at, z, place, d_total, d_x, columns, begin, wet, end, follows, channels, rows, width
):
    """Put d_z in the place of z, from frame `begin` to `end`; `d_x` is d_after, if anything `follows`."""
    literally(channels)
    literally(rows)
    literally(width)
    for t in range(begin, end, width * LANES):
        for top in range(0, channels, rows):
            at = top * columns + t
            tile = zeros(rows, width)
            if t >= wet:
                tile = load_rows(d_total, at, columns, rows, width)
            if follows:
                for row in range(channels):
                    factors = residual_at + row * (channels + 1) + top
                    tile = add_outer(tile, residual, factors, d_x, row * columns + t, width)
            active = load_rows(z, place + at, columns, rows, width)
            tile = subtract(tile, multiply(multiply(tile, active), active))
            store_rows(z, place + at, columns, tile, width)


@njit(cache=True, nogil=True)
def find_d_x(  # type: ignore[no-untyped-def]
    hidden, hidden_at, d_z, place, d_x, columns, dilation, begin, opening, high, end, follows,
    taps, channels, rows, width,
):  # fmt: skip
    """Put d_x in the place of d_after, from frame `begin` to `high`.

    d_z begins with `opening` and ends with `end`: no multiplication is made with the zeros outside.
    """
    literally(taps)
    literally(channels)
    literally(rows)
    literally(width)
    step, across = width * LANES, taps * channels + 2
    for t in range(begin, high, step):
        for top in range(0, channels, rows):
            at = top * columns + t
            tile = zeros(rows, width)
            if follows and t >= opening:
                tile = load_rows(d_x, at, columns, rows, width)
            for tap in range(taps):
                ahead = t + (taps - 1 - tap) * dilation
                if opening < ahead + step and ahead < end:
                    for row in range(channels):
                        factors = hidden_at + row * across + tap * channels + top
                        tile = add_outer(tile, hidden, factors, d_z, place + row * columns + ahead, width)
            store_rows(d_x, at, columns, tile, width)


def backward_kernel(form: Form) -> Callable[..., None]:
    channels, taps, inputs, outputs = form.channels, form.taps, form.input_size, form.head_size
    rows, width = block(channels)
    in_rows, in_width = block(inputs)
    step, in_step = width * LANES, in_width * LANES
    high_c, wide_c = product_block(channels, channels)
    high_2, wide_2 = product_block(channels, 2)
    high_1, wide_1 = product_block(channels, 1)
    high_i, wide_i = product_block(channels, inputs)
    high_h, wide_h = product_block(outputs, channels)
    high_b, wide_b = product_block(outputs, 1)
    head_across = channels + form.head_bias
    hidden_size, residual_size = (taps * channels + 2) * channels, (channels + 1) * channels
    residual_sums = count_products(channels, channels) + count_products(channels, 1)
    layer_sums = residual_sums + count_products(channels, 2) + taps * count_products(channels, channels)

    @njit(cache=True, nogil=True)
    def backward(weights, source, source_at, dry, kept, back, span, follows):  # type: ignore[no-untyped-def]
        """Fill `back`, and put d_z in the place of z."""
        x, z, total, sums, d_x = kept.x, kept.z, kept.total, back.sums, back.d_x
        layers, columns, end = z.shape[0], z.shape[2], span.end
        plane, wet = channels * columns, span.wet // step * step
        sums[:] = 0
        rechannel_at = sum_affine(
            sums, layers * layer_sums, back.d_heads, wet, outputs, total, wet, channels,
            dry, columns + wet, columns, end - wet, high_h, wide_h, high_b, wide_b,
        )  # fmt: skip
        transform(
            back.d_total, 0, weights.head, 0, head_across, -1, back.d_heads, 0, outputs,
            columns, wet, end, channels, rows, width,
        )  # fmt: skip
        origin = span.firsts[0] // step * step
        for index in range((end - origin + TILE - 1) // TILE):
            high = end - index * TILE
            low = max(origin, high - TILE)
            for layer in range(layers - 1, -1, -1):
                place, at, dilation = layer * plane, layer * layer_sums, span.dilations[layer]
                after = follows or layer < layers - 1
                opening = span.firsts[layer + 1] // step * step
                live = max(low, opening)
                if live < high:
                    frames = high - live
                    if after:
                        sum_affine(
                            sums, at, d_x, live, channels, z, place + live, channels,
                            dry, columns + live, columns, frames, high_c, wide_c, high_1, wide_1,
                        )  # fmt: skip
                    find_d_z(
                        weights.residual, layer * residual_size, z, place, back.d_total, d_x,
                        columns, live, wet, high, after, channels, rows, width,
                    )  # fmt: skip
                    sum_hidden(
                        sums, at + residual_sums, z, x, place + live, dry, live, dilation, columns, frames,
                        taps, channels, high_c, wide_c, high_2, wide_2,
                    )  # fmt: skip
                find_d_x(
                    weights.hidden, layer * hidden_size, z, place, d_x, columns, dilation,
                    max(low, span.firsts[layer] // step * step), opening, high, end, after,
                    taps, channels, rows, width,
                )  # fmt: skip
            sum_products(
                sums, rechannel_at, d_x, low, channels, source, source_at + low,
                inputs, columns, high - low, high_i, wide_i,
            )  # fmt: skip
            if back.d_source.size:
                transform(
                    back.d_source, 0, weights.rechannel, 0, inputs, -1, d_x, 0, channels, columns,
                    low // in_step * in_step, high, inputs, in_rows, in_width,
                )  # fmt: skip

    compiled: Callable[..., None] = backward
    return compiled
