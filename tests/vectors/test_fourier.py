"""The transform of many signals at once against NumPy's in double precision."""

import numpy as np
import pytest

from fxd.vectors.fourier import bin_rows, transform, twiddles
from fxd.vectors.registers import LANES


@pytest.mark.parametrize("size", [4, 8, 64, 128, 256, 512, 1024, 2048, 4096])
def test_every_lane_holds_the_transform_of_its_signal(size: int) -> None:
    signals = np.random.default_rng(size).standard_normal((2, size, LANES)).astype(np.float32)
    expected = np.fft.fft(signals[0].astype(np.float64) + 1j * signals[1], axis=0)
    z = np.concatenate(signals, axis=1)
    transform(z, twiddles(size))
    real, imag = np.split(z[bin_rows(size)], 2, axis=1)
    error = np.abs(real + 1j * imag - expected).max()
    assert error < 5e-7 * np.abs(expected).max()


def test_each_bin_has_a_row_of_its_own() -> None:
    for size in (8, 16, 2048):
        np.testing.assert_array_equal(np.sort(bin_rows(size)), np.arange(size))
