"""A stream out of a function that keeps nothing between calls: every block brings what it must see of the past.

A network of receptive field 3, in blocks of 4 frames; before the first frame there was silence:

    dry       0 0 | 1 2 3 4 | 5 6 7 8
    window    0 0   1 2 3 4                 the first call computes frames 1 to 4,
    window            3 4     5 6 7 8       the second frames 5 to 8; frames 3 and 4 are fed twice

The shorter the blocks, the more of the work is done again. That is how convolutions of PyTorch and
onnxruntime are used on a stream.
"""

from collections.abc import Callable

import numpy as np

from fxd.engines.engine import Array
from fxd.engines.tcn import TcnModel


class ContextStream:
    """`forward`, which makes [channels, n] of [channels, context + n], over blocks of any size."""

    latency = 0

    def __init__(self, forward: Callable[[Array], Array], context: int, channels: int) -> None:
        self.forward = forward
        self.past = np.zeros((channels, context), np.float32)

    def process(self, block: Array) -> Array:
        """The next output for the next input, both float32 [channels, frames]."""
        if block.shape[1] == 0:
            return block.copy()
        window = np.concatenate([self.past, block], axis=1)
        self.past = window[:, window.shape[1] - self.past.shape[1] :].copy()
        return self.forward(window)


def reject_other_rates(model: TcnModel, sample_rate: int, name: str) -> None:
    """Raise ValueError where a network would run at a rate that is not its own."""
    if sample_rate != model.sample_rate:
        raise ValueError(
            f"{name} runs the network at its own {model.sample_rate} Hz only, not at {sample_rate} Hz; "
            "resample first"
        )
