"""Every instruction against NumPy, at the width of this processor and forced to others."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from fxd.engines.engine import Array
from fxd.engines.peak import multiply_add_peak
from fxd.engines.vectors import (
    LANES,
    add,
    add_outer,
    add_scaled,
    add_weighted,
    broadcast,
    broadcast_rows,
    filled,
    fma,
    load,
    load_rows,
    multiply,
    store,
    store_rows,
    subtract,
    sum_of_lanes,
    tanh,
)

ROWS, WIDTH, COLUMNS = 3, 2, 2 * LANES + 5
TILE = np.s_[:, 3 : 3 + 2 * LANES]
OTHER_PROCESSORS = {
    8: {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""},
    4: {"NUMBA_CPU_NAME": "x86-64-v2", "NUMBA_CPU_FEATURES": ""},
    1: {"NUMBA_CPU_NAME": "generic"},
}


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


@njit
def tanh_of(source: Array, target: Array) -> None:
    for at in range(0, source.shape[0], LANES):
        store(target, at, tanh(load(source, at)))


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


def test_tanh_is_as_exact_as_it_says_odd_and_honest_about_nan() -> None:
    x = np.linspace(-12, 12, 48_000, dtype=np.float32)
    wet, mirrored = np.empty_like(x), np.empty_like(x)
    tanh_of(x, wet)
    tanh_of(-x, mirrored)
    assert np.abs(wet - np.tanh(x.astype(float))).max() <= 3.5e-7
    assert np.array_equal(wet, -mirrored)
    odd = np.resize(np.array([np.nan, 0, -np.inf, np.inf], np.float32), 4 * LANES)
    result = np.empty_like(odd)
    tanh_of(odd, result)
    assert np.isnan(result[0])
    assert result[1] == 0
    np.testing.assert_allclose(result[2:4], [-1, 1], atol=4e-7)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names processors of x86-64")
@pytest.mark.parametrize("lanes", OTHER_PROCESSORS)
def test_the_width_follows_the_processor_and_every_width_is_right(lanes: int) -> None:
    script = f"""
import runpy, sys
from fxd.engines.vectors import LANES
assert LANES == {lanes}, LANES
tests = runpy.run_path({str(Path(__file__))!r})
for test in tests:
    if test.startswith(("test_vectors", "test_tiles", "test_tanh")):
        tests[test]()
"""
    environment = {**os.environ, **OTHER_PROCESSORS[lanes]}
    subprocess.run([sys.executable, "-c", script], env=environment, check=True)


def test_the_peak_is_one_that_a_core_can_have() -> None:
    """Its order of magnitude: between one number a cycle of a slow core and 64 of a fast one."""
    assert 1e8 < multiply_add_peak() < 64 * 6e9
