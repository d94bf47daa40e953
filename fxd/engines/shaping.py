"""The saturator's kernels: the curve in vectors of frames, and the recursion frame by frame.

One channel at a time, in tiles that stay in the cache. With oversampling, whose taps `oversampling` explains:

    rise       dry -> shaped     a row for each phase: interpolate, tanh
    fall       shaped -> shares  row k: what each frame adds to the output k frames later
    gather     shares -> blocked the sum along the diagonal: row k read k frames back
    recurse    blocked -> wet    five poles, float64

A frame's share is computed where the phases are in registers, and written aligned: a direct FIR would load a
vector for each of its multiply-adds, and those across a cache line at half speed.

Without oversampling `rise` is the curve alone, and `fall` a sum of five differences. Vectors run past the end
of a tile, on whatever stands there; what they give is overwritten before anything reads it. All sums have one
order, so that neither the size of a block nor that of a vector changes a bit.

`dry` and `shares` remember PAST frames in front of the tile and have room for some more tiles, until they move
to the front:

    at the start   . . . . | _ _ _ _ _ _      PAST = 4, ROOM = 4, tiles of 2
    a tile         . . . . 0 1 | _ _ _ _
    two more       . . . . 0 1 2 3 4 5 |      past the room: the last 4 move to the front
    the next       2 3 4 5 6 7 | _ _ _ _
"""

from typing import NamedTuple

import numpy as np

from fxd.compiler import njit
from fxd.engines.denormals import audible
from fxd.engines.engine import Array
from fxd.engines.oversampling import BARE_TAPS, PAIRS, PHASES, REACH, TAPS, BarePlan, Plan
from fxd.engines.recursion import DoubleArray, recurse
from fxd.vectors.arithmetic import add, subtract, tanh
from fxd.vectors.memory import broadcast_rows, load_rows, store_rows
from fxd.vectors.registers import LANES
from fxd.vectors.sums import add_scaled, add_weighted

TILE = 128
ROOM = 4 * TILE
PAST = 64
"""More than the taps on the way back, 36 and up to 5 for the poles, can see."""
WIDTH = 2
STEP = WIDTH * LANES
SLACK = 80
"""Spare columns: for vectors past the end, and so that rows a multiple of 4096 bytes apart, which would evict
each other from a cache, do not occur."""
ZERO = np.zeros(1, np.float32)


class Memory(NamedTuple):
    """What one channel remembers, and room to work in; everything begins at rest."""

    dry: Array
    """[1, PAST + ROOM + TILE + SLACK]"""
    shaped: Array
    """[1 + phases, TILE + SLACK]: row 0 is the last phase a frame later, the others are the phases."""
    shares: Array
    """[rows, columns of dry]"""
    blocked: Array
    """[TILE + SLACK]"""
    state: DoubleArray
    """[5]: the last output of the DC blocker's pole, the last two of each pair."""


class BareMemory(NamedTuple):
    """The same without oversampling."""

    shaped: Array
    """[BARE_TAPS + TILE + SLACK]: the curve, behind its last frames before the tile."""
    blocked: DoubleArray
    """[TILE]"""
    state: DoubleArray


def memory(plan: Plan, bias: Array) -> Memory:
    """At rest in silence, with `bias` on the curve."""
    groups, rows, _ = plan.fall.shape
    columns = PAST + ROOM + TILE + SLACK
    fresh = Memory(
        dry=np.zeros((1, columns), np.float32),
        shaped=np.zeros((1 + groups * PHASES, TILE + SLACK), np.float32),
        shares=np.zeros((rows, columns), np.float32),
        blocked=np.zeros(TILE + SLACK, np.float32),
        state=np.zeros(5),
    )
    rise(plan.rise, bias, fresh.dry, PAST, fresh.shaped, 1)
    fresh.shaped[0, 0] = fresh.shaped[0, 1]
    return fresh


def bare_memory(plan: BarePlan, bias: Array) -> BareMemory:
    shaped = np.zeros(BARE_TAPS + TILE + SLACK, np.float32)
    bend(plan.drive, bias, np.zeros(BARE_TAPS, np.float32), shaped, 0)
    return BareMemory(shaped, np.zeros(TILE), np.zeros(5))


@njit(cache=True, nogil=True)
def rise(taps: Array, bias: Array, dry: Array, position: int, shaped: Array, frames: int) -> None:
    """Fill the rows of `shaped` with tanh(interpolated dry + bias); `bias` is [PAIRS], all the same."""
    stride = shaped.shape[1]
    phases = shaped.shape[0] - 1
    for start in range(0, frames, STEP):
        at = 0
        for first in range(0, phases // 2, PAIRS):
            even = broadcast_rows(bias, 0, PAIRS, WIDTH)
            odd = subtract(even, even)
            newer, older = position + start, position + start - TAPS + 1
            for _ in range(REACH):
                a, b = load_rows(dry, newer, 0, 1, WIDTH), load_rows(dry, older, 0, 1, WIDTH)
                even = add_scaled(even, taps, at, add(a, b))
                odd = add_scaled(odd, taps, at + PAIRS, subtract(a, b))
                at, newer, older = at + PHASES, newer - 1, older + 1
            store_rows(shaped, start + (1 + first) * stride, stride, tanh(add(even, odd)), WIDTH)
            store_rows(shaped, start + (phases - first) * stride, -stride, tanh(subtract(even, odd)), WIDTH)
        last = load_rows(shaped, start + phases * stride, 0, 1, WIDTH)
        store_rows(shaped, start + 1, 0, last, WIDTH)


@njit(cache=True, nogil=True)
def fall(taps: Array, zero: Array, shaped: Array, shares: Array, position: int, frames: int) -> None:
    """Fill `shares` from `position` on with the taps of each row times the steps from phase to phase."""
    stride, columns = shaped.shape[1], shares.shape[1]
    for start in range(0, frames, STEP):
        at = 0
        for group in range(taps.shape[0]):
            here = start + group * PHASES * stride
            steps = subtract(
                load_rows(shaped, here + stride, stride, PHASES, WIDTH),
                load_rows(shaped, here, stride, PHASES, WIDTH),
            )
            target = position + start
            for _ in range(taps.shape[1]):
                share = (
                    broadcast_rows(zero, 0, 1, WIDTH)
                    if group == 0
                    else load_rows(shares, target, 0, 1, WIDTH)
                )
                store_rows(shares, target, 0, add_weighted(share, taps, at, steps), WIDTH)
                at, target = at + PHASES, target + columns


@njit(cache=True, nogil=True)
def gather(shares: Array, position: int, blocked: Array, frames: int) -> None:
    """Fill `blocked` with the sums over all rows of `shares`, row k read k columns before `position`."""
    for start in range(0, frames, 4 * LANES):
        at = position + start
        total = load_rows(shares, at, 0, 1, 4)
        for _ in range(1, shares.shape[0]):
            at += shares.shape[1] - 1
            total = add(total, load_rows(shares, at, 0, 1, 4))
        store_rows(blocked, start, 0, total, 4)


@njit(cache=True, nogil=True)
def bend(drive: Array, bias: Array, dry: Array, shaped: Array, at: int) -> None:
    """Fill `shaped` from `at` on with tanh(drive * dry + bias), all of `dry`."""
    end = dry.shape[0]
    for start in range(0, end - STEP + 1, STEP):
        x = load_rows(dry, start, 0, 1, WIDTH)
        driven = add_scaled(broadcast_rows(bias, 0, 1, WIDTH), drive, 0, x)
        store_rows(shaped, at + start, 0, tanh(driven), WIDTH)
    rest = end % STEP
    if rest:
        # Nothing may be read past the end, so the last frames are worked on where the result will stand.
        line = shaped[at + end - rest : at + end - rest + STEP]
        # Number by number: what copies an array for us would first make room, should the two overlap.
        for n in range(rest):
            line[n] = dry[end - rest + n]
        driven = add_scaled(broadcast_rows(bias, 0, 1, WIDTH), drive, 0, load_rows(line, 0, 0, 1, WIDTH))
        store_rows(line, 0, 0, tanh(driven), WIDTH)


@njit(cache=True, nogil=True, fastmath={"contract"})
def fall_bare(taps: DoubleArray, shaped: Array, blocked: DoubleArray, frames: int) -> None:
    """Fill `blocked` with the taps times the steps from frame to frame."""
    for n in range(frames):
        total = 0.0
        for k in range(BARE_TAPS):
            at = n + BARE_TAPS - k
            total += taps[k] * (np.float64(shaped[at]) - np.float64(shaped[at - 1]))
        blocked[n] = total


@njit(cache=True, nogil=True)
def rewind(rows: Array, position: int) -> None:
    """Move the PAST columns before `position` to the front, in each of `rows`, [rows, columns]."""
    for row in range(rows.shape[0]):
        at = row * rows.shape[1]
        for start in range(0, PAST, LANES):
            store_rows(rows, at + start, 0, load_rows(rows, at + position - PAST + start, 0, 1, 1), 1)


@njit(cache=True, nogil=True)
def run(plan: Plan, bias: Array, memory: Memory, position: int, clock: int, dry: Array, wet: Array) -> int:
    """The next output for the next input of one channel, both [frames]; gives the position after it."""
    for start in range(0, dry.shape[0], TILE):
        frames = min(TILE, dry.shape[0] - start)
        if position > PAST + ROOM:
            rewind(memory.dry, position)
            rewind(memory.shares, position)
            position = PAST
        heard, part = memory.dry[0, position : position + frames], dry[start : start + frames]
        for n in range(frames):
            heard[n] = audible(part[n])
        rise(plan.rise, bias, memory.dry, position, memory.shaped, frames)
        fall(plan.fall, ZERO, memory.shaped, memory.shares, position, frames)
        memory.shaped[0, 0] = memory.shaped[0, frames]
        gather(memory.shares, position, memory.blocked, frames)
        recurse(plan.poles, memory.blocked, memory.state, clock + start, wet[start : start + frames])
        position += frames
    return position


@njit(cache=True, nogil=True)
def run_bare(plan: BarePlan, bias: Array, memory: BareMemory, clock: int, dry: Array, wet: Array) -> None:
    """The same without oversampling."""
    for start in range(0, dry.shape[0], TILE):
        part = dry[start : start + TILE]
        frames = part.shape[0]
        bend(plan.drive, bias, part, memory.shaped, BARE_TAPS)
        fall_bare(plan.fall, memory.shaped, memory.blocked, frames)
        for k in range(BARE_TAPS):
            memory.shaped[k] = memory.shaped[frames + k]
        recurse(plan.poles, memory.blocked, memory.state, clock + start, wet[start : start + frames])
