"""The recursive part of the saturator's filters, frame by frame.

Five poles, in a chain of one and two and two. A recursion waits for itself; in this order each frame waits for
one multiply-add of the frame before, and the three links of the chain run side by side.

The state is float64: in float32 it drifts by 2.5e-6.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fxd.compiler import njit
from fxd.engines.engine import Array

DoubleArray = npt.NDArray[np.float64]

REST_EVERY = 64
TINY = 1e-30
"""State below this is zero: a recursion would decay into denormal numbers, which are slow, and stay there. It
is looked at every REST_EVERY frames since the start, wherever blocks begin and end."""


class PolePair(NamedTuple):
    """y[n] = gain x[n] - a1 y[n-1] - a2 y[n-2], with a gain of 1 at 0 Hz."""

    gain: float
    a1: float
    a2: float


class Poles(NamedTuple):
    """The pole of the DC blocker, y[n] = x[n] + dc_block y[n-1], and the two pairs of the tone filter."""

    dc_block: float
    low: PolePair
    high: PolePair


@njit(cache=True, nogil=True, fastmath={"contract"})
def follow(poles: PolePair, x: float, y1: float, y2: float) -> float:
    """The next output of a pair of poles."""
    # In this order a frame waits for one multiply-add of the frame before.
    return (poles.gain * x - poles.a2 * y2) - poles.a1 * y1


@njit(cache=True, nogil=True, fastmath={"contract"})
def recurse(poles: Poles, blocked: DoubleArray | Array, state: DoubleArray, clock: int, wet: Array) -> None:
    """Fill `wet` with what the poles make of `blocked`; `clock` counts the frames before it."""
    d, low1, low2, high1, high2 = state
    end = wet.shape[0]
    start = 0
    while start < end:
        stop = min(end, start + REST_EVERY - (clock + start) % REST_EVERY)
        for n in range(start, stop):
            d = blocked[n] + poles.dc_block * d
            low1, low2 = follow(poles.low, d, low1, low2), low1
            high1, high2 = follow(poles.high, low1, high1, high2), high1
            wet[n] = high1
        # As a whole: half of it alone would kick a slow filter into swinging for ever.
        if (clock + stop) % REST_EVERY == 0 and abs(d) + abs(low1) + abs(low2) + abs(high1) + abs(
            high2
        ) < TINY:
            d = low1 = low2 = high1 = high2 = 0.0
        start = stop
    state[:] = d, low1, low2, high1, high2
