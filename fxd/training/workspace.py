"""The memory of a step of the compiled kernels, and its way through the layer arrays and back.

The forward pass leaves 2 * channels numbers a layer and frame: too much memory to ask for anew at every step.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np

from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture, LayerArray
from fxd.training.gradients import Back, backward_kernel, gradient_places
from fxd.training.kernels import GRID, Form, Kept, Rows, Span, Weights, forward_kernel
from fxd.vectors.memory import CACHE_LINE, aligned

forward_of = cache(forward_kernel)
backward_of = cache(backward_kernel)


class Threads:
    """Runs a kernel on the segments of a batch side by side: the first share here, every other in a thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pool = ThreadPoolExecutor(count - 1, "training") if count > 1 else None

    def run(self, kernel: Callable[..., None], batch: int, *arguments: Any) -> None:
        """Call the kernel with `arguments` and the first segment of a share and the one after its last."""
        shares = [(batch * i // self.count, batch * (i + 1) // self.count) for i in range(self.count)]
        others = [self.pool.submit(kernel, *arguments, *share) for share in shares[1:]] if self.pool else []
        kernel(*arguments, *shares[0])
        for other in others:
            other.result()


class ArrayMemory:
    """What the kernels of one layer array work in."""

    def __init__(self, array: LayerArray, batch: int, columns: int, span: Span, last: bool) -> None:
        layers, channels = len(array.dilations), array.channels
        self.form = Form.of(array)
        self.span = span
        self.last = last
        self.kept = Kept(
            aligned(batch, layers + (not last), channels, columns),
            aligned(batch, layers, channels, columns),
            aligned(batch, channels, columns),
            aligned(batch, array.head_size, columns),
        )
        self.d_total = aligned(batch, channels, columns)
        self.d_x = aligned(batch, channels, columns)
        places, count = gradient_places(self.form, layers)
        self.sums = np.zeros((batch, count), np.float32)
        self.shapes = [each.shape for each in places]
        self.places = np.concatenate([each.ravel() for each in places])
        self.ends = np.cumsum([each.size for each in places])[:-1]
        self.transposed = Weights(*(aligned(layers, columns, rows) for layers, rows, columns in self.shapes))

    @property
    def out(self) -> Rows:
        """What the array after this one hears."""
        x, z = self.kept.x, self.kept.z
        return Rows(x, z[0].size, x[0].size)

    def gradients(self) -> list[Array]:
        """Of rechannel, hidden, residual and head."""
        parts = np.split(self.sums.sum(axis=0)[self.places], self.ends)
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]


class Workspace:
    """A batch of segments on its way through a network and back.

    The time axis of all rows: some zeros, as steps begin before their first frame, then the segment, so that it
    ends where a step ends, then zeros again, as a step may begin right before the end. Rows are an odd number of
    cache lines long: at a distance of a power of two they would evict each other from the cache.

        0 0 0 0 | context | wet | 0 0 0 0
    """

    def __init__(self, architecture: Architecture, batch: int, time: int, threads: Threads) -> None:
        self.threads = threads
        self.batch = batch
        self.time = time
        self.head_scale = np.float32(architecture.head_scale)
        start = GRID + -time % GRID
        end = start + time
        columns = CACHE_LINE * ((end + GRID) // CACHE_LINE | 1)
        self.heard = slice(start, end)
        self.wet = slice(start + architecture.receptive_field - 1, end)
        self.dry = aligned(batch, 2, columns)
        self.dry[:, 1] = 1
        self.d_wet = aligned(batch, 1, columns)
        self.arrays: list[ArrayMemory] = []
        for array in architecture.arrays:
            dilations = np.array(array.dilations, np.int64)
            reaches = np.concatenate([[0], np.cumsum(dilations * (array.kernel_size - 1))])
            span = Span(dilations, start + reaches, self.wet.start, end)
            self.arrays.append(ArrayMemory(array, batch, columns, span, array is architecture.arrays[-1]))
            start += array.reach

    def source(self, index: int) -> Rows:
        return self.arrays[index - 1].out if index else Rows(self.dry, 0, self.dry[0].size)

    def forward(self, weights: Sequence[Weights], dry: Array) -> Array:
        """Wet sound [batch, frames] for dry sound [batch, time]."""
        self.dry[:, 0, self.heard] = dry
        live = slice(self.wet.start // GRID * GRID, self.wet.stop)
        for index, (memory, own) in enumerate(zip(self.arrays, weights, strict=True)):
            memory.kept.total[..., live] = self.arrays[index - 1].kept.heads[..., live] if index else 0
            for transposed, matrices in zip(memory.transposed, own, strict=True):
                np.copyto(transposed, matrices.swapaxes(1, 2))
            self.threads.run(
                forward_of(memory.form), self.batch,
                memory.transposed, self.source(index), self.dry, memory.kept, memory.span, not memory.last,
            )  # fmt: skip
        return memory.kept.heads[:, 0, self.wet] * self.head_scale

    def backward(self, weights: Sequence[Weights], d_wet: Array) -> list[Array]:
        """The gradients of all parameters, for that of the wet sound [batch, frames].

        Once after each forward pass: it leaves nothing of what that has kept.
        """
        np.multiply(d_wet, self.head_scale, out=self.d_wet[:, 0, self.wet])
        d_heads = self.d_wet
        gradients: list[Array] = []
        for index in reversed(range(len(self.arrays))):
            memory = self.arrays[index]
            d_source = self.arrays[index - 1].d_x if index else aligned(0, 0, 0)
            back = Back(d_heads, memory.d_total, memory.d_x, d_source, memory.sums)
            self.threads.run(
                backward_of(memory.form), self.batch,
                weights[index], self.source(index), self.dry, memory.kept, back, memory.span, not memory.last,
            )  # fmt: skip
            gradients[:0] = memory.gradients()
            d_heads = memory.d_total
        return gradients
