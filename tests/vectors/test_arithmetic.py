"""Arithmetic on vectors, against NumPy."""

import numpy as np
from numba import njit

from fxd.vectors.arithmetic import exponent, larger, mantissa, smaller, sqrt, tanh
from fxd.vectors.memory import Array, load, store
from fxd.vectors.registers import LANES


@njit
def operate(a: Array, b: Array, results: Array) -> None:
    x, y = load(a, 0), load(b, 0)
    store(results, 0, x + y)
    store(results, LANES, x - y)
    store(results, 2 * LANES, x * y)
    store(results, 3 * LANES, x / y)
    store(results, 4 * LANES, larger(x, y))
    store(results, 5 * LANES, smaller(x, y))
    store(results, 6 * LANES, sqrt(y))
    store(results, 7 * LANES, exponent(y))
    store(results, 8 * LANES, mantissa(y))


def operated(a: Array, b: Array) -> Array:
    results = np.zeros((9, LANES), np.float32)
    operate(a, b, results)
    return results


def test_each_operation_is_what_numpy_makes_of_it_to_the_last_bit() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal(LANES).astype(np.float32)
    b = (10 ** rng.uniform(-30, 30, LANES)).astype(np.float32)
    power = np.floor(np.log2(b))
    expected = [
        a + b,
        a - b,
        a * b,
        a / b,
        np.maximum(a, b),
        np.minimum(a, b),
        np.sqrt(b),
        power,
        b / 2**power,
    ]
    np.testing.assert_array_equal(operated(a, b), np.array(expected, np.float32))


def test_a_nan_on_the_left_survives_a_comparison() -> None:
    nan, one = np.full(LANES, np.nan, np.float32), np.ones(LANES, np.float32)
    assert np.isnan(operated(nan, one)[4:6]).all()


@njit
def tanh_of(source: Array, target: Array) -> None:
    for at in range(0, source.shape[0], LANES):
        store(target, at, tanh(load(source, at)))


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
