"""The engines' streams as C functions, so that a sound card's thread can run them without the interpreter.

Each is `render(state, dry, wet, frames)`: it turns `dry`, float32 [channels, frames], into `wet`. The state is an
array of words with all counters of the stream, and the addresses of its memory, its weights and its taps: the
stream's own, and its own kernels work on them. So what comes out is what the stream would have given, bit for
bit. The stream itself must not be used any more.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numba.core.ccallback import CFunc

from fxd.compiler import c_function, njit
from fxd.engines.engine import Array, Stream
from fxd.engines.inference import TcnStream
from fxd.engines.kernel import run_network, sizes_text
from fxd.engines.oversampling import BARE_TAPS, PAIRS, PHASES, REACH, BarePlan, Plan
from fxd.engines.recursion import PolePair, Poles
from fxd.engines.resampler import Resampler, convolve
from fxd.engines.saturator import BareStream, OversampledStream
from fxd.engines.shaping import SLACK, TILE, BareMemory, Memory, run, run_bare
from fxd.live.native import Words, address_of, doubles, floats, words

RENDER = "int64(int64, int64, int64, int64)"
FLOAT_BYTES = 4
MOST_WORDS = 128
"""Of a state."""


@dataclass(frozen=True, eq=False)
class Path:
    """A stream that C code can run."""

    render: CFunc
    state: Words
    latency: int
    """Frames by which the output lags the input."""
    keeps: tuple[Any, ...]
    """What `state` has the addresses of."""


class Ledger:
    """Writes down a state, word by word, and keeps the arrays whose addresses it holds."""

    def __init__(self) -> None:
        self.words: list[int] = []
        self.keeps: list[Any] = []

    def count(self, *numbers: int) -> None:
        self.words += numbers

    def array(self, *arrays: Any) -> None:
        for array in arrays:
            self.words.append(address_of(array))
            self.keeps.append(array)

    def path(self, render: CFunc, latency: int) -> Path:
        state = np.zeros(MOST_WORDS, np.int64)
        state[: len(self.words)] = self.words
        return Path(render, state, latency, tuple(self.keeps))


def path_of(stream: Stream, channels: int, capacity: int) -> Path:
    """A stream that has heard nothing yet, as a path for at most `capacity` frames at once."""
    match stream:
        case OversampledStream():
            return oversampled_path(stream)
        case BareStream():
            return bare_path(stream)
        case TcnStream():
            return tcn_path(stream, channels, capacity)
    raise TypeError(f"{type(stream).__name__} has no form that runs without the interpreter")


def bypass_path(channels: int) -> Path:
    """The dry sound as it is."""
    ledger = Ledger()
    ledger.count(channels)
    return ledger.path(bypass_render(), 0)


@cache
def bypass_render() -> CFunc:
    @c_function(RENDER)
    def render(state, dry, wet, frames):  # type: ignore[no-untyped-def]
        numbers = words(state, 1)[0] * frames
        source, target = floats(dry, (numbers,)), floats(wet, (numbers,))
        for n in range(numbers):
            target[n] = source[n]
        return 0

    return render


# The words of the saturator's state; those of the channels follow.
S_POSITION, S_CLOCK, S_CHANNELS, S_GROUPS, S_ROWS, S_COLUMNS, S_RISE, S_FALL, S_POLES, S_BIAS, S_FIRST = (
    range(11)
)
O_DRY, O_SHAPED, O_SHARES, O_BLOCKED, O_STATE, O_WORDS = range(6)
B_SHAPED, B_BLOCKED, B_STATE, B_WORDS = range(4)
POLES = 7
STATE = 5


def flat_poles(poles: Poles) -> Any:
    return np.array([poles.dc_block, *poles.low, *poles.high])


@njit(cache=True, nogil=True)
def poles_at(place: int) -> Poles:
    p = doubles(place, (POLES,))
    return Poles(p[0], PolePair(p[1], p[2], p[3]), PolePair(p[4], p[5], p[6]))


def oversampled_path(stream: OversampledStream) -> Path:
    groups, rows, _ = stream.plan.fall.shape
    ledger = Ledger()
    columns = stream.memories[0].dry.shape[1]
    ledger.count(stream.position, stream.clock, len(stream.memories), groups, rows, columns)
    ledger.array(stream.plan.rise, stream.plan.fall, flat_poles(stream.plan.poles), stream.bias)
    for one in stream.memories:
        ledger.array(one.dry, one.shaped, one.shares, one.blocked, one.state)
    return ledger.path(oversampled_render(), stream.latency)


@cache
def oversampled_render() -> CFunc:
    width = TILE + SLACK

    @c_function(RENDER)
    def render(state, dry, wet, frames):  # type: ignore[no-untyped-def]
        s = words(state, MOST_WORDS)
        groups, rows, columns = s[S_GROUPS], s[S_ROWS], s[S_COLUMNS]
        rise = floats(s[S_RISE], (groups, REACH, 2, PAIRS))
        fall = floats(s[S_FALL], (groups, rows, PHASES))
        plan = Plan(rise, fall, poles_at(s[S_POLES]))
        bias = floats(s[S_BIAS], (PAIRS,))
        position = s[S_POSITION]
        for channel in range(s[S_CHANNELS]):
            at, here = S_FIRST + channel * O_WORDS, FLOAT_BYTES * channel * frames
            memory = Memory(
                floats(s[at + O_DRY], (1, columns)),
                floats(s[at + O_SHAPED], (1 + groups * PHASES, width)),
                floats(s[at + O_SHARES], (rows, columns)),
                floats(s[at + O_BLOCKED], (width,)),
                doubles(s[at + O_STATE], (STATE,)),
            )
            source, target = floats(dry + here, (frames,)), floats(wet + here, (frames,))
            position = run(plan, bias, memory, s[S_POSITION], s[S_CLOCK], source, target)
        s[S_POSITION] = position
        s[S_CLOCK] += frames
        return 0

    return render


def bare_path(stream: BareStream) -> Path:
    ledger = Ledger()
    ledger.count(0, stream.clock, len(stream.memories), 0, 0, 0)
    ledger.array(stream.plan.drive, stream.plan.fall, flat_poles(stream.plan.poles), stream.bias)
    for one in stream.memories:
        ledger.array(one.shaped, one.blocked, one.state)
    return ledger.path(bare_render(), stream.latency)


@cache
def bare_render() -> CFunc:
    width = BARE_TAPS + TILE + SLACK

    @c_function(RENDER)
    def render(state, dry, wet, frames):  # type: ignore[no-untyped-def]
        s = words(state, MOST_WORDS)
        plan = BarePlan(floats(s[S_RISE], (1,)), doubles(s[S_FALL], (BARE_TAPS,)), poles_at(s[S_POLES]))
        bias = floats(s[S_BIAS], (PAIRS,))
        for channel in range(s[S_CHANNELS]):
            at, here = S_FIRST + channel * B_WORDS, FLOAT_BYTES * channel * frames
            memory = BareMemory(
                floats(s[at + B_SHAPED], (width,)),
                doubles(s[at + B_BLOCKED], (TILE,)),
                doubles(s[at + B_STATE], (STATE,)),
            )
            source, target = floats(dry + here, (frames,)), floats(wet + here, (frames,))
            run_bare(plan, bias, memory, s[S_CLOCK], source, target)
        s[S_CLOCK] += frames
        return 0

    return render


# The words of the network's state; those of the way there and back follow.
T_CHANNELS, T_HEARD, T_MEMORY, T_MEMORY_SIZE, T_WEIGHTS, T_WEIGHTS_SIZE, T_PLAN, T_PLAN_SIZE, T_INNER = range(
    9
)
"""T_INNER is 0 where the signal has the network's rate."""
R_THERE, R_BACK = 16, 32
R_CHANNELS, R_UP, R_DOWN, R_REACH, R_CLOCK, R_ROWS, R_TAPS, R_HELD, R_SOURCE, R_WIDTH = range(10)


def tcn_path(stream: TcnStream, channels: int, capacity: int) -> Path:
    network, detour = stream.network, stream.detour
    ledger = Ledger()
    ledger.count(channels, stream.heard)
    for array in (stream.memory, network.weights, network.plan):
        ledger.array(array)
        ledger.count(array.shape[-1])
    if not detour.direct:
        bank = detour.there.bank
        most = -(-capacity * bank.up // bank.down) + 1
        inner = np.zeros((channels, most), np.float32)
        ledger.array(inner)
        for resampler, place, block in ((detour.there, R_THERE, capacity), (detour.back, R_BACK, most)):
            ledger.count(*[0] * (place - len(ledger.words)))
            add_resampler(ledger, resampler, channels, block)
    return ledger.path(tcn_render(sizes_text(network.sizes)), stream.latency)


def add_resampler(ledger: Ledger, resampler: Resampler, channels: int, block: int) -> None:
    """Its words, for blocks of at most `block` frames of the source."""
    bank = resampler.bank
    held = resampler.history.shape[1]
    # What waits for a next call is less than an output frame's worth, or a frame.
    width = held + block + -(-bank.down // bank.up) + 1
    source = np.zeros((channels, width), np.float32)
    source[:, :held] = resampler.history
    ledger.count(channels, bank.up, bank.down, resampler.reach, resampler.clock, bank.taps.shape[0])
    ledger.array(bank.taps)
    ledger.count(held)
    ledger.array(source)
    ledger.count(width)


@njit(cache=True, nogil=True)
def ready(s: Words, frames: int) -> int:
    """The frames that a resampler has for so many more of its source."""
    return max(0, int(-(-((s[R_HELD] + frames) * s[R_UP] - s[R_CLOCK]) // s[R_DOWN])))


@njit(cache=True, nogil=True)
def resample(s: Words, block: int, frames: int, target: int, wanted: int) -> None:
    """Fill `target`, [channels, wanted], from `block`, [channels, frames], as `Resampler.process` does."""
    up, down, reach, clock, held, width = s[R_UP], s[R_DOWN], s[R_REACH], s[R_CLOCK], s[R_HELD], s[R_WIDTH]
    taps = floats(s[R_TAPS], (s[R_ROWS], reach + 1))
    end = held + frames
    later = clock + wanted * down
    spent = later // up - reach
    for channel in range(s[R_CHANNELS]):
        source = floats(s[R_SOURCE] + FLOAT_BYTES * channel * width, (1, end))
        part = floats(block + FLOAT_BYTES * channel * frames, (frames,))
        for n in range(frames):
            source[0, held + n] = part[n]
        convolve(
            taps, source, (up, down), clock, floats(target + FLOAT_BYTES * channel * wanted, (1, wanted))
        )
        for n in range(spent, end):
            source[0, n - spent] = source[0, n]
    s[R_CLOCK] = later - spent * up
    s[R_HELD] = end - spent


@cache
def tcn_render(sizes: str) -> CFunc:
    @c_function(RENDER)
    def render(state, dry, wet, frames):  # type: ignore[no-untyped-def]
        s = words(state, MOST_WORDS)
        channels = s[T_CHANNELS]
        memory = floats(s[T_MEMORY], (channels, s[T_MEMORY_SIZE]))
        weights = floats(s[T_WEIGHTS], (s[T_WEIGHTS_SIZE],))
        plan = words(s[T_PLAN], s[T_PLAN_SIZE])
        there, back = words(state + 8 * R_THERE, 16), words(state + 8 * R_BACK, 16)
        place, inner = wet, frames
        if s[T_INNER] == 0:
            source, target = floats(dry, (channels * frames,)), floats(wet, (channels * frames,))
            for n in range(channels * frames):
                target[n] = source[n]
        else:
            place, inner = s[T_INNER], ready(there, frames)
            resample(there, dry, frames, place, inner)
        run_network(sizes, floats(place, (channels, inner)), weights, memory, plan, s[T_HEARD])
        s[T_HEARD] += inner
        if s[T_INNER] != 0:
            resample(back, place, inner, wet, frames)
        return 0

    return render


def render_block(path: Path, dry: Array) -> Array:
    """What a path gives for a block, [channels, frames]."""
    source = np.ascontiguousarray(dry, np.float32)
    wet = np.empty_like(source)
    path.render.ctypes(path.state.ctypes.data, source.ctypes.data, wet.ctypes.data, source.shape[1])
    return wet
