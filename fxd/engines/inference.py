"""A trained network as a stream.

Before its first frame a stream has heard silence for ever: every layer's input is then a constant. The kernel
itself finds it, by hearing as much silence as the network can remember.
"""

from functools import lru_cache

import numpy as np

from fxd.engines.arrangement import arrange
from fxd.engines.engine import Array
from fxd.engines.kernel import network_kernel
from fxd.engines.resampler import Detour
from fxd.engines.tcn import TcnModel
from fxd.vectors.memory import aligned


class RestingNetwork:
    """A model, compiled, and what a stream of it remembers after silence."""

    def __init__(self, model: TcnModel) -> None:
        self.sizes, self.weights, self.plan, size = arrange(model)
        self.kernel = network_kernel(self.sizes)
        self.memory = aligned(1, size)
        self.heard = model.architecture.receptive_field
        self.kernel(np.zeros((1, self.heard), np.float32), self.weights, self.memory, self.plan, 0)


resting = lru_cache(maxsize=4)(RestingNetwork)
"""One for each model: streams share it, as nothing in it changes. Models are told apart as objects."""


class TcnStream:
    """A network on every channel of a signal, each a stream of its own; resampled where the rates differ."""

    def __init__(self, model: TcnModel, sample_rate: int, channels: int) -> None:
        self.network = resting(model)
        self.memory = aligned(channels, self.network.memory.shape[1])
        self.memory[:] = self.network.memory
        self.heard = self.network.heard
        self.detour = Detour(sample_rate, model.sample_rate, channels)
        self.latency = self.detour.latency

    def process(self, block: Array) -> Array:
        """The next output for the next input, both float32 [channels, frames]."""
        return self.detour.process(block, self.run)

    def run(self, block: Array) -> Array:
        """The same at the network's own rate."""
        # A copy, which becomes the output, has one layout, whatever the caller's array has: one compiled kernel.
        sound = np.array(block, np.float32, order="C")
        network = self.network
        network.kernel(sound, network.weights, self.memory, network.plan, self.heard)
        self.heard += sound.shape[1]
        return sound
