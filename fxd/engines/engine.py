"""What every engine offers, and the one way to drive a stream over a whole signal.

An output must be as long as its input and aligned with it. A stream of latency 2, fed blocks of 4 frames:

    input     1 2 3 4 | 5 6 7 8 |            the signal, 8 frames
    fed       1 2 3 4 | 5 6 7 8 | 0 0        `finish` adds as much silence as the latency
    stream    . . 1 2 | 3 4 5 6 | 7 8        the stream lags by 2
    aligned       1 2 | 3 4 5 6 | 7 8        the first 2 frames are dropped
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


class Stream(Protocol):
    """One engine at work on one signal; it keeps its state between blocks."""

    @property
    def latency(self) -> int:
        """Frames by which the output lags the input, at the stream's own rate."""

    def process(self, block: Array) -> Array:
        """The next output for the next input: float32 [channels, frames], same shape.

        Block size never changes the result; a block of 0 frames is allowed.
        """


class Engine(Protocol):
    """Turns dry audio into wet audio."""

    @property
    def name(self) -> str:
        """`dsp` or `tcn`."""

    @property
    def version(self) -> str:
        """Changes whenever the output could: settings hash, model id."""

    def stream(self, sample_rate: int, channels: int) -> Stream:
        """A new stream at `sample_rate` Hz, at rest in silence.

        Raises ValueError where the engine cannot work at that rate, with the remedy.
        """


class Aligned:
    """Drives a stream so that its output is as long as its input and aligned with it."""

    def __init__(self, stream: Stream, channels: int) -> None:
        self.stream = stream
        self.channels = channels
        self.to_drop = stream.latency

    def process(self, block: Array) -> Array:
        """The aligned output that is ready, [channels, frames]: in all, up to `latency` fewer than fed."""
        wet = self.stream.process(block)
        dropped = min(self.to_drop, wet.shape[1])
        self.to_drop -= dropped
        return wet[:, dropped:]

    def finish(self) -> Array:
        """The last `latency` frames."""
        return self.process(np.zeros((self.channels, self.stream.latency), np.float32))


def drive(stream: Stream, blocks: Iterable[Array], channels: int) -> Iterator[Array]:
    """The aligned output of a whole signal, in blocks; together as long as the input."""
    aligned = Aligned(stream, channels)
    for block in blocks:
        yield aligned.process(block)
    yield aligned.finish()


def render(engine: Engine, dry: Array, sample_rate: int) -> Array:
    """The whole wet signal for a whole dry one, both [channels, frames]."""
    channels = dry.shape[0]
    return np.concatenate(list(drive(engine.stream(sample_rate, channels), [dry], channels)), axis=1)
