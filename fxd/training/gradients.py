"""The backward pass of one layer array over a segment, compiled: see `fxd.training.form` for the frames.

The tiles go from the end to the start, and each through the layers from the last to the first. For every frame t
that a layer gives, and with zero for d_z of all others,

    d_z[t]   =  (d_total[t] + residual^T d_after[t]) (1 - z[t]^2)
    d_x[t]   =  d_after[t] + sum over taps k of  conv[:, :, k]^T d_z[t + (kernel_size - 1 - k) dilation]

d_z takes the place of z, and d_x that of d_after. What the weights gain: see `fxd.training.gains`.
"""

from collections.abc import Callable
from typing import NamedTuple

from numba.misc.special import literally

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.training.form import TILE, Form, block
from fxd.training.gains import (
    count_products,
    layer_size,
    product_block,
    sum_affine,
    sum_entry,
    sum_products,
    sum_taps,
)
from fxd.training.kernels import transform
from fxd.training.winograd import (
    BackwardTask,
    find_d_x_far,
    find_d_x_near,
    first_pair,
    is_far,
    pair_product_block,
    pair_rows,
    sum_pair_taps,
)
from fxd.vectors.arithmetic import fma, multiply, negative
from fxd.vectors.memory import load_rows, prefetch_rows, store_rows, zeros
from fxd.vectors.registers import LANES
from fxd.vectors.sums import add_outer
from fxd.vectors.winograd import PRODUCTS, TAPS


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


@njit(cache=True, nogil=True)
def find_d_z(  # type: ignore[no-untyped-def]
    residual, residual_at, x, z, place, d_total, d_x, columns, begin, wet, end, follows, channels, rows, width
):
    """Put d_z in the place of z, from frame `begin` to `end`; `d_x` is d_after, if anything `follows`.

    What the layer before has kept for these frames is fetched meanwhile: it is too long ago to be near.
    """
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
            before = place + at - channels * columns
            if before >= 0:
                prefetch_rows(x, before, columns, rows, width)
                prefetch_rows(z, before, columns, rows, width)
            active = load_rows(z, place + at, columns, rows, width)
            tile = fma(multiply(tile, active), negative(active), tile)
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


@njit(cache=True, nogil=True)
def find_d_x_in_pairs(  # type: ignore[no-untyped-def]
    weights, layer, d_z, place, d_x, columns, dilation, begin, opening, high, end, follows,
    channels, rows, width, paired_rows,
):  # fmt: skip
    """What `find_d_x` does; in pairs, where it can and there is d_z for all that they see."""
    literally(channels)
    literally(rows)
    literally(width)
    literally(paired_rows)
    first = min(max(begin, opening), high)
    done = max(first, min(high, end - max(2 * dilation, width * LANES)))
    pairs = first_pair(first, done, dilation, width)
    if pairs == done:
        # No pairs: what follows is one range, as its steps may not fit where pairs would have ended.
        pairs = done = high
    task = BackwardTask(
        weights.filtered,
        layer * PRODUCTS * channels * channels,
        d_z,
        place,
        d_x,
        columns,
        pairs,
        done,
        follows,
    )
    if is_far(dilation, width):
        find_d_x_far(task, dilation, channels, paired_rows)
    elif dilation == 1:
        find_d_x_near(task, 1, channels, paired_rows)
    elif dilation == 2:
        find_d_x_near(task, 2, channels, paired_rows)
    elif dilation == 4:
        find_d_x_near(task, 4, channels, paired_rows)
    elif dilation == 8:
        find_d_x_near(task, 8, channels, paired_rows)
    for one, other in ((begin, pairs), (done, high)):
        find_d_x(
            weights.hidden, layer * (TAPS * channels + 2) * channels, d_z, place, d_x, columns, dilation,
            one, opening, other, end, follows, TAPS, channels, rows, width,
        )  # fmt: skip


def backward_kernel(form: Form) -> Callable[..., None]:
    channels, inputs, outputs = form.channels, form.input_size, form.head_size
    taps, is_first, paired = form.taps, form.first, form.winograd
    rows, width = block(channels)
    in_rows, in_width = block(inputs)
    step, in_step = width * LANES, in_width * LANES
    (high_c, wide_c), (high_i, wide_i), (high_2, wide_2), (high_1, wide_1) = (
        product_block(channels, count) for count in (channels, inputs, 2, 1)
    )
    (high_h, wide_h), (high_b, wide_b) = (product_block(outputs, count) for count in (channels, 1))
    (high_p, wide_p), high_r = pair_product_block(channels), pair_rows(channels)
    head_across = channels + form.head_bias
    hidden_size, residual_size = (taps * channels + 2) * channels, (channels + 1) * channels
    layer_sums, residual_sums = layer_size(form), count_products(channels, channels)

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
                        sum_products(
                            sums, at, d_x, live, channels, z, place + live, channels,
                            columns, frames, high_c, wide_c,
                        )  # fmt: skip
                    find_d_z(
                        weights.residual, layer * residual_size, x, z, place, back.d_total, d_x,
                        columns, live, wet, high, after, channels, rows, width,
                    )  # fmt: skip
                    taps_at = sum_products(
                        sums, at + residual_sums, z, place + live, channels, dry, live, 2,
                        columns, frames, high_2, wide_2,
                    )  # fmt: skip
                    if is_first and layer == 0:
                        sum_entry(
                            sums, taps_at, rechannel_at, z, d_x, live, dry, columns, dilation, frames, after,
                            taps, channels, high_1, wide_1,
                        )  # fmt: skip
                    elif paired and is_far(dilation, width):
                        sum_pair_taps(
                            sums, taps_at, z, x, place + live, columns, dilation, frames,
                            channels, high_p, wide_p,
                        )  # fmt: skip
                    else:
                        sum_taps(
                            sums, taps_at, z, x, place + live, columns, dilation, frames,
                            taps, channels, high_c, wide_c,
                        )  # fmt: skip
                if is_first and layer == 0:
                    break
                begin = max(low, span.firsts[layer] // step * step)
                if paired:
                    find_d_x_in_pairs(
                        weights, layer, z, place, d_x, columns, dilation, begin, opening, high, end, after,
                        channels, rows, width, high_r,
                    )  # fmt: skip
                else:
                    find_d_x(
                        weights.hidden, layer * hidden_size, z, place, d_x, columns, dilation,
                        begin, opening, high, end, after, taps, channels, rows, width,
                    )  # fmt: skip
            if not is_first:
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
