"""Sums that grow in registers: of products, row by row, and over the lanes at their end.

`add_outer`, `add_scaled` and `add_weighted` add over channels, frame by frame. `add_products` adds over time: a
tile of sums for 2 rows of a and 3 of b (`wide`) holds, lane by lane, parts of

    a0 b0    a0 b1    a0 b2
    a1 b0    a1 b1    a1 b2

which `fold` brings together when all frames have been gone through.
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
    store_vector,
    tile_from,
)


@instruction
def add_outer(_: Any, tile: Any, factors: Any, factors_at: Any, array: Any, at: Any, width: Any) -> Any:
    """tile + factors x line: row i gains the number at `factors_at` + i times `width` vectors from `at` on."""
    across = width.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total = parts(builder, arguments[0])
        factor = address(context, builder, signature.args[1], *arguments[1:3])
        line = address(context, builder, signature.args[3], *arguments[3:5])
        x = [load_vector(builder, moved(builder, line, index * LANES)) for index in range(across)]
        for i in range(len(total) // across):
            one = spread(builder, builder.load(moved(builder, factor, i)))
            for index in range(across):
                at_index = i * across + index
                total[at_index] = multiply_add(builder, one, x[index], total[at_index])
        return tile_from(builder, total)

    return tile(tile, factors, types.intp, array, types.intp, width), emit


@instruction
def add_scaled(_: Any, tile: Any, factors: Any, at: Any, line: Any) -> Any:
    """tile + factors x line: row i gains the number at `at` + i times the vectors of `line`, a row."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total, x = parts(builder, arguments[0]), parts(builder, arguments[3])
        factor = address(context, builder, signature.args[1], *arguments[1:3])
        for i in range(len(total) // len(x)):
            one = spread(builder, builder.load(moved(builder, factor, i)))
            for index, value in enumerate(x):
                total[i * len(x) + index] = multiply_add(builder, one, value, total[i * len(x) + index])
        return tile_from(builder, total)

    return tile(tile, factors, types.intp, line), emit


@instruction
def add_weighted(_: Any, line: Any, factors: Any, at: Any, tile: Any) -> Any:
    """line + the sum of the rows of `tile`, row i times the number at `at` + i; `line` is a row."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total, rows = parts(builder, arguments[0]), parts(builder, arguments[3])
        factor = address(context, builder, signature.args[1], *arguments[1:3])
        for i in range(len(rows) // len(total)):
            one = spread(builder, builder.load(moved(builder, factor, i)))
            for index, value in enumerate(total):
                total[index] = multiply_add(builder, one, rows[i * len(total) + index], value)
        return tile_from(builder, total)

    return line(line, factors, types.intp, tile), emit


@instruction
def add_products(
    _: Any, tile: Any, a: Any, a_at: Any, a_stride: Any, b: Any, b_at: Any, b_stride: Any, wide: Any
) -> Any:
    """tile + each row of a times each of `wide` rows of b, one vector each; a's first begins at `a_at`."""
    across = wide.literal_value
    height = tile.count // across

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        total = parts(builder, arguments[0])
        first_a = address(context, builder, signature.args[1], *arguments[1:3])
        first_b = address(context, builder, signature.args[4], *arguments[4:6])
        left = [load_vector(builder, row) for row in row_addresses(builder, first_a, arguments[3], height)]
        right = [load_vector(builder, row) for row in row_addresses(builder, first_b, arguments[6], across)]
        products = [(x, y) for x in left for y in right]
        return tile_from(
            builder, [multiply_add(builder, *pair, c) for pair, c in zip(products, total, strict=True)]
        )

    index = types.intp
    return tile(tile, a, index, index, b, index, index, wide), emit


def merging(step: int) -> list[list[int]]:
    """What `fold` adds up in its first, second, ... step: lanes of two vectors, the second's from LANES on.

    Each is one quick instruction. One that may take any lane of two vectors takes some processors twice as long.
    """
    quads = range(0, LANES, 4)
    if step == 0:
        return [[q + lane for q in quads for lane in (i, LANES + i, i + 1, LANES + i + 1)] for i in (0, 2)]
    if step == 1:
        return [[q + lane for q in quads for lane in (i, i + 1, LANES + i, LANES + i + 1)] for i in (0, 2)]
    return [[q + lane for q in range(first, 2 * LANES, 8) for lane in range(4)] for first in (0, 4)]


@instruction
def fold(_: Any, array: Any, at: Any, tile: Any) -> Any:
    """Add the sum over the lanes of each vector of a tile to the number at `at`, and so on.

    Whole vectors are written: the tile counts as if vectors of zeros made it a multiple of LANES. Two vectors at
    a time become one, each number in it the sum of two, first within each four lanes and then four by four:

        a0 a1 a2 a3, b0 b1 b2 b3    ->    a0+a2 b0+b2 a1+a3 b1+b3
        a  b  a' b', c  d  c' d'    ->    a+a'  b+b'  c+c'  d+d'
    """
    count = -(-tile.count // LANES)

    def merged(builder: Any, two: Sequence[Value], step: int) -> Value:
        a, b = two
        pattern = ir.VectorType(SHUFFLE, LANES)
        halves = [builder.shuffle_vector(a, b, ir.Constant(pattern, half)) for half in merging(step)]
        return builder.fadd(*halves)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        vectors = parts(builder, arguments[2])
        vectors += [constant(0.0)] * (count * LANES - len(vectors))
        step = 0
        while len(vectors) > count:
            vectors = [merged(builder, vectors[i : i + 2], step) for i in range(0, len(vectors), 2)]
            step += 1
        first = address(context, builder, signature.args[0], *arguments[:2])
        for index, each in enumerate(vectors):
            place = moved(builder, first, index * LANES)
            store_vector(builder, builder.fadd(load_vector(builder, place), each), place)
        return context.get_dummy_value()

    return types.void(array, types.intp, tile), emit


@instruction
def sum_of_lanes(_: Any, value: Any) -> Any:
    """The sum of a vector's numbers, halves onto halves: in a fixed order, so always the same sum."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        whole, count = arguments[0], LANES
        while count > 1:
            count //= 2
            pattern = ir.VectorType(SHUFFLE, count)
            halves = [
                builder.shuffle_vector(whole, whole, ir.Constant(pattern, list(range(start, start + count))))
                for start in (0, count)
            ]
            whole = builder.fadd(*halves)
        return builder.extract_element(whole, ir.Constant(SHUFFLE, 0))

    return types.float32(value), emit
