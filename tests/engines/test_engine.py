"""The driver: outputs are as long as the input and aligned with it, whatever the latency and the blocks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxd.engines.engine import Aligned, Array, drive, render


class DelayStream:
    """Gives its input back, `latency` frames later."""

    def __init__(self, latency: int, channels: int) -> None:
        self.latency = latency
        self.waiting = np.zeros((channels, latency), np.float32)

    def process(self, block: Array) -> Array:
        signal = np.concatenate([self.waiting, block], axis=1)
        self.waiting = signal[:, block.shape[1] :]
        return signal[:, : block.shape[1]]


class DelayEngine:
    name = "dsp"
    version = "delay"

    def __init__(self, latency: int) -> None:
        self.latency = latency

    def stream(self, sample_rate: int, channels: int) -> DelayStream:  # noqa: ARG002
        return DelayStream(self.latency, channels)


def ramp(channels: int, frames: int) -> Array:
    return np.arange(1, channels * frames + 1, dtype=np.float32).reshape(channels, frames)


@given(
    latency=st.integers(0, 40),
    channels=st.integers(1, 3),
    sizes=st.lists(st.integers(0, 30), max_size=8),
)
def test_the_driver_undoes_the_latency_of_a_stream(latency: int, channels: int, sizes: list[int]) -> None:
    dry = ramp(channels, sum(sizes))
    blocks = np.split(dry, np.cumsum(sizes), axis=1)
    wet = np.concatenate(list(drive(DelayStream(latency, channels), blocks, channels)), axis=1)
    np.testing.assert_array_equal(wet, dry)


@pytest.mark.parametrize("frames", [0, 1, 99, 100, 101])
def test_a_signal_shorter_than_the_latency_comes_out_whole(frames: int) -> None:
    dry = ramp(2, frames)
    np.testing.assert_array_equal(render(DelayEngine(100), dry, 48_000), dry)


def test_nothing_is_held_back_beyond_the_latency() -> None:
    aligned = Aligned(DelayStream(10, 1), 1)
    assert [aligned.process(ramp(1, 8)).shape[1] for _ in range(3)] == [0, 6, 8]
    assert aligned.finish().shape[1] == 10
