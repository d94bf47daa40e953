"""What compiled code needs where no Python object may take part: addresses, and words that two threads share.

Arrays are told to compiled code as addresses, which stand in an array of 64-bit integers with everything else
that it has to know. Whoever writes them there keeps the arrays alive.
"""

# ruff: noqa: ARG001  (the parameters of an instruction are the types of the arguments it will get)

from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba.core import types
from numba.np.numpy_support import carray

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.engines.recursion import DoubleArray
from fxd.vectors.registers import Value, address, instruction

Words = npt.NDArray[np.int64]
"""64-bit integers: counts, yes or no, and addresses."""

WORD = ir.IntType(64)
WORD_BYTES = 8


def address_of(array: npt.NDArray[Any]) -> int:
    """Where an array's numbers stand. Raises ValueError where they do not stand one after the other."""
    if not array.flags.c_contiguous:
        raise ValueError(
            f"an array of shape {array.shape} is not contiguous, and compiled code would misread it"
        )
    return int(array.ctypes.data)


@instruction
def call(_: Any, function: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Call the C function at an address with four words; it may take fewer. Returns a word."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        kind = ir.FunctionType(WORD, [WORD] * 4)
        return builder.call(builder.inttoptr(arguments[0], kind.as_pointer()), arguments[1:])

    return types.int64(*[types.int64] * 5), emit


@instruction
def pointer(_: Any, place: Any) -> Any:
    """An address as a pointer."""

    def emit(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Value:
        return builder.inttoptr(arguments[0], ir.IntType(8).as_pointer())

    return types.voidptr(types.int64), emit


@instruction
def acquire(_: Any, words: Any, at: Any) -> Any:
    """The word at `at`, and with it everything that its writer had written before it."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        place = address(context, builder, signature.args[0], *arguments)
        return builder.load_atomic(place, "acquire", WORD_BYTES)

    return types.int64(words, types.intp), emit


@instruction
def release(_: Any, words: Any, at: Any, value: Any) -> Any:
    """Write the word at `at`: who sees it sees everything that was written before it."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Value:
        place = address(context, builder, signature.args[0], *arguments[:2])
        builder.store_atomic(arguments[2], place, "release", WORD_BYTES)
        return context.get_dummy_value()

    return types.void(words, types.intp, types.int64), emit


@njit(cache=True, nogil=True)
def floats(place: int, shape: Any) -> Array:
    """The float32 array of that shape at an address."""
    return carray(pointer(place), shape, np.float32)


@njit(cache=True, nogil=True)
def doubles(place: int, shape: Any) -> DoubleArray:
    """The float64 array of that shape at an address."""
    return carray(pointer(place), shape, np.float64)


@njit(cache=True, nogil=True)
def words(place: int, count: int) -> Words:
    """So many words at an address."""
    return carray(pointer(place), (count,), np.int64)


@njit(cache=True, nogil=True)
def read(shared: Words, at: int) -> int:
    """`acquire` for Python."""
    return int(acquire(shared, at))


@njit(cache=True, nogil=True)
def write(shared: Words, at: int, value: int) -> None:
    """`release` for Python."""
    release(shared, at, value)
