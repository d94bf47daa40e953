"""Speed: every contender in turn, again and again, so that what disturbs the machine disturbs all alike.

warming up  A B C          compiles, fills caches, says how many passes make a repetition; not counted
round 1     A B C peak
round 2     A B C peak     ...
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from fxd.engines.engine import Array, Engine, Stream
from fxd.insight.bench.contenders import Contender
from fxd.insight.bench.progress import OnStep

LEAST_SECONDS = 0.05
"""A repetition lasts at least this long: what takes less is done several times, and so reads well on a clock."""


@dataclass
class Runner:
    """A contender, built, with one stream that goes on from pass to pass."""

    contender: Contender
    engine: Engine
    dry: Array
    """[channels, frames], of its own sample rate and number of channels."""
    stream: Stream = field(init=False)
    passes: int = 1
    x_realtime: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = self.engine.stream(self.contender.sample_rate, self.contender.channels)

    @property
    def seconds(self) -> float:
        return float(self.dry.shape[1] / self.contender.sample_rate)

    def warm_up(self) -> None:
        """Run once for the compiler and once for the clock."""
        self.time_pass()
        self.passes = math.ceil(LEAST_SECONDS / self.time_pass())

    def repeat(self) -> None:
        """One repetition, noted."""
        seconds = sum(self.time_pass() for _ in range(self.passes))
        self.x_realtime.append(self.passes * self.seconds / seconds)

    def time_pass(self) -> float:
        """Seconds for the whole signal, block by block."""
        block = self.contender.block or self.dry.shape[1]
        process, dry = self.stream.process, self.dry
        begin = time.perf_counter()
        for start in range(0, dry.shape[1], block):
            process(dry[:, start : start + block])
        return time.perf_counter() - begin


def rotate(
    runners: Sequence[Runner], repetitions: int, peak: Callable[[], float], on_step: OnStep
) -> list[float]:
    """Let every runner repeat `repetitions` times, in turn; returns the peak measured in every round."""
    for runner in runners:
        on_step(f"compiling and warming up: {runner.contender.name}")
        runner.warm_up()
    peak()
    peaks = []
    for number in range(1, repetitions + 1):
        for runner in runners:
            on_step(f"round {number}: {runner.contender.name}")
            runner.repeat()
        peaks.append(peak())
    return peaks


def signal_for(contender: Contender, sound: Array) -> Array:
    """The channels that a contender takes of `sound` [2, frames], contiguous."""
    return np.ascontiguousarray(sound[: contender.channels])
