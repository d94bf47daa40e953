"""The network as one compiled call: tile by tile through all layers, frames side by side in vectors.

Time runs along the last axis. A layer goes through a tile in steps of some vectors of frames: it adds up all
its taps and channels in registers, weight by weight, takes tanh there, and adds the 1x1 product to what it
heard. Every frame is the same chain of multiply-adds wherever a step, a tile or a block begins or ends, so
block size does not change a single bit. The last step of a tile computes more frames than there are: they
stand in the future, where nobody reads before they are written again.

`fxd.engines.tiles` says how a layer keeps what it heard, `fxd.engines.arrangement` what stands where in memory
and weights.
"""

# ruff: noqa: ARG001  (a function that exists in compiled code only is typed by what it will get)

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from numba.extending import overload

from fxd.compiler import njit
from fxd.engines.denormals import audible
from fxd.engines.engine import Array
from fxd.engines.tiles import (
    ARRAY_FIELDS,
    LAYER_FIELDS,
    ROW,
    SLACK,
    TILE,
    ArrayPlan,
    ArraySize,
    LayerPlan,
    Plan,
    Ring,
    after,
    array_plan,
    close,
    column_of,
    grid,
    layer_plan,
)
from fxd.vectors.arithmetic import add, tanh
from fxd.vectors.memory import broadcast_rows, load_rows, store_rows, zeros
from fxd.vectors.registers import LANES
from fxd.vectors.sums import add_outer


class Work(NamedTuple):
    """What is at hand: one tile of one channel."""

    weights: Array
    memory: Array
    frames: int
    now: int
    """Frames that the stream has heard before."""


def hear(size: str, work: Work, w: int, array: ArrayPlan, ring: Ring) -> int:
    """Fill the first layer's ring with the array's input; returns where the next weights stand."""
    raise NotImplementedError("it exists in compiled code only")


@overload(hear, prefer_literal=True)
def compile_hear(size: Any, work: Any, w: Any, array: Any, ring: Any) -> Callable[..., Any]:
    groups, rows, width = grid(ArraySize.of(size.literal_value).channels)
    height, step = groups * rows, width * LANES

    def run(size: Any, work: Any, w: Any, array: Any, ring: Any) -> Any:
        weights, memory, frames, now = work
        began = column_of(ring, now)
        to = began
        for t in range(0, frames, step):
            for first in range(0, height, rows):
                tile = zeros(rows, width)
                for row in range(array.source_rows):
                    x = array.source + row * ROW + t
                    tile = add_outer(tile, weights, w + row * height + first, memory, x, width)
                store_rows(memory, ring.start + first * ring.stride + to, ring.stride, tile, width)
            to = after(ring, to, step)
        close(memory, ring, height, step, began, frames)
        return w + array.source_rows * height

    return run


def run_layer(
    size: str,
    work: Work,
    w: int,
    array: ArrayPlan,
    layer: LayerPlan,
    target: Ring,
    is_first: bool,
    is_last: bool,
) -> int:
    """One layer over the tile, into the ring of the next one; returns where the next weights stand.

    The first one of the network begins the skip sum, the output of the last one is not needed.
    """
    raise NotImplementedError("it exists in compiled code only")


@overload(run_layer, prefer_literal=True)
def compile_layer(
    size: Any, work: Any, w: Any, array: Any, layer: Any, target: Any, is_first: Any, is_last: Any
) -> Callable[..., Any]:
    channels, taps, _ = ArraySize.of(size.literal_value)
    groups, rows, width = grid(channels)
    height, step = groups * rows, width * LANES

    def run(
        size: Any, work: Any, w: Any, array: Any, layer: Any, target: Any, is_first: Any, is_last: Any
    ) -> Any:
        weights, memory, frames, now = work
        (start, stride, capacity), dilation = layer
        conv, residual = w + 2 * height, w + (taps * channels + 3) * height
        at, began = column_of(layer.ring, now), column_of(target, now)
        to = began
        for t in range(0, frames, step):
            for first in range(0, height, rows):
                tile = broadcast_rows(weights, w + first, rows, width)
                tile = add_outer(tile, weights, w + height + first, memory, array.dry + t, width)
                k = conv + first
                for tap in range(taps):
                    column = at - (taps - 1 - tap) * dilation
                    x = start + (column + capacity if column < 0 else column)
                    for _ in range(channels):
                        tile = add_outer(tile, weights, k, memory, x, width)
                        k += height
                        x += stride
                tile = tanh(tile)
                store_rows(memory, array.z + first * step, step, tile, width)
                total = array.total + first * ROW + t
                if not is_first:
                    tile = add(tile, load_rows(memory, total, ROW, rows, width))
                store_rows(memory, total, ROW, tile, width)
            if not is_last:
                for first in range(0, height, rows):
                    tile = load_rows(memory, start + first * stride + at, stride, rows, width)
                    tile = add(tile, broadcast_rows(weights, residual - height + first, rows, width))
                    k, x = residual + first, array.z
                    for _ in range(channels):
                        tile = add_outer(tile, weights, k, memory, x, width)
                        k += height
                        x += step
                    store_rows(memory, target.start + first * target.stride + to, target.stride, tile, width)
            at, to = after(layer.ring, at, step), after(target, to, step)
        close(memory, target, height, step, began, frames)
        return residual + channels * height

    return run


def run_head(size: str, work: Work, w: int, array: ArrayPlan) -> int:
    """The array's head: `target` from `total`; returns where the next weights stand."""
    raise NotImplementedError("it exists in compiled code only")


@overload(run_head, prefer_literal=True)
def compile_head(size: Any, work: Any, w: Any, array: Any) -> Callable[..., Any]:
    channels, _, targets = ArraySize.of(size.literal_value)
    groups, rows, width = grid(targets)
    height, step = groups * rows, width * LANES

    def run(size: Any, work: Any, w: Any, array: Any) -> Any:
        weights, memory, frames, _ = work
        for t in range(0, frames, step):
            for first in range(0, height, rows):
                k, x = w + first, array.total + t
                tile = broadcast_rows(weights, k, rows, width)
                for _ in range(channels):
                    k += height
                    tile = add_outer(tile, weights, k, memory, x, width)
                    x += ROW
                store_rows(memory, array.target + first * ROW + t, ROW, tile, width)
        return w + (channels + 1) * height

    return run


def run_arrays(sizes: str, work: Work, w: int, plan: Plan, p: int) -> None:
    """All layer arrays over the tile, from weight `w` and plan entry `p` on; `sizes` has one for each."""
    raise NotImplementedError("it exists in compiled code only")


@overload(run_arrays, prefer_literal=True)
def compile_arrays(sizes: Any, work: Any, w: Any, plan: Any, p: Any) -> Callable[..., None]:
    if not sizes.literal_value:

        def stop(sizes: Any, work: Any, w: Any, plan: Any, p: Any) -> None:
            pass

        return stop
    size, _, others = sizes.literal_value.partition(" ")

    def run(sizes: Any, work: Any, w: Any, plan: Any, p: Any) -> None:
        array = array_plan(plan, p)
        p += ARRAY_FIELDS
        layer = layer_plan(plan, p)
        w = hear(size, work, w, array, layer.ring)
        for index in range(array.layers):
            p += LAYER_FIELDS
            following = layer_plan(plan, p)
            is_first = array.is_first == 1 and index == 0
            is_last = array.is_last == 1 and index == array.layers - 1
            w = run_layer(size, work, w, array, layer, following.ring, is_first, is_last)
            layer = following
        w = run_head(size, work, w, array)
        run_arrays(others, work, w, plan, p + LAYER_FIELDS)

    return run


def run_network(sizes: str, sound: Array, weights: Array, memory: Array, plan: Plan, now: int) -> None:
    """The pass through a network whose layer arrays have these sizes, see `network_kernel`."""
    raise NotImplementedError("it exists in compiled code only")


@overload(run_network, prefer_literal=True)
def compile_network(
    sizes: Any, sound: Any, weights: Any, memory: Any, plan: Any, now: Any
) -> Callable[..., None]:
    all_sizes = sizes.literal_value

    def run(sizes: Any, sound: Any, weights: Any, memory: Any, plan: Any, now: Any) -> None:
        dry, wet = plan[0], plan[1]
        for channel in range(sound.shape[0]):
            own = memory[channel]
            for start in range(0, sound.shape[1], TILE):
                frames = min(TILE, sound.shape[1] - start)
                for t in range(frames):
                    own[dry + t] = audible(sound[channel, start + t])
                for t in range(frames, frames + SLACK):
                    own[dry + t] = 0
                run_arrays(all_sizes, Work(weights, own, frames, now + start), 0, plan, 2)
                for t in range(frames):
                    sound[channel, start + t] = own[wet + t]

    return run


def sizes_text(sizes: tuple[ArraySize, ...]) -> str:
    """The sizes as the literal that the code of a network is compiled for."""
    return " ".join(map(str, sizes))


@cache
def network_kernel(sizes: tuple[ArraySize, ...]) -> Callable[[Array, Array, Array, Plan, int], None]:
    """The pass through a network whose layer arrays have these sizes: `run(sound, weights, memory, plan, now)`.

    It turns `sound`, [channels, frames], from dry to wet in place. `memory`, [channels, ...], is what the stream
    remembers after `now` frames. The plan is where the dry and the wet sound of a tile stand in it, and then for
    each array its ArrayPlan and its layers' LayerPlans.
    """
    all_sizes = sizes_text(sizes)

    @njit(cache=True, nogil=True)
    def run(sound: Array, weights: Array, memory: Array, plan: Plan, now: int) -> None:
        run_network(all_sizes, sound, weights, memory, plan, now)

    compiled: Callable[[Array, Array, Array, Plan, int], None] = run
    return compiled
