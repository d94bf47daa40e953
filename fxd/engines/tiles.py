"""How the network's kernel cuts its work into tiles, and keeps what it heard in rings.

A layer keeps what it heard in a ring, as long as its taps can see and a tile. A ring of capacity 8 and a step
of 2 frames, whose frame 9 is the newest:

    column    0 1 2 3 4 5 6 7 | 8 9
    holds     8 9 2 3 4 5 6 7 | 8 9        the first columns stand at the end as well: a tap whose step begins
                                           at frame 7 reads on into frame 8 without a seam

A step of two vectors needs each weight once for both. A wider one leaves more over of a small block, and keeps
the processor from working on a layer's tanh and on the next sums at once; but some eight sums must be under way,
as each waits for the one before it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.vectors.registers import LANES, REGISTERS

Plan = npt.NDArray[np.int64]

TILE = 192
"""Frames that go through all layers at once: few enough that the next layer finds them in the first cache,
many enough that its weights, which it does not find there, are worth fetching."""
SLACK = 4 * LANES
"""No step is longer."""
ROW = 16 * ((TILE + SLACK) // 16 | 1)
"""Numbers from one row of a tile's scratch memory to the next. Rows whose distance is a power of two would
evict each other from a cache; an odd number of cache lines apart they do not."""


class Grid(NamedTuple):
    """How the channels of a layer are cut into tiles of registers."""

    groups: int
    rows: int
    """Channels of a group; the last group is filled up with silent ones."""
    width: int
    """Vectors of frames in a step."""

    @property
    def channels(self) -> int:
        return self.groups * self.rows

    @property
    def step(self) -> int:
        """Frames."""
        return self.width * LANES


def grid(channels: int) -> Grid:
    """The tiles for so many channels: sums, a row of the input and a weight fit the registers together.

    >>> grid(20).channels >= 20
    True
    """
    if REGISTERS < 32:
        most, width = (2, 4) if channels <= 2 else (4, 2)
    elif channels == 8:
        # Measured: as fast as in two vectors, of which a small block leaves more over.
        most, width = 8, 1
    else:
        most, width = (3, 4) if channels <= 3 else (8, 2)
    groups = -(-channels // most)
    return Grid(groups, -(-channels // groups), width)


class ArraySize(NamedTuple):
    """What the code of one layer array is compiled for."""

    channels: int
    taps: int
    targets: int
    """Rows that its head gives."""

    def __str__(self) -> str:
        return ",".join(map(str, self))

    @classmethod
    def of(cls, text: str) -> "ArraySize":
        return cls(*map(int, text.split(",")))


class Ring(NamedTuple):
    """Rows of memory that hold the recent past, or, with capacity 0, one tile."""

    start: int
    stride: int
    capacity: int


class ArrayPlan(NamedTuple):
    """What a layer array reads and writes: two counts, two yes or no, and places in memory."""

    layers: int
    source_rows: int
    is_first: int
    is_last: int
    source: int
    dry: int
    total: int
    """The skip sum; what the array before put there is its beginning."""
    z: int
    target: int
    """Where the head writes: the next array's `total`, or the wet sound."""


class LayerPlan(NamedTuple):
    """What a layer reads. One more of them, after the last, says where the array's output goes."""

    ring: Ring
    dilation: int


ARRAY_FIELDS = len(ArrayPlan._fields)
LAYER_FIELDS = 4


@njit(cache=True, nogil=True)
def array_plan(plan: Plan, p: int) -> ArrayPlan:
    layers, source_rows, is_first, is_last = plan[p], plan[p + 1], plan[p + 2], plan[p + 3]
    source, dry, total, z, target = plan[p + 4], plan[p + 5], plan[p + 6], plan[p + 7], plan[p + 8]
    return ArrayPlan(layers, source_rows, is_first, is_last, source, dry, total, z, target)


@njit(cache=True, nogil=True)
def layer_plan(plan: Plan, p: int) -> LayerPlan:
    return LayerPlan(Ring(plan[p], plan[p + 1], plan[p + 2]), plan[p + 3])


@njit(cache=True, nogil=True)
def column_of(ring: Ring, now: int) -> int:
    return now % ring.capacity if ring.capacity > 0 else 0


@njit(cache=True, nogil=True)
def after(ring: Ring, column: int, step: int) -> int:
    """The column a step further."""
    return column + step - (ring.capacity if 0 < ring.capacity <= column + step else 0)


@njit(cache=True, nogil=True)
def close(memory: Array, ring: Ring, rows: int, step: int, began: int, frames: int) -> None:
    """Make the ends of a ring meet, after steps that wrote `frames` from column `began` on."""
    end = began + -(-frames // step) * step
    if ring.capacity == 0 or (began >= step and end <= ring.capacity):
        return
    over = (end - ring.capacity) % step if end > ring.capacity else 0
    for row in range(rows):
        first = ring.start + row * ring.stride
        for column in range(over):
            memory[first + column] = memory[first + ring.capacity + column]
        for column in range(step):
            memory[first + ring.capacity + column] = memory[first + column]
