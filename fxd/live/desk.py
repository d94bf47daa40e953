"""The callback as Python sees it: its memory, its lanes, what is asked of it and what it tells."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fxd.engines.engine import Array
from fxd.live.board import (
    BINS,
    BOARD,
    CAPACITY,
    DELAY,
    LANE_CELLS,
    LANES,
    METERS,
    RENDER,
    STATE,
    Cell,
    Meter,
)
from fxd.live.callback import portaudio_callback
from fxd.live.clock import system_clock
from fxd.live.native import address_of, read, write
from fxd.live.paths import Path
from fxd.live.ports import Ports

FADE_SECONDS = 0.010
RING_SECONDS = 20.0
"""Of recorded sound that a disk may owe."""
QUIETEST = 1e-7
"""-140 dBFS; 24 bits end at -138."""
LEVEL_AFTER_SECONDS = 0.5
"""Of sound that a lane must have heard before its level says something."""


@dataclass(frozen=True)
class Load:
    """What the callbacks took, as shares of the time that their blocks play."""

    median: float
    p99: float
    worst: float
    late: int
    """Callbacks that took longer than their block plays."""


@dataclass(frozen=True)
class Reading:
    """What the callback has counted and measured so far."""

    calls: int
    block: int
    """Frames of the last one."""
    frames: int
    xruns: int
    """Blocks that the device says came too late or in part."""
    bad: int
    """Samples from the device that were no number, or an absurd one."""
    clipped: int
    """Samples beyond full scale that went to the device."""
    input_dbfs: float
    output_dbfs: float
    load: Load


def dbfs(magnitude: float) -> float:
    """The level of a meter; after a sound it falls for ever, and what is below QUIETEST is nothing."""
    return 20 * math.log10(magnitude) if magnitude >= QUIETEST else -math.inf


def touched(*shape: int) -> Array:
    """Silence in memory that the process has already: else the callback would wait for the system to find it."""
    return np.full(shape, 0, np.float32)


class Desk:
    """A board, all that its callback needs, and the lanes on it."""

    def __init__(
        self, sample_rate: int, channels: int, ports: Ports, longest: int, record: bool = False
    ) -> None:
        """`longest` is the latency to which every lane is delayed, in frames."""
        self.sample_rate = sample_rate
        self.channels = channels
        self.ports = ports
        self.longest = longest
        self.board = np.zeros(BOARD, np.int64)
        self.meters = np.zeros(METERS)
        self.meters[Meter.GAIN : Meter.GAIN + LANES] = 1
        self.histogram = np.zeros(BINS, np.int64)
        self.clock = system_clock()
        frames = round(FADE_SECONDS * sample_rate)
        self.ring = touched(2 * channels, round(RING_SECONDS * sample_rate) if record else 0)
        self.arrays: Mapping[Cell, npt.NDArray[np.generic]] = {
            Cell.DRY: touched(channels, CAPACITY),
            Cell.HEARD: touched(channels, CAPACITY),
            Cell.WET: touched(channels, CAPACITY),
            Cell.LINES: touched(LANES, channels, longest + CAPACITY),
            Cell.FADE: ((1 - np.cos(np.pi * np.arange(frames) / frames)) / 2).astype(np.float32),
            Cell.HISTOGRAM: self.histogram,
            Cell.METERS: self.meters,
            Cell.RING: self.ring,
        }
        for cell, array in self.arrays.items():
            self.board[cell] = address_of(array)
        numbers = {
            Cell.CHANNELS: channels,
            Cell.SAMPLE_RATE: sample_rate,
            Cell.INPUTS: ports.inputs,
            Cell.FIRST_INPUT: ports.first_input,
            Cell.OUTPUTS: ports.outputs,
            Cell.CLOCK: self.clock.address,
            Cell.CLOCK_ID: self.clock.number,
            Cell.TICKS: self.clock.ticks,
            Cell.LONGEST: longest,
            Cell.FADE_FRAMES: frames,
            Cell.RING_FRAMES: self.ring.shape[1],
            Cell.RECORDING: int(record),
        }
        for cell, number in numbers.items():
            self.board[cell] = number
        self.callback = portaudio_callback()
        self.paths: dict[int, Path] = {}
        write(self.board, Cell.ASKED, 0)  # compiles what the callback must never wait for

    def place(self, lane: int, path: Path) -> None:
        """Put a path on a lane that does not run. Raises ValueError where it lags more than the lanes may."""
        if path.latency > self.longest:
            raise ValueError(f"the path lags by {path.latency} frames, and the lanes by {self.longest}")
        at = Cell.LANE + lane * LANE_CELLS
        self.board[at + RENDER] = path.render.address or 0
        self.board[at + STATE] = address_of(path.state)
        self.board[at + DELAY] = self.longest - path.latency
        lines = self.arrays[Cell.LINES]
        lines[lane] = 0
        for meter in (Meter.DRY_ENERGY, Meter.WET_ENERGY, Meter.HEARD_SECONDS):
            self.meters[meter + lane] = 0
        self.paths[lane] = path

    def begin(self, lanes: set[int], heard: int) -> None:
        """Choose which lanes run and which one is heard, before the first callback."""
        self.board[Cell.ON] = bits(lanes)
        self.board[Cell.NOW] = self.board[Cell.NEXT] = heard

    @property
    def busy(self) -> bool:
        """Whether the callback has something to do yet that was asked for."""
        return int(read(self.board, Cell.DONE)) != int(self.board[Cell.ASKED])

    def ask(self, lanes: set[int], heard: int, after: int = 0, then: set[int] | None = None) -> None:
        """Have `lanes` run from now on, fade to lane `heard` after so many frames, and let `then` go on."""
        self.board[Cell.WANTED_ON] = bits(lanes)
        self.board[Cell.WANTED_NEXT] = heard
        self.board[Cell.WANTED_AFTER] = after
        self.board[Cell.WANTED_THEN] = bits(lanes if then is None else then)
        write(self.board, Cell.ASKED, int(self.board[Cell.ASKED]) + 1)

    def set_gain(self, lane: int, gain: float) -> None:
        """The gain of a lane that is not heard."""
        self.meters[Meter.GAIN + lane] = gain

    def level(self, lane: int) -> float | None:
        """A lane's level over that of the dry sound; None where it has not heard enough yet."""
        dry = float(self.meters[Meter.DRY_ENERGY + lane])
        wet = float(self.meters[Meter.WET_ENERGY + lane])
        if self.meters[Meter.HEARD_SECONDS + lane] < LEVEL_AFTER_SECONDS or dry <= 0 or wet <= 0:
            return None
        return math.sqrt(wet / dry)

    @property
    def block(self) -> int:
        """Frames of the last block; 0 before the first one."""
        return int(self.board[Cell.BLOCK])

    def reading(self) -> Reading:
        board = self.board
        return Reading(
            calls=int(board[Cell.CALLS]),
            block=self.block,
            frames=int(board[Cell.FRAMES]),
            xruns=int(board[Cell.FAULTS]),
            bad=int(board[Cell.BAD]),
            clipped=int(board[Cell.CLIPPED]),
            input_dbfs=dbfs(float(self.meters[Meter.INPUT_PEAK])),
            output_dbfs=dbfs(float(self.meters[Meter.OUTPUT_PEAK])),
            load=self.load(),
        )

    def load(self) -> Load:
        counts = np.cumsum(self.histogram)
        median, p99 = (
            float(np.searchsorted(counts, share * counts[-1])) / 1000 if counts[-1] else 0.0
            for share in (0.5, 0.99)
        )
        return Load(median, p99, float(self.meters[Meter.WORST]), int(self.board[Cell.LATE]))

    def run(self, frames: Array, flags: int = 0) -> Array:
        """Call the callback as a device would: float32 [frames, inputs] gives [frames, outputs]."""
        source = np.ascontiguousarray(frames, np.float32)
        target = np.zeros((len(source), self.ports.outputs), np.float32)
        self.callback.ctypes(
            address_of(source), address_of(target), len(source), 0, flags, address_of(self.board)
        )
        return target


def bits(lanes: set[int]) -> int:
    return sum(1 << lane for lane in lanes)
