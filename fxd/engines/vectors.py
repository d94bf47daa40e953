"""Vectors of frames for compiled kernels: what a processor does to 4, 8 or 16 numbers at once, spelled out.

Numba leaves it to the compiler to find vectors in loops, and in small networks it finds few. Each instruction
here is one that compiled code may call, and becomes exactly the machine code that its name says. A vector
holds LANES float32. A tile is a tuple of rows * width vectors, row by row, that stays in registers: for 2 rows
and width 2, with L = LANES,

    frames            0 .. L-1    L .. 2L-1
    row 0             tile[0]     tile[1]
    row 1             tile[2]     tile[3]

What works number by number (`fma`, `tanh`, ...) takes vectors or tiles, all of one kind. Memory is a C-contiguous
float32 array of any shape, and `at` a position in it, counted in numbers through all of its rows: element
[row, column] of a matrix stands at row * columns + column. Vectors are read and written from there on, whether
that is aligned or not, and without a check: the caller answers for the bounds. `rows` and `width` must be
constants where they are compiled (a literal, a global or a closure's number).

Nothing here may be reordered by the compiler. A frame's result is the same number in whichever lane, vector or
tile it is computed, so that neither block size nor width changes a bit. Don't use `fastmath` with them: it
relaxes the code inside as well.

The width follows what Numba compiles for, which is part of the key of its cache. To try others, set before
the start

    NUMBA_CPU_NAME=znver3 NUMBA_CPU_FEATURES=     8 lanes: AVX2 (the empty list drops what this machine has)
    NUMBA_CPU_NAME=generic                        1 lane: no vectors
"""

# ruff: noqa: ARG001  (the parameters of an instruction are the types of the arguments it will get)

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import llvmlite.binding
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.registry import cpu_target
from numba.extending import intrinsic, register_model

PROBE = """
declare <16 x float> @llvm.fmuladd.v16f32(<16 x float>, <16 x float>, <16 x float>)
define <16 x float> @probe(<16 x float> %a, <16 x float> %b, <16 x float> %c) {
  %d = call <16 x float> @llvm.fmuladd.v16f32(<16 x float> %a, <16 x float> %b, <16 x float> %c)
  ret <16 x float> %d
}
"""


def processor_vectors() -> tuple[int, int]:
    """Lanes of a vector and how many registers hold one, on the processor that Numba compiles for.

    It compiles a multiply-add of 16 lanes and looks into what registers the compiler put it.
    """
    triple, name, features = cpu_target.target_context.codegen().magic_tuple()
    if name == "generic" and not features:
        return 1, 16
    target = llvmlite.binding.Target.from_triple(triple)
    assembly = target.create_target_machine(cpu=name, features=features).emit_assembly(
        llvmlite.binding.parse_assembly(PROBE)
    )
    for mark, lanes, registers in (("zmm", 16, 32), ("ymm", 8, 16), ("xmm", 4, 16), (".4s", 4, 32)):
        if mark in assembly:
            return lanes, registers
    return 1, 16


LANES, REGISTERS = processor_vectors()

# tanh(x) = x P(x^2) / Q(x^2), coefficients from the constant up: equal ripple by Lawson's reweighted least
# squares. In float32 it is wrong by at most 3.5e-7, mostly rounding; beyond the limit tanh is 1 to that.
TANH_LIMIT = 8.5
TANH_P = (0.99999994665, 0.13406921689, 3.52667059061e-3, 2.11357250321e-5, 1.41193839059e-8)
TANH_Q = (1.0, 0.46740233461, 2.59943698069e-2, 3.33708766250e-4, 8.08173449263e-7)

FLOAT = ir.FloatType()
INDEX = ir.IntType(64)
SHUFFLE = ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)
Value: TypeAlias = Any
"""A value in the code that is being written: llvmlite has no types for a checker to see."""


# Compiled code calls these functions without their first argument, which no type checker can know.
instruction: Callable[[Callable[..., Any]], Any] = intrinsic(prefer_literal=True)


class VectorType(types.Type):
    """LANES float32 in one register."""

    def __init__(self) -> None:
        super().__init__(f"Vector({LANES})")


@register_model(VectorType)
class VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, VECTOR)  # type: ignore[no-untyped-call]


vector = VectorType()


def tile_of(count: int) -> types.UniTuple:
    return types.UniTuple(vector, count)  # type: ignore[no-untyped-call]


def address(context: Any, builder: Any, array_type: Any, array: Value, at: Value) -> Value:
    """A pointer to the number at `at`."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [at], inbounds=True)


def moved(builder: Any, pointer: Value, numbers: int) -> Value:
    return builder.gep(pointer, [ir.Constant(INDEX, numbers)], inbounds=True)


def row_addresses(builder: Any, first: Value, stride: Value, rows: int) -> list[Value]:
    lines = [first]
    while len(lines) < rows:
        lines.append(builder.gep(lines[-1], [stride], inbounds=True))
    return lines


def load_vector(builder: Any, pointer: Value) -> Value:
    return builder.load(builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def store_vector(builder: Any, value: Value, pointer: Value) -> None:
    builder.store(value, builder.bitcast(pointer, VECTOR.as_pointer()), align=4)


def spread(builder: Any, number: Value) -> Value:
    """`number` in every lane."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    one = builder.insert_element(undefined, number, ir.Constant(SHUFFLE, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(SHUFFLE, LANES), [0] * LANES))


def constant(number: float) -> Value:
    return ir.Constant(VECTOR, [float(number)] * LANES)


def multiply_add(builder: Any, a: Value, b: Value, c: Value) -> Value:
    """a * b + c, with one rounding where the processor has such an instruction."""
    signature = ir.FunctionType(VECTOR, [VECTOR] * 3)
    name = f"llvm.fmuladd.v{LANES}f32"
    function = cgutils.get_or_insert_function(builder.module, signature, name)  # type: ignore[no-untyped-call]
    return builder.call(function, [a, b, c])


def parts(builder: Any, value: Value) -> list[Value]:
    """The vectors of a tile; of a vector, itself."""
    if value.type == VECTOR:
        return [value]
    return [builder.extract_value(value, index) for index in range(value.type.count)]


def tile_from(builder: Any, vectors: Sequence[Value]) -> Value:
    tile = ir.Constant(ir.ArrayType(VECTOR, len(vectors)), ir.Undefined)
    for index, each in enumerate(vectors):
        tile = builder.insert_value(tile, each, index)
    return tile


def each_vector(kind: Any, operands: int, formula: Callable[..., Value]) -> Any:
    """The signature and the code of an instruction that works vector by vector."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        columns = zip(*(parts(builder, argument) for argument in arguments), strict=True)
        results = [formula(builder, *column) for column in columns]
        return results[0] if kind == vector else tile_from(builder, results)

    return kind(*[kind] * operands), emit


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
