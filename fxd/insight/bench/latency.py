"""What a block takes when blocks are short, as in live use: its time against the time that it plays."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fxd.engines.engine import Array, Engine, Stream
from fxd.insight.bench.contenders import Contender

BLOCKS = (64, 256, 1024)
TYPICAL_SECONDS = 3e-4
"""Slower contenders are asked for fewer blocks, down to a tenth."""
TURNS = 5
"""All contenders take turns this often, each with its share of the blocks."""


@dataclass
class BlockTimer:
    """One contender at one block size."""

    contender: Contender
    block: int
    stream: Stream
    dry: Array
    count: int = 0
    seconds: list[float] = field(default_factory=list)
    position: int = 0

    def time_block(self) -> float:
        """Seconds for the next block; the sound begins again where it ends."""
        if self.position + self.block > self.dry.shape[1]:
            self.position = 0
        block = self.dry[:, self.position : self.position + self.block]
        self.position += self.block
        begin = time.perf_counter()
        self.stream.process(block)
        return time.perf_counter() - begin

    def warm_up(self, most: int) -> None:
        """Choose how many blocks there is time for, `most` or fewer."""
        typical = sorted(self.time_block() for _ in range(10))[5]
        self.count = int(most * min(1, max(0.1, TYPICAL_SECONDS / typical)))

    def turn(self) -> None:
        self.seconds += [self.time_block() for _ in range(max(1, self.count // TURNS))]

    def row(self) -> dict[str, Any]:
        """Times in milliseconds, and the median as a share of what the block plays."""
        plays = self.block / self.contender.sample_rate
        median, p99 = np.percentile(self.seconds, (50, 99)).tolist()
        return {
            "block": self.block,
            "n": len(self.seconds),
            "median_ms": 1000 * median,
            "p99_ms": 1000 * p99,
            "share": median / plays,
        }


def measure_latency(entries: Sequence[tuple[Contender, Engine, Array]], most: int) -> list[dict[str, Any]]:
    """A row for each contender: the delay of its own, and the time of its blocks by size.

    `entries` hold the contender, its engine, and the sound that it takes, [channels, frames];
    `most` blocks of a size are timed of each.
    """
    timers = [
        [BlockTimer(contender, block, stream_of(contender, engine), dry) for block in BLOCKS]
        for contender, engine, dry in entries
    ]
    everybody = [timer for row in timers for timer in row]
    for timer in everybody:
        timer.warm_up(most)
    for _ in range(TURNS):
        for timer in everybody:
            timer.turn()
    return [latency_row(row) for row in timers]


def stream_of(contender: Contender, engine: Engine) -> Stream:
    return engine.stream(contender.sample_rate, contender.channels)


def latency_row(timers: Sequence[BlockTimer]) -> dict[str, Any]:
    contender, frames = timers[0].contender, timers[0].stream.latency
    return {
        "engine": contender.engine,
        "subject": contender.subject,
        "form": contender.form,
        "sample_rate": contender.sample_rate,
        "delay_frames": frames,
        "delay_ms": 1000 * frames / contender.sample_rate,
        "blocks": [timer.row() for timer in timers],
    }
