"""Numbers too faint to hear, kept out of the engines.

A processor may take a hundred times as long for a multiply-add that meets a denormal number, one below 1.2e-38.
Files hold them: a fade of another program runs through them before it reaches zero. So each engine replaces what
is below FAINTEST by zero where it first takes it in. No product with a tap or a weight gets from there into the
denormal numbers, and what is lost is 400 dB below full scale.
"""

import numpy as np

from fxd.compiler import njit

FAINTEST = np.float32(1e-20)


@njit(cache=True, nogil=True)
def audible(x: np.float32) -> np.float32:
    """x, or zero where it is below FAINTEST; nan stays nan."""
    return np.float32(0) if abs(x) < FAINTEST else x
