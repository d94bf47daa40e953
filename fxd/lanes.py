"""Arithmetic for the vectors of `fxd.engines.vectors`, for kernels that treat many signals alike.

Where the same is done to many signals, or to many frames of one, each gets a lane of its own. A C-contiguous
float32 matrix [rows, LANES] then holds a vector in every row:

    row 0       a0 b0 c0 ...      the first sample of each signal
    row 1       a1 b1 c1 ...

and a kernel reads as if it were written for one signal: + - * / and the functions below, each one rounding.
"""

# ruff: noqa: ARG001  (the parameters of an instruction are the types of the arguments it will get)

import operator
from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba.core import cgutils
from numba.extending import overload

from fxd.engines.vectors import (
    LANES,
    SHUFFLE,
    VECTOR,
    Value,
    VectorType,
    add,
    each_vector,
    instruction,
    multiply,
    parts,
    subtract,
    tile_from,
)

INTEGERS = ir.VectorType(ir.IntType(32), LANES)
Vector: TypeAlias = Any
"""A vector in compiled code, for the reader."""


def integers(number: int) -> Value:
    return ir.Constant(INTEGERS, [number] * LANES)


@instruction
def divide(_: Any, a: Any, b: Any) -> Any:
    """a / b"""
    return each_vector(a, 2, lambda builder, x, y: builder.fdiv(x, y))


@instruction
def sqrt(_: Any, a: Any) -> Any:
    """The square root."""

    def formula(builder: Any, x: Value) -> Value:
        signature = ir.FunctionType(VECTOR, [VECTOR])
        name = f"llvm.sqrt.v{LANES}f32"
        return builder.call(cgutils.get_or_insert_function(builder.module, signature, name), [x])  # type: ignore[no-untyped-call]

    return each_vector(a, 1, formula)


@instruction
def larger(_: Any, a: Any, b: Any) -> Any:
    """The larger of the two; a nan in `a` stays one."""
    return each_vector(a, 2, lambda builder, x, y: builder.select(builder.fcmp_ordered("<", x, y), y, x))


@instruction
def smaller(_: Any, a: Any, b: Any) -> Any:
    """The smaller of the two; a nan in `a` stays one."""
    return each_vector(a, 2, lambda builder, x, y: builder.select(builder.fcmp_ordered(">", x, y), y, x))


@instruction
def exponent(_: Any, a: Any) -> Any:
    """floor(log2(a)) of positive, normal numbers, as float32."""

    def formula(builder: Any, x: Value) -> Value:
        biased = builder.lshr(builder.bitcast(x, INTEGERS), integers(23))
        return builder.sitofp(builder.sub(biased, integers(127)), VECTOR)

    return each_vector(a, 1, formula)


@instruction
def mantissa(_: Any, a: Any) -> Any:
    """a / 2^exponent(a), from 1 to less than 2."""

    def formula(builder: Any, x: Value) -> Value:
        fraction = builder.and_(builder.bitcast(x, INTEGERS), integers((1 << 23) - 1))
        return builder.bitcast(builder.or_(fraction, integers(127 << 23)), VECTOR)

    return each_vector(a, 1, formula)


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


def arithmetic(operation: Callable[[Any, Any], Any], instruction: Callable[[Any, Any], Any]) -> None:
    """Let compiled code write an instruction of two vectors as an operator."""

    @overload(operation, strict=False)
    def choose(a: Any, b: Any) -> Any:
        if isinstance(a, VectorType) and isinstance(b, VectorType):
            return lambda a, b: instruction(a, b)  # noqa: PLW0108  (Numba compiles functions only)
        return None


arithmetic(operator.add, add)
arithmetic(operator.sub, subtract)
arithmetic(operator.mul, multiply)
arithmetic(operator.truediv, divide)
