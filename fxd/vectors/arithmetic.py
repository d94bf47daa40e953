"""Arithmetic number by number, on vectors or tiles, all of one kind.

Of two vectors + - * / may be written as such: a kernel on vectors then reads as if it were for one signal.
"""

# ruff: noqa: ARG001  (the parameters of an instruction are the types of the arguments it will get)

import operator
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from llvmlite import ir
from numba.core import cgutils
from numba.extending import overload

from fxd.vectors.registers import (
    LANES,
    VECTOR,
    Value,
    VectorType,
    constant,
    instruction,
    multiply_add,
    parts,
    tile_from,
    vector,
)

# tanh(x) = x P(x^2) / Q(x^2), coefficients from the constant up: equal ripple by Lawson's reweighted least
# squares. In float32 it is wrong by at most 3.5e-7, mostly rounding; beyond the limit tanh is 1 to that.
TANH_LIMIT = 8.5
TANH_P = (0.99999994665, 0.13406921689, 3.52667059061e-3, 2.11357250321e-5, 1.41193839059e-8)
TANH_Q = (1.0, 0.46740233461, 2.59943698069e-2, 3.33708766250e-4, 8.08173449263e-7)

INTEGERS = ir.VectorType(ir.IntType(32), LANES)
Vector: TypeAlias = Any
"""A vector in compiled code, for the reader."""


def each_vector(kind: Any, operands: int, formula: Callable[..., Value]) -> Any:
    """The signature and the code of an instruction that works vector by vector."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        columns = zip(*(parts(builder, argument) for argument in arguments), strict=True)
        results = [formula(builder, *column) for column in columns]
        return results[0] if kind == vector else tile_from(builder, results)

    return kind(*[kind] * operands), emit


@instruction
def fma(_: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c"""
    return each_vector(a, 3, multiply_add)


@instruction
def add(_: Any, a: Any, b: Any) -> Any:
    """a + b"""
    return each_vector(a, 2, lambda builder, x, y: builder.fadd(x, y))


@instruction
def subtract(_: Any, a: Any, b: Any) -> Any:
    """a - b"""
    return each_vector(a, 2, lambda builder, x, y: builder.fsub(x, y))


@instruction
def multiply(_: Any, a: Any, b: Any) -> Any:
    """a * b"""
    return each_vector(a, 2, lambda builder, x, y: builder.fmul(x, y))


@instruction
def negative(_: Any, a: Any) -> Any:
    """-a"""
    return each_vector(a, 1, lambda builder, x: builder.fneg(x))


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


def integers(number: int) -> Value:
    return ir.Constant(INTEGERS, [number] * LANES)


@instruction
def tanh(_: Any, x: Any) -> Any:
    """The hyperbolic tangent, wrong by at most 3.5e-7; nan stays nan, 0 is exact, and it is odd."""
    return each_vector(x, 1, tanh_of_vector)


def tanh_of_vector(builder: Any, x: Value) -> Value:
    # Ordered comparisons that keep a nan: a diverged network must not look like a saturated one.
    x = builder.select(builder.fcmp_ordered(">", x, constant(TANH_LIMIT)), constant(TANH_LIMIT), x)
    x = builder.select(builder.fcmp_ordered("<", x, constant(-TANH_LIMIT)), constant(-TANH_LIMIT), x)
    u = builder.fmul(x, x)

    def polynomial(coefficients: Sequence[float]) -> Value:
        value = constant(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = multiply_add(builder, value, u, constant(coefficient))
        return value

    return builder.fdiv(builder.fmul(x, polynomial(TANH_P)), polynomial(TANH_Q))


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
