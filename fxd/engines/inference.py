"""A trained network as a stream, compiled: tile by tile through the layers, at any block size.

Time runs along the last axis. Every sum over channels adds four rows into four rows at a time, frame by
frame, so that the compiler makes vectors of the frames and keeps the weights in registers. Channel counts are
therefore padded with zeros to a multiple of four: a padded channel stays at tanh(0) = 0 and nothing reads it.
Each output is the same chain of multiply-adds wherever a tile begins or ends, so block size does not change
a single bit.

Each layer keeps its input for as long as its taps can see, its reach, in a buffer with room for some more
tiles. For a reach of 4 (3 taps, dilation 2), a room of 6 frames and tiles of 2 frames:

    column        0 1 2 3 4 5 6 7 8 9
    at the start  . . . . | _ _ _ _ _       what silence gave
    frames 0 1    . . . . 0 1 | _ _ _       the taps of frame 1 stand at columns 1, 3 and 5
    frames 4 5    . . . . 0 1 2 3 4 5 |
    frames 6 7    2 3 4 5 6 7 | _ _ _       the room was used up: the last 4 columns moved to the front

Before its first frame a stream has heard silence for ever: every layer's input is then a constant.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from fxd.engines.engine import Array
from fxd.engines.resampler import Detour
from fxd.engines.tcn import TcnModel

LANES = 4
TILE = 512
"""Frames that go through all layers at once: enough for long vectors, few enough for the first cache."""
ROOM = 4 * TILE
SKEW = 16
"""Spare columns of every buffer: rows a multiple of 4096 bytes apart would evict each other from a cache."""
ONE = np.float32(1)
FAST = {"contract", "nsz"}
"""What the compiler may do to arithmetic: fuse multiply and add, but never change the order of a sum."""

# tanh(x) = x P(x^2) / Q(x^2), coefficients from the constant up: equal ripple by Lawson's reweighted least
# squares. In float32 it is wrong by at most 3.5e-7, mostly rounding; beyond the limit tanh is 1 to that.
TANH_LIMIT = np.float32(8.5)
P0, P1, P2, P3, P4 = np.array(
    [0.99999994665, 0.13406921689, 3.52667059061e-3, 2.11357250321e-5, 1.41193839059e-8], np.float32
)
Q0, Q1, Q2, Q3, Q4 = np.array(
    [1.0, 0.46740233461, 2.59943698069e-2, 3.33708766250e-4, 8.08173449263e-7], np.float32
)


FourRows = tuple[Array, Array, Array, Array]


class Weights(NamedTuple):
    """The weights of one layer array, channels padded to multiples of four."""

    rechannel: Array
    conv: Array
    """[layers, taps, channels, channels]"""
    conv_bias: Array
    mix: Array
    residual: Array
    residual_bias: Array
    head: Array
    head_bias: Array
    dilations: npt.NDArray[np.int64]
    """[layers + 1]: the last, 0, stands for the array's output, which has no reach."""


class Buffers(NamedTuple):
    """What one layer array reads, remembers and writes, all [rows, columns] but `history`."""

    dry: Array
    source: Array
    """The input of the array: the dry sound, or the output of the array before."""
    history: Array
    """[layers + 1, channels, columns]: the input of every layer and, last, the output of the array."""
    z: Array
    total: Array
    """The skip sum; what the array before put there is its beginning."""
    target: Array
    """Where the head writes: the next array's `total`, or the wet sound."""


# As in NumPy, a division may give inf: a branch for it would keep the compiler from making vectors.
@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def tanh_rows(z: Array, frames: int) -> None:
    for row in range(z.shape[0]):
        line = z[row, :frames]
        for t in range(frames):
            x = min(max(line[t], -TANH_LIMIT), TANH_LIMIT)
            u = x * x
            p = (((P4 * u + P3) * u + P2) * u + P1) * u + P0
            q = (((Q4 * u + Q3) * u + Q2) * u + Q1) * u + Q0
            line[t] = x * p / q


@njit(cache=True, nogil=True, fastmath=FAST)
def add_four(weight: Array, x: FourRows, y: FourRows) -> None:
    """Four rows y += weight [4, 4] @ four rows x."""
    x0, x1, x2, x3 = x
    y0, y1, y2, y3 = y
    a0, a1, a2, a3 = weight[0, 0], weight[0, 1], weight[0, 2], weight[0, 3]
    b0, b1, b2, b3 = weight[1, 0], weight[1, 1], weight[1, 2], weight[1, 3]
    c0, c1, c2, c3 = weight[2, 0], weight[2, 1], weight[2, 2], weight[2, 3]
    d0, d1, d2, d3 = weight[3, 0], weight[3, 1], weight[3, 2], weight[3, 3]
    for t in range(y0.shape[0]):
        p, q, r, s = x0[t], x1[t], x2[t], x3[t]
        y0[t] = y0[t] + a0 * p + a1 * q + a2 * r + a3 * s
        y1[t] = y1[t] + b0 * p + b1 * q + b2 * r + b3 * s
        y2[t] = y2[t] + c0 * p + c1 * q + c2 * r + c3 * s
        y3[t] = y3[t] + d0 * p + d1 * q + d2 * r + d3 * s


@njit(cache=True, nogil=True)
def four_rows(x: Array, row: int, start: int, frames: int) -> FourRows:
    end = start + frames
    return x[row, start:end], x[row + 1, start:end], x[row + 2, start:end], x[row + 3, start:end]


@njit(cache=True, nogil=True)
def add_product(weight: Array, x: Array, y: Array, starts: tuple[int, int], frames: int) -> None:
    """y += weight @ x over `frames` columns, from columns `starts` of x and y on."""
    x_start, y_start = starts
    for m in range(0, weight.shape[0], LANES):
        for c in range(0, weight.shape[1], LANES):
            add_four(
                weight[m : m + LANES, c : c + LANES],
                four_rows(x, c, x_start, frames),
                four_rows(y, m, y_start, frames),
            )


@njit(cache=True, nogil=True)
def add(x: Array, y: Array) -> None:
    """y += x, as long as x."""
    for t in range(x.shape[0]):
        y[t] += x[t]


@njit(cache=True, nogil=True, fastmath=FAST)
def set_line(constant: np.float32, factor: np.float32, x: Array, y: Array) -> None:
    """y = constant + factor x, as long as y."""
    for t in range(y.shape[0]):
        y[t] = constant + factor * x[t]


@njit(cache=True, nogil=True, fastmath=FAST)
def run_array(weights: Weights, buffers: Buffers, position: int, frames: int) -> None:
    """One layer array over one tile, whose frames stand from column `position` on in `source` and `dry`."""
    dry, source, history, z, total, target = buffers
    layers, taps = weights.conv.shape[:2]
    now = position + (taps - 1) * weights.dilations[0]
    history[0, :, now : now + frames] = 0
    add_product(weights.rechannel, source, history[0], (position, now), frames)
    for layer in range(layers):
        x, after = history[layer], history[layer + 1]
        dilation = weights.dilations[layer]
        now, then = position + (taps - 1) * dilation, position + (taps - 1) * weights.dilations[layer + 1]
        for row in range(z.shape[0]):
            bias, mix = weights.conv_bias[layer, row], weights.mix[layer, row]
            set_line(bias, mix, dry[0, position:], z[row, :frames])
        for tap in range(taps):
            add_product(weights.conv[layer, tap], x, z, (position + tap * dilation, 0), frames)
        tanh_rows(z, frames)
        for row in range(z.shape[0]):
            add(z[row, :frames], total[row])
            bias = weights.residual_bias[layer, row]
            set_line(bias, ONE, x[row, now:], after[row, then : then + frames])
        add_product(weights.residual[layer], z, after, (0, then), frames)
    for row in range(target.shape[0]):
        target[row, :frames] = weights.head_bias[row]
    add_product(weights.head, total, target, (0, 0), frames)


@njit(cache=True, nogil=True)
def rewind(weights: Weights, history: Array, position: int) -> None:
    """Move what the taps of every layer still see at `position` to the front."""
    taps = weights.conv.shape[1]
    for layer in range(history.shape[0]):
        for row in range(history.shape[1]):
            for column in range((taps - 1) * weights.dilations[layer]):
                history[layer, row, column] = history[layer, row, position + column]


def padded(tensor: Array, *axes: int) -> Array:
    """A copy with zeros appended until the lengths of `axes` are multiples of LANES."""
    widths = [(0, -length % LANES if axis in axes else 0) for axis, length in enumerate(tensor.shape)]
    return np.ascontiguousarray(np.pad(tensor, widths))


def pack(model: TcnModel, index: int) -> Weights:
    """The kernel's form of the weights of layer array `index`."""
    array = model.architecture.arrays[index]
    own = {name: model.weights[f"{index}.{name}"] for name in array.shapes()}
    return Weights(
        rechannel=padded(own["rechannel"], 0, 1),
        conv=padded(own["conv"].transpose(0, 3, 1, 2), 2, 3),
        conv_bias=padded(own["conv_bias"], 1),
        mix=padded(own["mix"], 1),
        residual=padded(own["residual"], 1, 2),
        residual_bias=padded(own["residual_bias"], 1),
        head=padded(own["head"], 0, 1),
        head_bias=padded(own.get("head_bias", np.zeros(array.head_size, np.float32)), 0),
        dilations=np.array([*array.dilations, 0]),
    )


def silent_inputs(weights: Weights, source: Array) -> Array:
    """What every layer hears, and the array gives, for ever in silence: [layers + 1, channels].

    `source` [input_size] is what the array hears then.
    """
    x = weights.rechannel @ source
    heard = [x]
    for layer, taps in enumerate(weights.conv):
        z = np.tanh(weights.conv_bias[layer] + taps.sum(axis=0) @ x)
        x = x + weights.residual[layer] @ z + weights.residual_bias[layer]
        heard.append(x)
    return np.stack(heard)


def empty_rows(rows: int, columns: int) -> Array:
    return np.zeros((rows + -rows % LANES, columns + SKEW), np.float32)


class MonoStream:
    """One network on one signal."""

    def __init__(self, model: TcnModel) -> None:
        self.head_scale = np.float32(model.architecture.head_scale)
        self.position = 0
        self.dry = empty_rows(1, ROOM)
        self.wet = empty_rows(1, TILE)
        self.arrays: list[tuple[Weights, Buffers]] = []
        source, total = self.dry, empty_rows(model.architecture.arrays[0].channels, TILE)
        self.first_total = total
        for index, array in enumerate(model.architecture.arrays):
            weights = pack(model, index)
            heard = silent_inputs(weights, source[:, 0])
            columns = (array.kernel_size - 1) * max(array.dilations) + ROOM + SKEW
            history = np.repeat(heard[:, :, None], columns, axis=2)
            last = array is model.architecture.arrays[-1]
            target = self.wet if last else empty_rows(array.head_size, TILE)
            buffers = Buffers(self.dry, source, history, np.zeros_like(total), total, target)
            self.arrays.append((weights, buffers))
            source, total = history[-1], target

    def process(self, dry: Array, wet: Array) -> None:
        """Fill `wet` [frames] with the next output for `dry` [frames]; at most TILE frames."""
        frames = len(dry)
        if self.position + frames > ROOM:
            for weights, buffers in self.arrays:
                rewind(weights, buffers.history, self.position)
            self.position = 0
        self.dry[0, self.position : self.position + frames] = dry
        self.first_total[:, :frames] = 0
        for weights, buffers in self.arrays:
            run_array(weights, buffers, self.position, frames)
        np.multiply(self.wet[0, :frames], self.head_scale, out=wet)
        self.position += frames


class TcnStream:
    """A network on every channel of a signal, each a stream of its own; resampled where the rates differ."""

    def __init__(self, model: TcnModel, sample_rate: int, channels: int) -> None:
        self.streams = [MonoStream(model) for _ in range(channels)]
        self.detour = Detour(sample_rate, model.sample_rate, channels)
        self.latency = self.detour.latency
        # Silence changes nothing where silence was, but it compiles the kernel: nobody should count that as
        # processing time.
        self.run(np.zeros((channels, 1), np.float32))

    def process(self, block: Array) -> Array:
        """The next output for the next input, both float32 [channels, frames]."""
        return self.detour.process(block, self.run)

    def run(self, block: Array) -> Array:
        """The same at the network's own rate."""
        wet = np.empty(block.shape, np.float32)
        for stream, dry_row, wet_row in zip(self.streams, block, wet, strict=True):
            for start in range(0, block.shape[1], TILE):
                stream.process(dry_row[start : start + TILE], wet_row[start : start + TILE])
        return wet
