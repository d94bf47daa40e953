"""What compiled code computes with vectors, against NumPy."""

import numpy as np
import numpy.typing as npt
from numba import njit

from fxd.engines.vectors import LANES, load, load_rows, store, store_rows
from fxd.lanes import exponent, larger, mantissa, smaller, sqrt, transpose

Array = npt.NDArray[np.float32]


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
def turn_over(matrix: Array) -> None:
    store_rows(matrix, 0, LANES, transpose(load_rows(matrix, 0, LANES, LANES, 1)), 1)


def test_rows_and_lanes_change_places() -> None:
    matrix = np.arange(LANES * LANES, dtype=np.float32).reshape(LANES, LANES)
    turned = matrix.copy()
    turn_over(turned)
    np.testing.assert_array_equal(turned, matrix.T)
