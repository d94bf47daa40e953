"""Sums over time, against NumPy."""

import numpy as np
from numba import njit

from fxd.vectors.memory import Array, zeros
from fxd.vectors.registers import LANES
from fxd.vectors.sums import add_products, fold

HIGH, WIDE, FRAMES = 2, 3, 4 * LANES
FOLDED = -(-HIGH * WIDE // LANES) * LANES


def noise(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@njit
def multiply_rows(a: Array, b: Array, sums: Array) -> None:
    tile = zeros(HIGH, WIDE)
    for t in range(0, FRAMES, LANES):
        tile = add_products(tile, a, t, a.shape[1], b, t, b.shape[1], WIDE)
    fold(sums, 1, tile)


def test_products_of_rows_are_added_to_what_stands_there_and_nothing_else_is_touched() -> None:
    a, b = noise(HIGH, FRAMES), noise(WIDE, FRAMES + 5)
    sums = np.ones(1 + FOLDED + 1, np.float32)
    multiply_rows(a, b, sums)
    expected = np.ones_like(sums)
    expected[1 : 1 + HIGH * WIDE] += (a @ b[:, :FRAMES].T).ravel()
    np.testing.assert_allclose(sums, expected, atol=2e-5)
