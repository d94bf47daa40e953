"""Sums over time for compiled kernels: products of rows with rows, one sum for each pair of them.

The instructions here belong to those of `fxd.engines.vectors` and follow the same rules. A tile of sums for 2
rows of a and 3 of b (`wide`) holds, lane by lane, parts of

    a0 b0    a0 b1    a0 b2
    a1 b0    a1 b1    a1 b2

which `fold` brings together when all frames have been gone through.
"""

# ruff: noqa: ARG001  (the parameters of an instruction are the types of the arguments it will get)

from typing import Any

from llvmlite import ir
from numba.core import types

from fxd.engines.vectors import (
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
    store_vector,
    tile_from,
    tile_of,
)


@instruction
def zeros(_: Any, rows: Any, width: Any) -> Any:
    """A tile of zeros."""
    size = rows.literal_value * width.literal_value

    def emit(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Value:
        return tile_from(builder, [constant(0.0)] * size)

    return tile_of(size)(rows, width), emit


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


@instruction
def fold(_: Any, array: Any, at: Any, tile: Any) -> Any:
    """Add the sum over the lanes of each vector of a tile to the number at `at`, and so on.

    Whole vectors are written: the tile counts as if vectors of zeros made it a multiple of LANES. Neighbours are
    added up in two vectors at once:

        a0 a1 a2 a3, b0 b1 b2 b3    ->    a0+a1 a2+a3 b0+b1 b2+b3    ->    a b c d
    """
    count = -(-tile.count // LANES)

    def neighbours(builder: Any, a: Value, b: Value) -> Value:
        pattern = ir.VectorType(SHUFFLE, LANES)
        halves = [
            builder.shuffle_vector(a, b, ir.Constant(pattern, list(range(odd, 2 * LANES, 2))))
            for odd in (0, 1)
        ]
        return builder.fadd(*halves)

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        vectors = parts(builder, arguments[2])
        vectors += [constant(0.0)] * (count * LANES - len(vectors))
        while len(vectors) > count:
            vectors = [neighbours(builder, *vectors[i : i + 2]) for i in range(0, len(vectors), 2)]
        first = address(context, builder, signature.args[0], *arguments[:2])
        for index, each in enumerate(vectors):
            place = moved(builder, first, index * LANES)
            store_vector(builder, builder.fadd(load_vector(builder, place), each), place)
        return context.get_dummy_value()

    return types.void(array, types.intp, tile), emit
