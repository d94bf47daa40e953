"""A change of sample rate in a stream, and the detour of a signal through another rate and back.

A linear-phase FIR low-pass (a sinc under a Kaiser window) is centred on every instant at which the target
rate wants a value. Between two frames of the source there are only so many such instants, the phases: 160
from 44.1 to 48 kHz, 4 from 44.1 to 176.4 kHz. Each has its row of taps, and an output is one dot product.

Pass band and stop band are shares of the lower of the two rates, so one filter serves up and down:

    0    .. 20 kHz     kept (at 44.1 kHz)
    20   .. 24.1 kHz   transition: what folds over at 22.05 kHz lands above 20 kHz again
    24.1 ..            -120 dB: images on the way up, aliases on the way down

Delay. Both directions lag by the same whole number of frames of the base rate (a file's rate, say), so the
detour does too. An output is ready as soon as its newest source frame is there. With rates of 2 and 3:

    base    0     1     2                   after 3 base frames ...
    inner   0   1   2   3   4               ... ceil(3 * 3 / 2) = 5 inner frames are ready,
    back    0     1     2                   ... and with these all 3 frames of the way back

So it is for any two rates: frame n - 1 of the way back needs the inner frames up to
floor((n - 1) * inner / base), which is at most ceil(n * inner / base) - 1. The detour gives n frames for n
frames and adds no wait to the delay of its filters.

Sources: Crochiere and Rabiner, "Multirate Digital Signal Processing", 1983; for length and beta from
transition and attenuation: Kaiser, "Nonrecursive digital filter design using the I0-sinh window", 1974.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

import numpy as np

from fxd.compiler import njit
from fxd.engines.denormals import audible
from fxd.engines.engine import Array
from fxd.vectors.arithmetic import fma, multiply
from fxd.vectors.memory import aligned, load
from fxd.vectors.registers import LANES
from fxd.vectors.sums import sum_of_lanes

PASS_BAND = 20_000 / 22_050
"""Share of half the lower rate that is kept: 20 kHz at 44.1 kHz."""
ATTENUATION_DB = 120.0
"""Of the stop band. Deeper would be lost in the rounding of the float32 sums, about -140 dB."""
MOST_PHASES = 2048
"""Rates with hardly a common divisor (44,099 and 48,000 Hz) would want a row for each of 48,000 phases;
they are interpolated between this many rows, with an error of at most (pi / 2048)^2 / 8, -130 dB."""


def filter_delay(base_rate: int, other_rate: int) -> int:
    """Frames at `base_rate` by which each direction between the two rates lags: half a filter, rounded up."""
    half_length = (ATTENUATION_DB - 7.95) / 14.36 / (1 - PASS_BAND) / 2
    return math.ceil(half_length * max(1.0, base_rate / other_rate))


@dataclass(frozen=True)
class FilterBank:
    """The taps from one rate to another: `up` phases between two source frames, an output every `down`."""

    up: int
    down: int
    taps: Array
    """[rows + 1, length]: row r stands r / rows after a source frame, and the last on the next one; each has
    the tap for the oldest frame first."""


@lru_cache(maxsize=32)
def filter_bank(source_rate: int, target_rate: int, delay: Fraction) -> FilterBank:
    """The filter that lags by `delay` source frames: a frame of age t weighs h(t - delay).

    h(t) = 2 f sinc(2 f t) kaiser(t / delay), with f = half the lower rate in cycles per source frame.
    """
    divisor = math.gcd(source_rate, target_rate)
    up, down = target_rate // divisor, source_rate // divisor
    rows = min(up, MOST_PHASES)
    length = math.floor(2 * delay) + 1
    length += -length % LANES
    age = np.arange(length)[::-1] + np.arange(rows + 1)[:, None] / rows
    time = age - float(delay)
    inside = np.maximum(0, 1 - (time / float(delay)) ** 2)
    beta = 0.1102 * (ATTENUATION_DB - 8.7)
    window = np.where(inside > 0, np.i0(beta * np.sqrt(inside)) / np.i0(beta), 0)
    cutoff = min(1.0, target_rate / source_rate) / 2
    taps = aligned(*time.shape)
    taps[:] = 2 * cutoff * np.sinc(2 * cutoff * time) * window
    taps.setflags(write=False)
    return FilterBank(up, down, taps)


@njit(cache=True, nogil=True)
def dot(taps: Array, row: int, source: Array, oldest: int) -> np.float32:
    """Row `row` of `taps` times the frames from number `oldest` on, counted through all rows of `source`."""
    at = row * taps.shape[1]
    total = multiply(load(taps, at), load(source, oldest))
    for k in range(LANES, taps.shape[1], LANES):
        total = fma(load(taps, at + k), load(source, oldest + k), total)
    return np.float32(sum_of_lanes(total))


@njit(cache=True, nogil=True)
def convolve(taps: Array, source: Array, ratio: tuple[int, int], clock: int, target: Array) -> None:
    """Fill `target`: frame k stands `clock + k * down` ticks after the first of `source`, `up` ticks a frame.

    Denormal numbers in `source` become zero. The clock runs as a source frame and a phase, for a division costs
    as much as half a dot product.
    """
    up, down = ratio
    whole, part = down // up, down % up
    rows, length = taps.shape[0] - 1, taps.shape[1]
    for channel in range(source.shape[0]):
        for n in range(source.shape[1]):
            source[channel, n] = audible(source[channel, n])
        oldest, phase = channel * source.shape[1] + clock // up - length + 1, clock % up
        for k in range(target.shape[1]):
            if rows == up:
                target[channel, k] = dot(taps, phase, source, oldest)
            else:
                position = phase * rows
                row, share = position // up, np.float32(position % up / up)
                before = dot(taps, row, source, oldest)
                target[channel, k] = before + share * (dot(taps, row + 1, source, oldest) - before)
            oldest += whole
            phase += part
            if phase >= up:
                oldest, phase = oldest + 1, phase - up


class Resampler:
    """One signal on its way from one rate to another, in blocks of any size; before it there is silence.

    `latency`, the delay in frames at the rate that `whole_at` names, is a whole number.
    """

    def __init__(
        self,
        source_rate: int,
        target_rate: int,
        channels: int,
        whole_at: Literal["source", "target"] = "source",
    ) -> None:
        rates = (source_rate, target_rate) if whole_at == "source" else (target_rate, source_rate)
        self.latency = filter_delay(*rates)
        self.bank = filter_bank(source_rate, target_rate, Fraction(self.latency * source_rate, rates[0]))
        self.reach = self.bank.taps.shape[1] - 1
        self.history = np.zeros((channels, self.reach), np.float32)
        self.clock = self.reach * self.bank.up
        """When the next output is due, in ticks after the oldest frame of `history`."""

    def process(self, block: Array, frames: int | None = None) -> Array:
        """The next output for the next input: float32 [channels, n] gives float32 [channels, m].

        m is all that is ready (in total ceil(n * target / source) for n frames since the start), or `frames`:
        the rest then waits for the next call. Raises ValueError where fewer than `frames` are ready.
        """
        up, down = self.bank.up, self.bank.down
        source = np.concatenate([self.history, np.ascontiguousarray(block, np.float32)], axis=1)
        ready = max(0, -(-(source.shape[1] * up - self.clock) // down))
        if frames is None:
            frames = ready
        elif frames > ready:
            raise ValueError(f"{frames} frames are wanted, {ready} are ready: feed more of the source first")
        target = np.empty((source.shape[0], frames), np.float32)
        convolve(self.bank.taps, source, (up, down), self.clock, target)
        self.clock += frames * down
        spent = self.clock // up - self.reach
        self.clock -= spent * up
        self.history = source[:, spent:].copy()
        return target


class Detour:
    """Has a signal worked on at another rate and brings it back, as long as before, `latency` frames later.

    Where the two rates are equal nothing is filtered and nothing lags.
    """

    def __init__(self, base_rate: int, inner_rate: int, channels: int) -> None:
        self.direct = base_rate == inner_rate
        self.there = Resampler(base_rate, inner_rate, channels, whole_at="source")
        self.back = Resampler(inner_rate, base_rate, channels, whole_at="target")
        self.latency = 0 if self.direct else self.there.latency + self.back.latency
        """Frames at `base_rate`, both ways together."""

    def process(self, block: Array, work: Callable[[Array], Array]) -> Array:
        """The next n frames for the next n, both float32 [channels, n].

        `work` turns what is ready at the inner rate, which may be no frames, into as many.
        """
        if self.direct:
            return work(block)
        return self.back.process(work(self.there.process(block)), block.shape[1])
