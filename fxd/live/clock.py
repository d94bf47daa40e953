"""The clock by which compiled code measures itself: the address of the system's own, as a C function."""

import ctypes
import sys
import time
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Clock:
    address: int
    number: int
    """The first argument that it wants before the address to write to; -1 where it wants none."""
    ticks: int
    """A second."""
    library: Any
    """Holds the code at the address."""


def system_clock() -> Clock:
    """`clock_gettime(CLOCK_MONOTONIC, ...)`, or `QueryPerformanceCounter(...)` on Windows."""
    if sys.platform == "win32":
        library = ctypes.WinDLL("kernel32")
        ticks = ctypes.c_int64()
        library.QueryPerformanceFrequency(ctypes.byref(ticks))
        return Clock(address(library.QueryPerformanceCounter), -1, ticks.value, library)
    library = ctypes.CDLL(None)
    return Clock(address(library.clock_gettime), time.CLOCK_MONOTONIC, 1_000_000_000, library)


def address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0
