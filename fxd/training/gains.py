"""What the weights of a layer array gain from a segment: sums of products over time, and where they stand.

They are sums over t, d_after and d_z being what `fxd.training.gradients` finds, of

    hidden     d_z[o, t] (x[i, t - (kernel_size - 1 - k) dilation], ..., dry[t], 1)
    residual   d_after[o, t] z[i, t]

and in the first layer of a network dry in the place of x: `fxd.training.factors` completes the gradients.

Each segment has sums of its own, so that the order of additions, and with it every bit, is the same whoever works
on which segment.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numba.misc.special import literally

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.training.form import Form, block, divisors
from fxd.training.winograd import is_far, pair_product_block
from fxd.vectors.memory import zeros
from fxd.vectors.registers import LANES, REGISTERS
from fxd.vectors.sums import add_products, fold


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


def layer_size(form: Form) -> int:
    """Numbers that the sums of a layer take, whether it is far or not."""
    channels = form.channels
    taps = form.taps * count_products(channels, channels)
    if form.winograd:
        high, wide = pair_product_block(channels)
        taps = max(taps, channels * channels // (high * wide) * size_of(form.taps * high, wide))
    return count_products(channels, channels) + count_products(channels, 2) + taps


def gradient_places(form: Form, dilations: Sequence[int]) -> tuple[list[npt.NDArray[np.intp]], int]:
    """Where in a segment's sums each number of the four gradients stands, shaped as the parameters are.

    For the biases of `residual`, which have no sums, any place stands. And how many numbers the sums take.
    """
    channels, outputs = form.channels, form.head_size
    at = 0

    def products(rows: int, columns: int) -> npt.NDArray[np.intp]:
        of_taps = products_of_taps(1, rows, columns, *product_block(rows, columns))
        return of_taps.reshape(rows, columns)

    def products_of_taps(taps: int, rows: int, columns: int, high: int, wide: int) -> npt.NDArray[np.intp]:
        nonlocal at
        places = np.empty((taps, rows, columns), np.intp)
        for top in range(0, rows, high):
            for left in range(0, columns, wide):
                block = at + np.arange(taps * high * wide).reshape(taps, high, wide)
                places[:, top : top + high, left : left + wide] = block
                at += size_of(taps * high, wide)
        return places

    residual, hidden = [], []
    for layer, dilation in enumerate(dilations):
        at = layer * layer_size(form)
        matrix = products(channels, channels)
        residual.append(np.hstack([matrix, matrix[:, :1]]))
        side = products(channels, 2)
        if form.first and layer == 0:
            taps = np.stack([products(channels, 1).repeat(channels, axis=1) for _ in range(form.taps)])
        elif form.winograd and is_far(dilation, block(channels)[1]):
            taps = products_of_taps(form.taps, channels, channels, *pair_product_block(channels))
        else:
            taps = np.stack([products(channels, channels) for _ in range(form.taps)])
        hidden.append(np.hstack([*taps, side]))
    at = len(dilations) * layer_size(form)
    head = np.hstack([products(outputs, channels), products(outputs, 1)])[:, : channels + form.head_bias]
    rechannel = products(channels, form.input_size)
    return [rechannel[None], np.stack(hidden), np.stack(residual), head[None]], at


@njit(cache=True, nogil=True)
def add_up(sums: Array, places: npt.NDArray[np.intp], gradients: Array) -> None:
    """Fill `gradients` with the sums [batch, ...] at their places, those of all segments added up."""
    for n in range(places.size):
        total = np.float32(0)
        for segment in range(sums.shape[0]):
            total += sums[segment, places[n]]
        gradients[n] = total


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
def sum_taps(  # type: ignore[no-untyped-def]
    sums, at, d_z, x, place, columns, dilation, frames, taps, channels, high, wide
):
    """Add what the taps of a layer gain from `frames` that begin at `place` in d_z and x."""
    literally(high)
    literally(wide)
    for tap in range(taps):
        behind = place - (taps - 1 - tap) * dilation
        at = sum_products(sums, at, d_z, place, channels, x, behind, channels, columns, frames, high, wide)


@njit(cache=True, nogil=True)
def sum_entry(  # type: ignore[no-untyped-def]
    sums, at, past_at, d_z, d_x, live, dry, columns, dilation, frames, follows, taps, channels, high, wide
):
    """Add h, what the taps of a network's first layer gain, and what goes past it: see `Factors`."""
    literally(high)
    literally(wide)
    for tap in range(taps):
        behind = live - (taps - 1 - tap) * dilation
        at = sum_products(sums, at, d_z, live, channels, dry, behind, 1, columns, frames, high, wide)
    if follows:
        sum_products(sums, past_at, d_x, live, channels, dry, live, 1, columns, frames, high, wide)
