"""Vectors and tiles between memory and registers, against NumPy."""

import numpy as np
import pytest
from numba import njit

from fxd.vectors.arithmetic import add, fma, multiply, subtract, tanh
from fxd.vectors.memory import (
    Array,
    broadcast,
    broadcast_rows,
    filled,
    load,
    load_rows,
    store,
    store_rows,
    transpose,
)
from fxd.vectors.registers import LANES
from fxd.vectors.sums import add_outer, add_scaled, add_weighted, sum_of_lanes

ROWS, WIDTH, COLUMNS = 3, 2, 2 * LANES + 5
TILE = np.s_[:, 3 : 3 + 2 * LANES]


def noise(*shape: int) -> Array:
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


@njit
def by_vector(source: Array, at: int, target: Array) -> np.float32:
    a, b, c = load(source, at), broadcast(source, 0), filled(np.float32(0.5))
    store(target[0], 0, fma(a, b, c))
    store(target[1], 0, add(a, b))
    store(target[2], 0, subtract(a, b))
    store(target[3], 0, multiply(a, b))
    store(target[4], 0, tanh(a))
    return sum_of_lanes(a)


@njit
def by_tile(source: Array, weights: Array, target: Array) -> None:
    tile = load_rows(source, 3, source.shape[1], ROWS, WIDTH)
    tile = add(tile, broadcast_rows(weights, 1, ROWS, WIDTH))
    tile = add_outer(tile, weights, 4, source, COLUMNS + 1, WIDTH)
    store_rows(target, 3, target.shape[1], tile, WIDTH)


@njit
def by_line(source: Array, weights: Array, target: Array) -> None:
    tile, line = load_rows(source, 3, source.shape[1], ROWS, WIDTH), load_rows(source, 1, 0, 1, WIDTH)
    store_rows(target, 3, target.shape[1], add_scaled(tile, weights, 4, line), WIDTH)
    store_rows(target, 3 + ROWS * target.shape[1], 0, add_weighted(line, weights, 5, tile), WIDTH)


def test_vectors_are_read_and_written_at_any_position() -> None:
    source, target = noise(2, LANES), np.zeros((5, LANES), np.float32)
    total = by_vector(source, LANES - 1, target)
    a, b = source.ravel()[LANES - 1 : 2 * LANES - 1], source[0, 0]
    np.testing.assert_allclose(target[0], a * b + np.float32(0.5), atol=3e-7)
    assert np.array_equal(target[1:4], [a + b, a - b, a * b])
    np.testing.assert_allclose(target[4], np.tanh(a), atol=4e-7)
    assert total == pytest.approx(a.sum(dtype=float), abs=1e-5)


def test_tiles_hold_rows_of_a_matrix_and_touch_nothing_else() -> None:
    source, weights = noise(ROWS, COLUMNS), noise(10)
    target = np.zeros_like(source)
    by_tile(source, weights, target)
    line = source[1, 1 : 1 + 2 * LANES]
    expected = source[TILE] + weights[1:4, None] + np.outer(weights[4:7], line)
    np.testing.assert_allclose(target[TILE], expected, atol=1e-6)
    target[TILE] = 0
    assert not target.any()


def test_tiles_and_lines_meet_in_registers() -> None:
    source, weights = noise(ROWS, COLUMNS), noise(10)
    target = np.zeros((ROWS + 1, COLUMNS), np.float32)
    by_line(source, weights, target)
    line = source[0, 1 : 1 + 2 * LANES]
    expected = source[TILE] + np.outer(weights[4:7], line)
    np.testing.assert_allclose(target[:ROWS][TILE], expected, atol=1e-6)
    expected = line + weights[5:8] @ source[TILE]
    np.testing.assert_allclose(target[ROWS, 3 : 3 + 2 * LANES], expected, atol=2e-6)
    target[TILE] = 0
    assert not target.any()


@njit
def turn_over(matrix: Array) -> None:
    store_rows(matrix, 0, LANES, transpose(load_rows(matrix, 0, LANES, LANES, 1)), 1)


def test_rows_and_lanes_change_places() -> None:
    matrix = np.arange(LANES * LANES, dtype=np.float32).reshape(LANES, LANES)
    turned = matrix.copy()
    turn_over(turned)
    np.testing.assert_array_equal(turned, matrix.T)
