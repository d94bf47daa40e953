"""Numbers on their way: between memory and registers, and from lane to lane."""

# ruff: noqa: ARG001  (the parameters of an instruction are the types of the arguments it will get)

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import cgutils, types

from fxd.vectors.registers import (
    LANES,
    SHUFFLE,
    Value,
    address,
    constant,
    instruction,
    load_vector,
    moved,
    parts,
    row_addresses,
    spread,
    store_vector,
    tile_from,
    tile_of,
    vector,
)

Array = npt.NDArray[np.float32]

CACHE_LINE = 16
"""In numbers. A vector that lies across two takes twice as long to read."""


def aligned(*shape: int) -> Array:
    """Zeros whose first number begins a cache line."""
    size = prod(shape)
    memory = np.zeros(size + CACHE_LINE, np.float32)
    ahead = -memory.ctypes.data // memory.itemsize % CACHE_LINE
    return memory[ahead : ahead + size].reshape(shape)


@instruction
def load(_: Any, array: Any, at: Any) -> Any:
    """The vector that begins at `at`."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        return load_vector(builder, address(context, builder, signature.args[0], *arguments))

    return vector(array, types.intp), emit


@instruction
def store(_: Any, array: Any, at: Any, value: Any) -> Any:
    """Write a vector from `at` on."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        store_vector(builder, arguments[2], address(context, builder, signature.args[0], *arguments[:2]))
        return context.get_dummy_value()

    return types.void(array, types.intp, value), emit


@instruction
def broadcast(_: Any, array: Any, at: Any) -> Any:
    """The one number at `at`, in every lane."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        return spread(builder, builder.load(address(context, builder, signature.args[0], *arguments)))

    return vector(array, types.intp), emit


@instruction
def filled(_: Any, number: Any) -> Any:
    """A number in every lane."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        return spread(builder, arguments[0])

    return vector(types.float32), emit


@instruction
def zeros(_: Any, rows: Any, width: Any) -> Any:
    """A tile of zeros."""
    size = rows.literal_value * width.literal_value

    def emit(_context: Any, builder: Any, _signature: Any, _arguments: Any) -> Value:
        return tile_from(builder, [constant(0.0)] * size)

    return tile_of(size)(rows, width), emit


@instruction
def load_rows(_: Any, array: Any, at: Any, stride: Any, rows: Any, width: Any) -> Any:
    """The tile of `rows` rows that begin `stride` numbers apart, the first at `at`."""
    height, across = rows.literal_value, width.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        first = address(context, builder, signature.args[0], *arguments[:2])
        lines = row_addresses(builder, first, arguments[2], height)
        places = [moved(builder, line, index * LANES) for line in lines for index in range(across)]
        return tile_from(builder, [load_vector(builder, place) for place in places])

    return tile_of(height * across)(array, types.intp, types.intp, rows, width), emit


@instruction
def store_rows(_: Any, array: Any, at: Any, stride: Any, tile: Any, width: Any) -> Any:
    """Write a tile to rows that begin `stride` numbers apart, the first at `at`."""
    across = width.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        vectors = parts(builder, arguments[3])
        first = address(context, builder, signature.args[0], *arguments[:2])
        lines = row_addresses(builder, first, arguments[2], len(vectors) // across)
        for index, each in enumerate(vectors):
            store_vector(builder, each, moved(builder, lines[index // across], index % across * LANES))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, tile, width), emit


@instruction
def broadcast_rows(_: Any, array: Any, at: Any, rows: Any, width: Any) -> Any:
    """A tile whose row i is the number at `at` + i everywhere."""
    height, across = rows.literal_value, width.literal_value

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        first = address(context, builder, signature.args[0], *arguments[:2])
        lines = [spread(builder, builder.load(moved(builder, first, i))) for i in range(height)]
        return tile_from(builder, [line for line in lines for _ in range(across)])

    return tile_of(height * across)(array, types.intp, rows, width), emit


@instruction
def transpose(_: Any, tile: Any) -> Any:
    """LANES vectors with rows and lanes exchanged.

    In steps of 1, 2, 4, ...: of two rows that lie a step apart, the lanes that differ in that bit change places.

        a0 a1 a2 a3     a0 b0 a2 b2     a0 b0 c0 d0
        b0 b1 b2 b3     a1 b1 a3 b3     a1 b1 c1 d1
        c0 c1 c2 c3     c0 d0 c2 d2     a2 b2 c2 d2
        d0 d1 d2 d3     c1 d1 c3 d3     a3 b3 c3 d3
    """

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        rows = parts(builder, arguments[0])
        step = 1
        while step < LANES:
            lanes = range(LANES)
            upper = [lane + LANES - step if lane & step else lane for lane in lanes]
            lower = [lane + LANES if lane & step else lane + step for lane in lanes]
            for index in (index for index in lanes if not index & step):
                pair = rows[index], rows[index + step]
                for place, pattern in ((index, upper), (index + step, lower)):
                    mask = ir.Constant(ir.VectorType(SHUFFLE, LANES), pattern)
                    rows[place] = builder.shuffle_vector(*pair, mask)
            step *= 2
        return tile_from(builder, rows)

    return tile(tile), emit


@instruction
def prefetch_rows(_: Any, array: Any, at: Any, stride: Any, rows: Any, width: Any) -> Any:
    """Ask for what `load_rows` would read, for the second cache: it will be read soon."""
    height, across = rows.literal_value, width.literal_value
    read, second, data = (ir.Constant(SHUFFLE, number) for number in (0, 2, 1))

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        first = address(context, builder, signature.args[0], *arguments[:2])
        kind = ir.FunctionType(ir.VoidType(), [first.type, SHUFFLE, SHUFFLE, SHUFFLE])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")  # type: ignore[no-untyped-call]
        for line in row_addresses(builder, first, arguments[2], height):
            for index in range(across):
                builder.call(prefetch, [moved(builder, line, index * LANES), read, second, data])
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, rows, width), emit
