"""What runs in the sound card's own thread: compiled code that waits for nothing and allocates nothing.

No interpreter takes part, so there is no interpreter lock to wait for, no object to make and nothing to collect.
All memory is there before the first call. Whoever steers writes a request and counts it up, and finds the answer
the same way; recorded sound goes into a ring that another thread empties.

One block:

    device -> dry -> lane 0 -> line 0 ------.
                     lane 1 -> line 1 ---- fade -> heard -> device
                     lane 2 -> line 2 ------'        |
              dry ---------------------------------- ring

A lane is a path that runs (`fxd.live.paths`); its line delays it to the longest of them. A request names the
lanes that are to run from now on, the one to be heard, and after how many frames. The fade from the lane `now` to
the lane `next` takes 10 ms,

    heard = now + w (next - now),   w = (1 - cos(pi k / F)) / 2

which of two equal lanes gives exactly what each gives, since next - now is then 0.
"""

from functools import cache
from math import exp

import numpy as np
from numba.core.ccallback import CFunc

from fxd.compiler import c_function, njit
from fxd.engines.engine import Array
from fxd.engines.recursion import DoubleArray
from fxd.live.board import BINS, BOARD, CAPACITY, DELAY, LANE_CELLS, LANES, METERS, RENDER, STATE, Cell, Meter
from fxd.live.native import Words, acquire, call, doubles, floats, release, words

FLOAT_BYTES = 4
WORD_BYTES = 8
ABSURD = 1e12
"""What is beyond this, or no number, is silence: as in `fxd.audio`."""
PEAK_SECONDS = 0.5
"""In which the meters fall by a factor of e, 8.7 dB."""
LEVEL_SECONDS = 3.0
"""The same for the energies of the lanes."""
AUDIBLE = 1e-5
"""A block with less energy a sample, -50 dBFS, says nothing of a lane's level."""
FAULTS = 0xF
"""PortAudio's flags for a block that came too late, or a part of it."""


@njit(cache=True, nogil=True)
def ticks(board: Words, place: int) -> int:
    """What the clock says."""
    if board[Cell.CLOCK_ID] < 0:
        call(board[Cell.CLOCK], place + WORD_BYTES * Cell.TIME, 0, 0, 0)
        return int(board[Cell.TIME])
    call(board[Cell.CLOCK], board[Cell.CLOCK_ID], place + WORD_BYTES * Cell.TIME, 0, 0)
    return int(board[Cell.TIME] * 1_000_000_000 + board[Cell.TIME + 1])


@njit(cache=True, nogil=True)
def take_request(board: Words) -> None:
    """Begin what was asked for, once what was asked before is done."""
    if board[Cell.TAKEN] != board[Cell.DONE]:
        return
    asked = acquire(board, Cell.ASKED)
    if asked == board[Cell.TAKEN]:
        return
    board[Cell.TAKEN] = asked
    board[Cell.ON] = board[Cell.WANTED_ON]
    board[Cell.NEXT] = board[Cell.WANTED_NEXT]
    board[Cell.WAIT] = board[Cell.WANTED_AFTER]
    board[Cell.FADED] = 0


@njit(cache=True, nogil=True)
def advance(board: Words, frames: int) -> None:
    """Go on with what was asked for, after a block of so many frames."""
    if board[Cell.TAKEN] == board[Cell.DONE]:
        return
    if board[Cell.WAIT] > 0:
        board[Cell.WAIT] -= frames
        return
    board[Cell.FADED] += frames
    if board[Cell.NOW] == board[Cell.NEXT] or board[Cell.FADED] >= board[Cell.FADE_FRAMES]:
        board[Cell.NOW] = board[Cell.NEXT]
        board[Cell.ON] = board[Cell.WANTED_THEN]
        release(board, Cell.DONE, board[Cell.TAKEN])


@njit(cache=True, nogil=True)
def hear(board: Words, device: int, offset: int, frames: int) -> float:
    """Fill `dry` from the device's frames, each with a number for every input; returns the largest magnitude."""
    channels, inputs = board[Cell.CHANNELS], board[Cell.INPUTS]
    dry = floats(board[Cell.DRY], (channels, frames))
    if device == 0:
        dry[:] = 0
        return 0.0
    source = floats(device + FLOAT_BYTES * offset * inputs, (frames, inputs))
    bad, peak = 0, 0.0
    for channel in range(channels):
        for n in range(frames):
            x = source[n, board[Cell.FIRST_INPUT] + channel]
            # Neither comparison holds for a nan.
            if -ABSURD <= x <= ABSURD:
                peak = max(peak, abs(x))
                dry[channel, n] = x
            else:
                bad += 1
                dry[channel, n] = 0
    board[Cell.BAD] += bad
    return peak


@njit(cache=True, nogil=True)
def line_of(board: Words, lane: int, channel: int) -> Array:
    """A lane's line: what it gave, behind as many frames of before as it has to wait for the others."""
    size = board[Cell.LONGEST] + CAPACITY
    place = board[Cell.LINES] + FLOAT_BYTES * (lane * board[Cell.CHANNELS] + channel) * size
    line: Array = floats(place, (size,))
    return line


@njit(cache=True, nogil=True)
def run_lane(board: Words, lane: int, frames: int) -> None:
    """Fill a lane's line with its path's next frames."""
    at = Cell.LANE + lane * LANE_CELLS
    channels, delay = board[Cell.CHANNELS], board[at + DELAY]
    place = board[Cell.WET]
    call(board[at + RENDER], board[at + STATE], board[Cell.DRY], place, frames)
    wet = floats(place, (channels, frames))
    for channel in range(channels):
        line = line_of(board, lane, channel)
        for n in range(frames):
            line[delay + n] = wet[channel, n]


@njit(cache=True, nogil=True)
def weigh(board: Words, meters: DoubleArray, lane: int, frames: int) -> None:
    """Follow the energy of a lane and, over the same time, of the dry sound."""
    channels = board[Cell.CHANNELS]
    dry = floats(board[Cell.DRY], (channels, frames))
    dry_energy, wet_energy = 0.0, 0.0
    for channel in range(channels):
        line = line_of(board, lane, channel)
        for n in range(frames):
            dry_energy += dry[channel, n] * dry[channel, n]
            wet_energy += line[n] * line[n]
    if dry_energy > AUDIBLE * frames * channels:
        seconds = frames / board[Cell.SAMPLE_RATE]
        kept = exp(-seconds / LEVEL_SECONDS)
        meters[Meter.DRY_ENERGY + lane] = kept * meters[Meter.DRY_ENERGY + lane] + dry_energy
        meters[Meter.WET_ENERGY + lane] = kept * meters[Meter.WET_ENERGY + lane] + wet_energy
        meters[Meter.HEARD_SECONDS + lane] += seconds


@njit(cache=True, nogil=True)
def shift(board: Words, lane: int, frames: int) -> None:
    """Move what a lane still has to give to the front of its line."""
    delay = board[Cell.LANE + lane * LANE_CELLS + DELAY]
    for channel in range(board[Cell.CHANNELS]):
        line = line_of(board, lane, channel)
        for n in range(delay):
            line[n] = line[frames + n]


@njit(cache=True, nogil=True)
def mix(board: Words, meters: DoubleArray, frames: int) -> float:
    """Fill `heard`; returns the largest magnitude."""
    channels, now, next_ = board[Cell.CHANNELS], board[Cell.NOW], board[Cell.NEXT]
    heard = floats(board[Cell.HEARD], (channels, frames))
    fade_frames = board[Cell.FADE_FRAMES]
    fade = floats(board[Cell.FADE], (fade_frames,))
    fades = now != next_ and board[Cell.WAIT] <= 0
    peak, clipped = 0.0, 0
    for channel in range(channels):
        here, there = line_of(board, now, channel), line_of(board, next_, channel)
        here_gain = np.float32(meters[Meter.GAIN + now])
        there_gain = np.float32(meters[Meter.GAIN + next_])
        for n in range(frames):
            y = here_gain * here[n]
            if fades:
                k = board[Cell.FADED] + n
                other = there_gain * there[n]
                y = other if k >= fade_frames else y + fade[k] * (other - y)
            heard[channel, n] = y
            peak = max(peak, abs(y))
            clipped += abs(y) > 1
    board[Cell.CLIPPED] += clipped
    return peak


@njit(cache=True, nogil=True)
def record(board: Words, frames: int) -> None:
    """Put the dry and the heard sound into the ring; where there is no room they are lost, and counted."""
    channels, size = board[Cell.CHANNELS], board[Cell.RING_FRAMES]
    written = board[Cell.WRITTEN]
    if written + frames - acquire(board, Cell.READ) > size:
        board[Cell.LOST] += frames
        return
    ring = floats(board[Cell.RING], (2 * channels, size))
    dry, heard = floats(board[Cell.DRY], (channels, frames)), floats(board[Cell.HEARD], (channels, frames))
    for channel in range(channels):
        at = written % size
        for n in range(frames):
            ring[channel, at] = dry[channel, n]
            ring[channels + channel, at] = heard[channel, n]
            at = at + 1 if at + 1 < size else 0
    release(board, Cell.WRITTEN, written + frames)


@njit(cache=True, nogil=True)
def answer(board: Words, device: int, offset: int, frames: int) -> None:
    """Give what is heard to the device; where it has more outputs than there are channels, the last one again."""
    channels, outputs = board[Cell.CHANNELS], board[Cell.OUTPUTS]
    heard = floats(board[Cell.HEARD], (channels, frames))
    target = floats(device + FLOAT_BYTES * offset * outputs, (frames, outputs))
    for output in range(outputs):
        channel = min(output, channels - 1)
        for n in range(frames):
            target[n, output] = heard[channel, n]


@njit(cache=True, nogil=True)
def play(board: Words, meters: DoubleArray, source: int, target: int, offset: int, frames: int) -> None:
    """One block of at most CAPACITY frames, from the device to the device."""
    fall = exp(-frames / board[Cell.SAMPLE_RATE] / PEAK_SECONDS)
    take_request(board)
    peak = hear(board, source, offset, frames)
    meters[Meter.INPUT_PEAK] = max(peak, fall * meters[Meter.INPUT_PEAK])
    for lane in range(LANES):
        if board[Cell.ON] >> lane & 1:
            run_lane(board, lane, frames)
            weigh(board, meters, lane, frames)
    peak = mix(board, meters, frames)
    meters[Meter.OUTPUT_PEAK] = max(peak, fall * meters[Meter.OUTPUT_PEAK])
    for lane in range(LANES):
        if board[Cell.ON] >> lane & 1:
            shift(board, lane, frames)
    answer(board, target, offset, frames)
    if board[Cell.RECORDING]:
        record(board, frames)
    advance(board, frames)


@njit(cache=True, nogil=True)
def clock_in(board: Words, meters: DoubleArray, taken: int, frames: int) -> None:
    """Remember how long a block took, against the time that it plays."""
    load = taken / board[Cell.TICKS] * board[Cell.SAMPLE_RATE] / frames
    histogram = words(board[Cell.HISTOGRAM], BINS)
    histogram[min(int(load * 1000), BINS - 1)] += 1
    meters[Meter.WORST] = max(load, meters[Meter.WORST])
    board[Cell.LATE] += load > 1
    board[Cell.CALLS] += 1
    board[Cell.FRAMES] += frames


@cache
def portaudio_callback() -> CFunc:
    """PortAudio's stream callback; the board stands at `user`."""

    @c_function("int32(int64, int64, uint64, int64, uint64, int64)")
    def callback(source, target, count, time, flags, user):  # type: ignore[no-untyped-def]  # noqa: ARG001
        # Where a C `long` has 32 bits, nobody knows what stands in the other 32.
        frames = int(count & 0x7FFFFFFF)
        board = words(user, BOARD)
        meters = doubles(board[Cell.METERS], (METERS,))
        began = ticks(board, user)
        board[Cell.FAULTS] += (flags & FAULTS) != 0
        board[Cell.BLOCK] = frames
        done = 0
        while done < frames:
            part = min(CAPACITY, frames - done)
            play(board, meters, source, target, done, part)
            done += part
        if frames > 0:
            clock_in(board, meters, ticks(board, user) - began, frames)
        return 0

    return callback
