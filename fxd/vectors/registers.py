"""The vectors of the processor that Numba compiles for, and what the instructions on them are built of."""

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
OWN_ADDERS = LANES == 16 and cpu_target.target_context.codegen().magic_tuple()[1].startswith("znver")
"""Whether additions go on beside as many multiply-adds as the processor can do: on AMD's with AVX-512."""

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
