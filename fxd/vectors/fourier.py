"""The Fourier transform of LANES signals at once, each in a lane of its own.

In place, by decimation in frequency: a transform of n samples becomes four of n / 4 (at first, where n is not
a power of four, two of n / 2),

    y_q[p] = w^(q p) * sum over k of x[p + k n / 4] (-i)^(q k),     w = exp(-2 pi i / n)

and bin 4 m + q of the whole is bin m of the transform of y_q. These lie one after the other, so the bins come
out with the digits of their numbers reversed: `bin_rows` tells where each one is. Nothing is shuffled within
a vector, and once a part fits the processor's nearest cache it is finished there.
Source: Cooley and Tukey, "An algorithm for the machine calculation of complex Fourier series", 1965, in the
order of Gentleman and Sande, "Fast Fourier transforms: for fun and profit", 1966.
"""

import numpy as np
import numpy.typing as npt

from fxd.compiler import njit
from fxd.vectors.arithmetic import Vector, fma
from fxd.vectors.memory import Array, broadcast, load, store
from fxd.vectors.registers import LANES

POWERS_OF_FOUR = 0x55555555
ROW = 2 * LANES
NEAR = 256
"""Samples of a part that is finished before the next one is begun: 32 KB with 16 lanes."""


def radix(size: int) -> int:
    """Into how many parts a transform is split first; `size` is a power of two."""
    return 2 if size.bit_length() % 2 == 0 else 4


def bin_rows(size: int) -> npt.NDArray[np.intp]:
    """The row in which `transform` leaves each bin. `size` is a power of two.

    >>> bin_rows(8).tolist()
    [0, 4, 1, 5, 2, 6, 3, 7]
    """
    if size == 1:
        return np.zeros(1, np.intp)
    parts = radix(size)
    of_part = bin_rows(size // parts)
    rows = np.empty(size, np.intp)
    for residue in range(parts):
        rows[residue::parts] = of_part + residue * (size // parts)
    return rows


def twiddles(size: int) -> Array:
    """The factors w^p, w^2p, w^3p of every step of a transform, float32 [size, 6].

    A step of n samples has n / 4 of them in the rows from n / 4 on (n / 2 where it makes two parts).
    """
    table = np.zeros((size, 3), np.complex64)
    while size > 1:
        parts = radix(size)
        p = np.arange(size // parts)[:, None]
        table[size // parts : 2 * size // parts] = np.exp(-2j * np.pi * p * [1, 2, 3] / size)
        size //= parts
    return table.view(np.float32)


@njit(cache=True, nogil=True)
def halve(z: Array, size: int, twiddle: Array) -> None:
    """Turn the first `size` rows into two parts of half as many."""
    half = size // 2
    for p in range(half):
        one, other = p * ROW, (p + half) * ROW
        a, b, ia, ib = load(z, one), load(z, other), load(z, one + LANES), load(z, other + LANES)
        store(z, one, a + b)
        store(z, one + LANES, ia + ib)
        turn(a - b, ia - ib, twiddle, (half + p) * 6, z, other)


@njit(cache=True, nogil=True)
def quarter(z: Array, start: int, size: int, twiddle: Array) -> None:
    """Turn the `size` rows from `start` on into four parts."""
    part = size // 4
    for p in range(part):
        at_a = (start + p) * ROW
        at_b, at_c, at_d = at_a + part * ROW, at_a + 2 * part * ROW, at_a + 3 * part * ROW
        a, b, c, d = load(z, at_a), load(z, at_b), load(z, at_c), load(z, at_d)
        a, b, c, d = a + c, b + d, a - c, b - d
        ia, ib = load(z, at_a + LANES), load(z, at_b + LANES)
        ic, id = load(z, at_c + LANES), load(z, at_d + LANES)
        ia, ib, ic, id = ia + ic, ib + id, ia - ic, ib - id
        factors = (part + p) * 6
        store(z, at_a, a + b)
        store(z, at_a + LANES, ia + ib)
        turn(c + id, ic - d, twiddle, factors, z, at_b)
        turn(a - b, ia - ib, twiddle, factors + 2, z, at_c)
        turn(c - id, ic + d, twiddle, factors + 4, z, at_d)


@njit(cache=True, nogil=True)
def turn(x: Vector, ix: Vector, twiddle: Array, factor: int, z: Array, at: int) -> None:
    """Store w (x + i ix), where w stands in the table at `factor`."""
    w, iw = broadcast(twiddle, factor), broadcast(twiddle, factor + 1)
    store(z, at, x * w - ix * iw)
    store(z, at + LANES, fma(ix, w, x * iw))


@njit(cache=True, nogil=True)
def transform(z: Array, twiddle: Array) -> None:
    """Transform in place; `z` is [size, 2 LANES]: real parts, then imaginary ones. The size is a power of two.

    They share a row, as the rows that meet are a power of two apart, and a cache keeps few of such.
    """
    count = size = z.shape[0]
    if size & POWERS_OF_FOUR == 0:
        halve(z, size, twiddle)
        size //= 2
    while size > NEAR:
        for start in range(0, count, size):
            quarter(z, start, size, twiddle)
        size //= 4
    for near in range(0, count, size):
        part = size
        while part > 1:
            for start in range(near, near + size, part):
                quarter(z, start, part, twiddle)
            part //= 4
