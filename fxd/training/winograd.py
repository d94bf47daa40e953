"""What a layer of three taps computes in pairs of frames: see `fxd.vectors.winograd` for what that saves.

Frames go in groups of twice the dilation, the first half with the second. For a dilation of 2,

    frame     0 1 2 3 4 5 6 7
    pair      a b a b c d c d

In a far layer the two frames of a pair stand in different vectors. What is left over in front of whole groups is
computed frame by frame. In a near one they stand within two vectors, which are sorted in registers. What the taps
gain is summed up in pairs in far layers alone: in near ones the sorting takes longer than it saves.
"""

from typing import NamedTuple

from numba.misc.special import literally

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.training.form import divisors
from fxd.vectors.arithmetic import add, tanh
from fxd.vectors.memory import broadcast_rows, load_rows, store_rows, zeros
from fxd.vectors.registers import LANES, REGISTERS
from fxd.vectors.sums import add_outer, fold
from fxd.vectors.winograd import (
    PRODUCTS,
    TAPS,
    add_filtered,
    add_filtered_near,
    add_pair_products,
    add_tap_products,
    first_of,
    half_of,
    joined,
    no_products,
    paired,
    second_of,
    taps_of,
)

NEAR = (1, 2, 4, 8)
"""Dilations of near layers. The code is compiled for each, as Numba wants constants where lanes are sorted."""
MOST = REGISTERS // 2 // PRODUCTS
"""Rows, or products of rows, of a block: half of the registers hold sums."""


class ForwardTask(NamedTuple):
    """What `activate` is to do, in pairs from frame `begin` to `end`."""

    filtered: Array
    filtered_at: int
    hidden: Array
    side: int
    """Where the factors of the dry sound begin in `hidden`; behind them stands the bias."""
    dry: Array
    x: Array
    z: Array
    place: int
    """Where the rows of the layer begin in x and z."""
    total: Array
    columns: int
    begin: int
    wet: int
    end: int


class BackwardTask(NamedTuple):
    """What `find_d_x` is to do, in pairs from frame `begin` to `end`; there is d_z for two dilations more."""

    filtered: Array
    filtered_at: int
    d_z: Array
    place: int
    d_x: Array
    columns: int
    begin: int
    end: int
    follows: bool


def pair_rows(channels: int) -> int:
    """Rows that are summed up at once."""
    return max(d for d in divisors(channels) if d <= MOST)


def pair_product_block(channels: int) -> tuple[int, int]:
    """Rows of gradients by rows of inputs, whose products are summed up at once, with the fewest loads."""
    fitting = [(a, b) for a in divisors(channels) for b in divisors(channels) if a * b <= MOST]
    return max(fitting, key=lambda pair: pair[0] * pair[1] / (2 * pair[0] + 4 * pair[1]))


@njit(cache=True, nogil=True)
def is_far(dilation: int, width: int) -> bool:
    """Whether two dilations are whole steps of `width` vectors, and so what is left over in front of pairs is."""
    return 2 * dilation % (width * LANES) == 0


@njit(cache=True, nogil=True)
def first_pair(begin: int, end: int, dilation: int, width: int) -> int:
    """The frame between `begin` and `end` from which on there are pairs."""
    if is_far(dilation, width):
        return end - max(0, end - begin) // (2 * dilation) * (2 * dilation)
    return begin if dilation in NEAR else end


@njit(cache=True, nogil=True)
def activate_far(task, dilation, channels, rows):  # type: ignore[no-untyped-def]
    literally(channels)
    literally(rows)
    columns = task.columns
    for group in range(task.begin, task.end, 2 * dilation):
        for t in range(group, group + dilation, LANES):
            for top in range(0, channels, rows):
                bias = broadcast_rows(task.hidden, task.side + channels + top, rows, 1)
                one = add_outer(bias, task.hidden, task.side + top, task.dry, t, 1)
                other = add_outer(bias, task.hidden, task.side + top, task.dry, t + dilation, 1)
                tile = paired(one, other)
                for row in range(channels):
                    factors = task.filtered_at + row * channels + top
                    behind = task.place + row * columns + t - 2 * dilation
                    tile = add_filtered(
                        tile, task.filtered, factors, channels * channels, task.x, behind, dilation
                    )
                at = top * columns + t
                put_active(task, tanh(first_of(tile)), at, t >= task.wet, rows, 1)
                put_active(task, tanh(second_of(tile)), at + dilation, t + dilation >= task.wet, rows, 1)


@njit(cache=True, nogil=True)
def activate_near(task, dilation, channels, rows):  # type: ignore[no-untyped-def]
    literally(dilation)
    literally(channels)
    literally(rows)
    columns = task.columns
    for t in range(task.begin, task.end, 2 * LANES):
        for top in range(0, channels, rows):
            tile = broadcast_rows(task.hidden, task.side + channels + top, rows, 2)
            tile = add_outer(tile, task.hidden, task.side + top, task.dry, t, 2)
            pairs = paired(half_of(tile, dilation, 0), half_of(tile, dilation, 1))
            for row in range(channels):
                factors = task.filtered_at + row * channels + top
                behind = task.place + row * columns + t - 2 * dilation
                pairs = add_filtered_near(
                    pairs, task.filtered, factors, channels * channels, task.x, behind, dilation, 0
                )
            active = tanh(joined(first_of(pairs), second_of(pairs), dilation))
            put_active(task, active, top * columns + t, t >= task.wet, rows, 2)


@njit(cache=True, nogil=True)
def put_active(task, active, at, is_wet, rows, width):  # type: ignore[no-untyped-def]
    literally(rows)
    literally(width)
    store_rows(task.z, task.place + at, task.columns, active, width)
    if is_wet:
        sums = load_rows(task.total, at, task.columns, rows, width)
        store_rows(task.total, at, task.columns, add(active, sums), width)


@njit(cache=True, nogil=True)
def find_d_x_far(task, dilation, channels, rows):  # type: ignore[no-untyped-def]
    """Backwards in time: of a pair the later frame is the first."""
    literally(channels)
    literally(rows)
    columns = task.columns
    for group in range(task.begin, task.end, 2 * dilation):
        for t in range(group, group + dilation, LANES):
            for top in range(0, channels, rows):
                sooner = top * columns + t
                later = sooner + dilation
                one, other = zeros(rows, 1), zeros(rows, 1)
                if task.follows:
                    one = load_rows(task.d_x, later, columns, rows, 1)
                    other = load_rows(task.d_x, sooner, columns, rows, 1)
                tile = paired(one, other)
                for row in range(channels):
                    factors = task.filtered_at + row * PRODUCTS * channels + top
                    ahead = task.place + row * columns + t + 3 * dilation
                    tile = add_filtered(tile, task.filtered, factors, channels, task.d_z, ahead, -dilation)
                store_rows(task.d_x, later, columns, first_of(tile), 1)
                store_rows(task.d_x, sooner, columns, second_of(tile), 1)


@njit(cache=True, nogil=True)
def find_d_x_near(task, dilation, channels, rows):  # type: ignore[no-untyped-def]
    literally(dilation)
    literally(channels)
    literally(rows)
    columns = task.columns
    for t in range(task.begin, task.end, 2 * LANES):
        for top in range(0, channels, rows):
            at = top * columns + t
            tile = zeros(rows, 2)
            if task.follows:
                tile = load_rows(task.d_x, at, columns, rows, 2)
            pairs = paired(half_of(tile, dilation, 1), half_of(tile, dilation, 0))
            for row in range(channels):
                factors = task.filtered_at + row * PRODUCTS * channels + top
                ahead = task.place + row * columns + t
                pairs = add_filtered_near(
                    pairs, task.filtered, factors, channels, task.d_z, ahead, dilation, 1
                )
            store_rows(task.d_x, at, columns, joined(second_of(pairs), first_of(pairs), dilation), 2)


@njit(cache=True, nogil=True)
def sum_pair_taps(  # type: ignore[no-untyped-def]
    sums, at, d_z, x, place, columns, dilation, frames, channels, high, wide
):
    """Add what the taps of a far layer gain from `frames` that begin at `place` in d_z and x."""
    literally(high)
    literally(wide)
    pairs = frames % (2 * dilation)
    for top in range(0, channels, high):
        for left in range(0, channels, wide):
            one, other = place + top * columns, place + left * columns - 2 * dilation
            tile = no_products(high, wide)
            for group in range(pairs, frames, 2 * dilation):
                for t in range(group, group + dilation, LANES):
                    tile = add_pair_products(tile, d_z, one + t, x, other + t, columns, dilation, wide)
            taps = taps_of(tile)
            for t in range(0, pairs, LANES):
                taps = add_tap_products(taps, d_z, one + t, x, other + t, columns, dilation, wide)
            fold(sums, at, taps)
            at += (TAPS * high * wide + LANES - 1) // LANES * LANES
