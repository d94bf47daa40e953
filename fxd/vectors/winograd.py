"""Winograd's minimal filtering: two frames of a filter with three taps in four products, not six.

Of inputs x0, x1, x2, x3, each a dilation after the one before, a filter (g0, g1, g2) makes two outputs:

    y0 = g0 x0 + g1 x1 + g2 x2          =  m0 + m1 + m2
    y1 =         g0 x1 + g1 x2 + g2 x3  =       m1 - m2 + m3

    m0 = g0 (x0 - x2)                    m1 = (g0 + g1 + g2)/2 (x1 + x2)
    m3 = g2 (x3 - x1)                    m2 = (g0 - g1 + g2)/2 (x2 - x1)

The same read backwards gives what a filter gains from the gradients d0 and d1 of its outputs, again in four
products, each of them summed up over time:

    d_g0 = d0 x0 + d1 x1  =  s0 + (s1 + s2)/2        s0 = d0 (x0 - x2)
    d_g1 = d0 x1 + d1 x2  =       (s1 - s2)/2        s1 = (d0 + d1) (x1 + x2)
    d_g2 = d0 x2 + d1 x3  =  s3 + (s1 + s2)/2        s2 = (d0 - d1) (x2 - x1)
                                                     s3 = d1 (x3 - x1)

What is saved in multiplications is spent on additions: it pays where a processor has adders of their own.

A tile of pairs has four vectors for each of its rows, m0 to m3 or s0 to s3.

Source: Winograd, "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for
Convolutional Neural Networks", 2016, https://arxiv.org/abs/1509.09308.
"""

# ruff: noqa: ARG001  (the parameters of an instruction are the types of the arguments it will get)

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types

from fxd.vectors.registers import (
    LANES,
    SHUFFLE,
    Value,
    address,
    constant,
    instruction,
    load_vector,
    moved,
    multiply_add,
    parts,
    row_addresses,
    spread,
    tile_from,
    tile_of,
)

TAPS = 3
PRODUCTS = 4
LEAST_LANES = 8
"""Of vectors two of which hold the pairs of every near dilation."""


def inputs(builder: Any, first: Value, dilation: Value) -> list[Value]:
    """x0 to x3, which lie `dilation` numbers apart."""
    return [load_vector(builder, place) for place in row_addresses(builder, first, dilation, 4)]


def differences(builder: Any, x: Sequence[Value]) -> list[Value]:
    """What the four factors are multiplied with."""
    x0, x1, x2, x3 = x
    return [builder.fsub(x0, x2), builder.fadd(x1, x2), builder.fsub(x2, x1), builder.fsub(x3, x1)]


def add_filtered_inputs(
    builder: Any, total: list[Value], first: Value, across: Value, x: Sequence[Value]
) -> None:
    """Add the products of the inputs to the vectors of a tile of pairs; see `add_filtered` for the factors."""
    differing = differences(builder, x)
    for k, factor in enumerate(row_addresses(builder, first, across, PRODUCTS)):
        for place in range(k, len(total), PRODUCTS):
            one = spread(builder, builder.load(moved(builder, factor, place // PRODUCTS)))
            total[place] = multiply_add(builder, one, differing[k], total[place])


@instruction
def paired(_: Any, first: Any, second: Any) -> Any:
    """The tile of pairs in which the sums for two outputs, each of width 1, grow on from what they are."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        rows = zip(parts(builder, arguments[0]), parts(builder, arguments[1]), strict=True)
        zero = constant(0.0)
        return tile_from(builder, [each for y0, y1 in rows for each in (y0, zero, zero, y1)])

    return tile_of(PRODUCTS * first.count)(first, second), emit


@instruction
def add_filtered(
    _: Any, tile: Any, factors: Any, factors_at: Any, across: Any, array: Any, at: Any, dilation: Any
) -> Any:
    """A tile of pairs + the products of the inputs from `at` on, `dilation` apart.

    Factor k of row i stands at `factors_at` + k * `across` + i. With a negative dilation time runs backwards.
    """

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total = parts(builder, arguments[0])
        first = address(context, builder, signature.args[1], *arguments[1:3])
        line = address(context, builder, signature.args[4], *arguments[4:6])
        add_filtered_inputs(builder, total, first, arguments[3], inputs(builder, line, arguments[6]))
        return tile_from(builder, total)

    index = types.intp
    return tile(tile, factors, index, index, array, index, index), emit


def halves(dilation: int) -> tuple[list[int], list[int]]:
    """Which frames of two vectors are first in their pairs, and which second; the dilation divides LANES / 2.

    Any order will do that is the same for both. Within four lanes it is the one that takes one instruction.
    """
    if dilation < 4 <= LANES:
        quads = [vector + quad for quad in range(0, LANES, 4) for vector in (0, LANES)]
        first = [quad + lane for quad in quads for lane in range(4) if lane % (2 * dilation) < dilation]
    else:
        first = [frame for frame in range(2 * LANES) if frame % (2 * dilation) < dilation]
    return first, [frame + dilation for frame in first]


def chosen(builder: Any, pair: Sequence[Value], frames: Sequence[int]) -> Value:
    """A vector of those frames of two."""
    a, b = pair
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(SHUFFLE, LANES), list(frames)))


@instruction
def add_filtered_near(
    _: Any,
    tile: Any,
    factors: Any,
    factors_at: Any,
    across: Any,
    array: Any,
    at: Any,
    dilation: Any,
    backwards: Any,
) -> Any:
    """What `add_filtered` does, for the pairs within two vectors: those at `at`, and twice a dilation later."""
    apart = 2 * dilation.literal_value
    first, second = halves(dilation.literal_value)
    is_backwards = backwards.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total = parts(builder, arguments[0])
        factor = address(context, builder, signature.args[1], *arguments[1:3])
        line = address(context, builder, signature.args[4], *arguments[4:6])
        p = [
            load_vector(builder, moved(builder, line, frames)) for frames in (0, LANES, apart, apart + LANES)
        ]
        x = [chosen(builder, two, which) for two in (p[:2], p[2:]) for which in (first, second)]
        add_filtered_inputs(builder, total, factor, arguments[3], x[::-1] if is_backwards else x)
        return tile_from(builder, total)

    index = types.intp
    return tile(tile, factors, index, index, array, index, dilation, backwards), emit


@instruction
def half_of(_: Any, tile: Any, dilation: Any, second: Any) -> Any:
    """Of rows of two vectors each, the frames that are first in their pairs, or second: a tile of width 1."""
    mask = halves(dilation.literal_value)[second.literal_value]

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        vectors = parts(builder, arguments[0])
        rows = range(0, len(vectors), 2)
        return tile_from(builder, [chosen(builder, vectors[i : i + 2], mask) for i in rows])

    return tile_of(tile.count // 2)(tile, dilation, second), emit


@instruction
def joined(_: Any, first: Any, second: Any, dilation: Any) -> Any:
    """The rows of two vectors whose first and second frames these are, in the order of time."""
    order = [frame for half in halves(dilation.literal_value) for frame in half]
    masks = [[order.index(frame) for frame in range(start, start + LANES)] for start in (0, LANES)]

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        rows = zip(*(parts(builder, argument) for argument in arguments[:2]), strict=True)
        return tile_from(builder, [chosen(builder, row, mask) for row in rows for mask in masks])

    return tile_of(2 * first.count)(first, second, dilation), emit


@instruction
def first_of(_: Any, tile: Any) -> Any:
    """y0 of a tile of pairs: a tile of width 1."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        m = parts(builder, arguments[0])
        rows = range(0, len(m), PRODUCTS)
        return tile_from(builder, [builder.fadd(m[i], builder.fadd(m[i + 1], m[i + 2])) for i in rows])

    return tile_of(tile.count // PRODUCTS)(tile), emit


@instruction
def second_of(_: Any, tile: Any) -> Any:
    """y1 of a tile of pairs: a tile of width 1."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        m = parts(builder, arguments[0])
        rows = range(0, len(m), PRODUCTS)
        return tile_from(builder, [builder.fadd(m[i + 3], builder.fsub(m[i + 1], m[i + 2])) for i in rows])

    return tile_of(tile.count // PRODUCTS)(tile), emit


@instruction
def no_products(_: Any, high: Any, wide: Any) -> Any:
    """A tile of pairs with zeros, for `high` rows times `wide` rows."""
    count = PRODUCTS * high.literal_value * wide.literal_value

    def emit(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Value:
        return tile_from(builder, [constant(0.0)] * count)

    return tile_of(count)(high, wide), emit


@instruction
def add_pair_products(
    _: Any, tile: Any, a: Any, a_at: Any, b: Any, b_at: Any, stride: Any, dilation: Any, wide: Any
) -> Any:
    """A tile of pairs, s0 to s3 for each row of a and each of `wide` rows of b, + the products of one pair.

    The rows of both are `stride` numbers apart. The gradients d0 begin at `a_at`, the inputs x0 at `b_at`.
    """
    across = wide.literal_value
    height = tile.count // PRODUCTS // across

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total = parts(builder, arguments[0])
        first_a = address(context, builder, signature.args[1], *arguments[1:3])
        first_b = address(context, builder, signature.args[3], *arguments[3:5])
        stride, dilation = arguments[5:7]
        left = []
        for line in row_addresses(builder, first_a, stride, height):
            d0, d1 = (load_vector(builder, place) for place in row_addresses(builder, line, dilation, 2))
            left.append([d0, builder.fadd(d0, d1), builder.fsub(d0, d1), d1])
        lines = row_addresses(builder, first_b, stride, across)
        right = [differences(builder, inputs(builder, line, dilation)) for line in lines]
        products = [(d, x) for a in left for b in right for d, x in zip(a, b, strict=True)]
        return tile_from(
            builder, [multiply_add(builder, *pair, c) for pair, c in zip(products, total, strict=True)]
        )

    index = types.intp
    return tile(tile, a, index, b, index, index, index, wide), emit


@instruction
def taps_of(_: Any, tile: Any) -> Any:
    """What the filters gain, of a tile of pairs s0 to s3: a tile of as many vectors for each tap, one by one."""
    count = tile.count // PRODUCTS

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        s = parts(builder, arguments[0])
        half = constant(0.5)
        gains = [half] * (TAPS * count)
        for i in range(count):
            s0, s1, s2, s3 = s[i * PRODUCTS : (i + 1) * PRODUCTS]
            middle = builder.fmul(half, builder.fadd(s1, s2))
            gains[i] = builder.fadd(s0, middle)
            gains[count + i] = builder.fmul(half, builder.fsub(s1, s2))
            gains[2 * count + i] = builder.fadd(s3, middle)
        return tile_from(builder, gains)

    return tile_of(TAPS * count)(tile), emit


@instruction
def add_tap_products(
    _: Any, tile: Any, a: Any, a_at: Any, b: Any, b_at: Any, stride: Any, dilation: Any, wide: Any
) -> Any:
    """What `taps_of` gives + the products of one frame: d0 begins at `a_at`, x0 at `b_at`."""
    across = wide.literal_value
    height = tile.count // TAPS // across

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total = parts(builder, arguments[0])
        first_a = address(context, builder, signature.args[1], *arguments[1:3])
        first_b = address(context, builder, signature.args[3], *arguments[3:5])
        stride, dilation = arguments[5:7]
        left = [load_vector(builder, line) for line in row_addresses(builder, first_a, stride, height)]
        gained = []
        for start in row_addresses(builder, first_b, dilation, TAPS):
            right = [load_vector(builder, line) for line in row_addresses(builder, start, stride, across)]
            gained += [(d, x) for d in left for x in right]
        return tile_from(
            builder, [multiply_add(builder, *pair, c) for pair, c in zip(gained, total, strict=True)]
        )

    index = types.intp
    return tile(tile, a, index, b, index, index, index, wide), emit
