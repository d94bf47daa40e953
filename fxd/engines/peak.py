"""How many multiply-adds a second one core can do at most, measured: the yardstick of the engines' kernels.

A multiply-add takes about four cycles until its result is there, and a core begins one or two of them in each
cycle. So CHAINS of them run side by side, each waiting only for itself, on numbers that never leave the
registers.
"""

import time

import numpy as np

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.vectors.arithmetic import fma
from fxd.vectors.memory import filled, load_rows, store_rows
from fxd.vectors.registers import LANES

CHAINS = 12
ROUNDS = 400_000
REPETITIONS = 15


@njit(cache=True, nogil=True)
def spin(numbers: Array, rounds: int) -> None:
    """`rounds` times CHAINS multiply-adds of vectors: row i of `numbers`, [CHAINS, LANES], is chain i."""
    # Chains that began with the same numbers would be one to the compiler.
    chains = load_rows(numbers, 0, LANES, CHAINS, 1)
    a, b = filled(np.float32(0.5)), filled(np.float32(1))
    factors = (a, a, a, a, a, a, a, a, a, a, a, a)
    summands = (b, b, b, b, b, b, b, b, b, b, b, b)
    for _ in range(rounds):
        chains = fma(chains, factors, summands)
    store_rows(numbers, 0, LANES, chains, 1)


def multiply_add_peak() -> float:
    """float32 multiply-adds a second of one core, at the vector width in use: the fastest of some trials.

    It takes some tenths of a second. A core that others use as well, or that is still waking up, shows less.
    """
    numbers = np.arange(CHAINS * LANES, dtype=np.float32).reshape(CHAINS, LANES)
    spin(numbers, 1)
    fastest = float("inf")
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        spin(numbers, ROUNDS)
        fastest = min(fastest, time.perf_counter() - began)
    return CHAINS * LANES * ROUNDS / fastest
