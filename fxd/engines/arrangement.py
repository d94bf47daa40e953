"""A network as its kernel wants it: weights in the order in which they are read, and what stands where.

The weights of a layer array, each line as long as its channels, filled up to whole tiles of registers with
zeros (a channel of zeros stays at tanh(0) = 0, and nothing reads it):

    rechannel         a line for each row of the input
    then, for each layer:
    conv_bias, mix
    conv              for each tap, oldest first, a line for each channel that is read
    residual_bias
    residual          a line for each channel that is read
    and, in lines as long as what the head gives:
    head_bias
    head              a line for each channel that is read

The memory of one channel of sound holds a ring for each layer, and scratch rows for one tile: the dry sound,
the activations of one step, and for each array the skip sum and the output, which the next one reads.
"""

from typing import NamedTuple

import numpy as np

from fxd.engines.engine import Array
from fxd.engines.tcn import LayerArray, TcnModel
from fxd.engines.tiles import ROW, TILE, ArrayPlan, ArraySize, Plan, Ring, grid
from fxd.vectors.memory import CACHE_LINE, aligned


class Memory:
    """Hands out places in a channel's memory, one after the other; each begins a cache line."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, count: int) -> int:
        place = self.size
        self.size += count + -count % CACHE_LINE
        return place

    def ring(self, channels: int, reach: int) -> Ring:
        """Room for the past that a layer's taps reach for and the tile that follows it."""
        tiles = grid(channels)
        capacity = reach + TILE + tiles.step
        capacity += -capacity % CACHE_LINE
        stride = CACHE_LINE * (-(-(capacity + tiles.step) // CACHE_LINE) | 1)
        return Ring(self.take(tiles.channels * stride), stride, capacity)

    def scratch(self, channels: int) -> int:
        return self.take(grid(channels).channels * ROW)


class Arrangement(NamedTuple):
    """What `network_kernel` wants for a model."""

    sizes: tuple[ArraySize, ...]
    weights: Array
    plan: Plan
    memory: int
    """Numbers that a channel of sound needs."""


def arrange(model: TcnModel) -> Arrangement:
    arrays = model.architecture.arrays
    memory = Memory()
    dry = source = memory.scratch(1)
    total = memory.scratch(arrays[0].channels)
    plan: list[int] = []
    for index, array in enumerate(arrays):
        is_last = index == len(arrays) - 1
        z = memory.take(grid(array.channels).channels * grid(array.channels).step)
        target, output = memory.scratch(array.head_size), memory.scratch(array.channels)
        plan += ArrayPlan(
            len(array.dilations), array.input_size, index == 0, is_last, source, dry, total, z, target
        )  # fmt: skip
        for dilation in array.dilations:
            ring = memory.ring(array.channels, (array.kernel_size - 1) * dilation)
            plan += [*ring, dilation]
        plan += [*Ring(output, ROW, 0), 0]
        source, total = output, target
    sizes = tuple(ArraySize(a.channels, a.kernel_size, a.head_size) for a in arrays)
    return Arrangement(sizes, packed_weights(model), np.array([dry, total, *plan]), memory.size)


def packed_weights(model: TcnModel) -> Array:
    """All weights in one line."""
    arrays = model.architecture.arrays
    lines: list[Array] = []
    for index, array in enumerate(arrays):
        own = {name: model.weights[f"{index}.{name}"] for name in array.shapes()}
        scale = np.float32(model.architecture.head_scale if index == len(arrays) - 1 else 1)
        lines += layer_weights(array, own)
        lines.append(filled_up(scale * own.get("head_bias", np.zeros(array.head_size, np.float32))))
        lines.append(filled_up(scale * own["head"].T))
    packed = aligned(sum(line.size for line in lines))
    np.concatenate([line.ravel() for line in lines], out=packed)
    return packed


def layer_weights(array: LayerArray, own: dict[str, Array]) -> list[Array]:
    lines = [filled_up(own["rechannel"].T)]
    for layer in range(len(array.dilations)):
        lines += [
            filled_up(own["conv_bias"][layer]),
            filled_up(own["mix"][layer]),
            filled_up(own["conv"][layer].transpose(2, 1, 0)),
            filled_up(own["residual_bias"][layer]),
            filled_up(own["residual"][layer].T),
        ]
    return lines


def filled_up(lines: Array) -> Array:
    """The same with zeros at the end of each line, [..., channels], up to whole tiles."""
    channels = lines.shape[-1]
    widths = [(0, 0)] * (lines.ndim - 1) + [(0, grid(channels).channels - channels)]
    return np.pad(lines, widths)
