"""The memory of a step of the compiled kernels, and its way through the layer arrays and back.

The forward pass leaves 2 * channels numbers a layer and frame: too much memory to ask for anew at every step.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np

from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture, LayerArray
from fxd.training.factors import STACKS, Factors
from fxd.training.form import GRID, Form, Kept, Span
from fxd.training.gains import add_up, gradient_places
from fxd.training.gradients import Back, backward_kernel
from fxd.training.kernels import forward_kernel
from fxd.vectors.memory import CACHE_LINE, aligned

NOTHING = aligned(0, 0)
forward_of = cache(forward_kernel)
backward_of = cache(backward_kernel)


class Threads:
    """Runs work on the segments of a batch side by side: the first share here, every other in a thread."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pool = ThreadPoolExecutor(count - 1, "training") if count > 1 else None

    def run(self, work: Callable[[int, int], None], batch: int) -> None:
        """Call `work` for every segment, with its number and that of the thread."""

        def share(thread: int) -> None:
            for segment in range(batch * thread // self.count, batch * (thread + 1) // self.count):
                work(segment, thread)

        others = [self.pool.submit(share, thread) for thread in range(1, self.count)] if self.pool else []
        share(0)
        for other in others:
            other.result()


class ArrayMemory:
    """What the kernels of one layer array work in, for a batch with segments in `places` at once."""

    def __init__(
        self, array: LayerArray, form: Form, batch: int, places: int, columns: int, span: Span, last: bool
    ) -> None:
        layers, channels = len(array.dilations), array.channels
        self.form = form
        self.span = span
        self.last = last
        self.kept = [
            Kept(
                aligned(layers + (not last), channels, columns),
                aligned(layers, channels, columns),
                aligned(channels, columns),
                aligned(array.head_size, columns),
            )
            for _ in range(places)
        ]
        self.d_total = [aligned(channels, columns) for _ in range(places)]
        self.d_x = [aligned(channels, columns) for _ in range(places)]
        spots, count = gradient_places(self.form, array.dilations)
        self.sums = np.zeros((batch, count), np.float32)
        self.shapes = [each.shape for each in spots]
        self.spots = np.concatenate([each.ravel() for each in spots])
        ends = np.cumsum([0, *(each.size for each in spots)])
        self.parts = [slice(*pair) for pair in pairwise(ends)]
        self.factors = Factors(self.form, layers)

    def gradients(self, past: Array) -> list[Array]:
        """Of rechannel, hidden, residual and head; `past` is what `Factors.complete` wants."""
        line = np.empty(self.spots.size, np.float32)
        add_up(self.sums, self.spots, line)
        gradients = [line[part].reshape(shape) for part, shape in zip(self.parts, self.shapes, strict=True)]
        self.factors.complete(gradients, past)
        return gradients


class Workspace:
    """A batch of segments on its way through a network and back.

    The time axis of all rows: some zeros, as steps begin before their first frame, then the segment, so that it
    ends where a step ends, then zeros again, as a step may begin right before the end. Rows are an odd number of
    cache lines long: at a distance of a power of two they would evict each other from the cache.

        0 0 0 0 | context | wet | 0 0 0 0

    What a segment leaves on its way stands in one of `places`. Where each segment has its own, all may go forward
    before the first goes back. With one for each thread a segment goes both ways at once, and the next one takes
    the same memory, which is still in the cache.
    """

    def __init__(
        self, architecture: Architecture, batch: int, time: int, places: int, own_adders: bool
    ) -> None:
        self.batch = batch
        self.time = time
        self.places = places
        self.head_scale = np.float32(architecture.head_scale)
        start = GRID + -time % GRID
        end = start + time
        columns = CACHE_LINE * (-(-(end + GRID) // CACHE_LINE) | 1)
        self.heard = slice(start, end)
        self.wet = slice(start + architecture.receptive_field - 1, end)
        self.frames = end - self.wet.start
        self.live = slice(self.wet.start // GRID * GRID, end)
        self.dry = aligned(batch, 2, columns)
        self.dry[:, 1] = 1
        self.d_wet = [aligned(1, columns) for _ in range(places)]
        self.arrays: list[ArrayMemory] = []
        for index, array in enumerate(architecture.arrays):
            dilations = np.array(array.dilations, np.int64)
            reaches = np.concatenate([[0], np.cumsum(dilations * (array.kernel_size - 1))])
            span = Span(dilations, start + reaches, self.wet.start, end)
            form, last = Form.of(array, index == 0, own_adders), index == len(architecture.arrays) - 1
            self.arrays.append(ArrayMemory(array, form, batch, places, columns, span, last))
            start += array.reach

    def hear(self, stacks: Sequence[Array], dry: Array) -> None:
        """Take in what the next passes are about: all parameters, and the dry sound [batch, time]."""
        self.dry[:, 0, self.heard] = dry
        for index, memory in enumerate(self.arrays):
            memory.factors.take(stacks[index * STACKS : (index + 1) * STACKS])

    def source(self, index: int, segment: int, place: int) -> tuple[Array, int]:
        """What an array hears, and where that begins in it."""
        if not index:
            return self.dry[segment], 0
        kept = self.arrays[index - 1].kept[place]
        return kept.x, kept.z.size

    def forward(self, segment: int, place: int) -> Array:
        """The wet sound [frames] of a segment."""
        for index, memory in enumerate(self.arrays):
            kept = memory.kept[place]
            kept.total[:, self.live] = self.arrays[index - 1].kept[place].heads[:, self.live] if index else 0
            source = self.source(index, segment, place)
            forward_of(memory.form)(
                memory.factors.transposed, *source, self.dry[segment], kept, memory.span, not memory.last
            )
        wet: Array = kept.heads[0, self.wet] * self.head_scale
        return wet

    def backward(self, segment: int, place: int, d_wet: Array) -> None:
        """Sum up what the weights gain from a segment, for the gradient of its wet sound [frames].

        Once after its forward pass: it leaves nothing of what that has kept.
        """
        np.multiply(d_wet, self.head_scale, out=self.d_wet[place][0, self.wet])
        d_heads = self.d_wet[place]
        for index in reversed(range(len(self.arrays))):
            memory = self.arrays[index]
            d_source = self.arrays[index - 1].d_x[place] if index else NOTHING
            d_total = memory.d_total[place]
            back = Back(d_heads, d_total, memory.d_x[place], d_source, memory.sums[segment])
            source = self.source(index, segment, place)
            backward_of(memory.form)(
                memory.factors.straight, *source, self.dry[segment], memory.kept[place], back, memory.span,
                not memory.last,
            )  # fmt: skip
            d_heads = d_total

    def gradients(self) -> list[Array]:
        """Of all parameters, once all segments have gone back."""
        gradients: list[Array] = []
        past = np.zeros(self.arrays[-1].form.channels, np.float32)
        for memory in reversed(self.arrays):
            gradients[:0] = memory.gradients(past)
            past = past @ memory.factors.straight.rechannel[0]
        return gradients
