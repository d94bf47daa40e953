"""How hard playing is, and whether it holds: `python -m tests.load.live`, for a Linux machine at rest.

A JACK server with realtime priority and no sound card calls us, block by block, for minutes on end. For every
period and preset the engines take turns with a bare pass-through on the same server, which keeps the processor at
work for as long as they do, in registers alone: what fails with that is the machine's own doing (a kernel that is
not made for realtime, on a machine that is not there alone, fails sometimes); what fails with the engines only is
ours. Most turns go by the processor's time of the calling thread instead of the clock on the wall: what goes to
other programs does not count there, nor most of what the host of a virtual machine takes away, so that little is
left to mistake for the callback's own work.

With `--soak MINUTES` a sine goes through two equal engines that take turns every second: what comes back must be
what one engine gives, and the memory of the process must stay where it was.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path as FilePath
from statistics import median

import numpy as np
import psutil
from numba.core.ccallback import CFunc

import fxd.factory
from fxd.compiler import c_function
from fxd.config import SaturatorSettings
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import load_weights
from fxd.live.board import Cell, Meter
from fxd.live.desk import Desk
from fxd.live.device import Card, Wiring, choose, list_devices, quiet, sounddevice
from fxd.live.engines import Cast, Shape, rehearse
from fxd.live.native import floats, words
from fxd.live.paths import RENDER, Ledger, Path
from tests.jackd import Array, Feeder, Server, server

FACTORY = FilePath(fxd.factory.__file__).parent
RATE = 48_000
MONO = Shape(RATE, 1)
TURNS = 6
"""Into which the time of a measurement is cut; the engines by either clock and the bare client take turns."""
WARM_SECONDS = 0.5
"""Of every turn, which are not counted: JACK tells of a block that was late whenever a client comes or goes."""
CLICK_DBFS = -90.0
MEMORY_MB = 2.0
"""That a soak may add, once it is warm."""


@dataclass
class Tally:
    """What happened in the turns of one client."""

    seconds: float = 0.0
    xruns: int = 0
    """That JACK told of, whoever was to blame."""
    late: int = 0
    """Callbacks of the client's own that took longer than their block."""
    median: float = 0.0
    p99: float = 0.0
    worst: float = 0.0


@dataclass(frozen=True)
class Row:
    preset: str
    engines: str
    period: int
    own: Tally
    """By the processor's time."""
    bare_own: Tally
    """The same, of a client that works as long on nothing."""
    playing: Tally
    """By the clock on the wall."""
    bare: Tally


def wiring() -> Wiring:
    """The server's own ports, which are silent."""
    devices = list_devices()
    source, target = choose(devices, "system JACK", True), choose(devices, "system JACK", False)
    return Wiring(source, target, RATE, 0, 1, 0)


def desk_of(paths: Mapping[str, Path], heard: str) -> Desk:
    """A desk with these paths, all of them at work."""
    desk = Desk(RATE, 1, wiring().ports, max(path.latency for path in paths.values()))
    for lane, path in enumerate(paths.values()):
        desk.place(lane, path)
    desk.begin(set(range(len(paths))), list(paths).index(heard))  # type: ignore[arg-type]
    return desk


def second_of_work() -> int:
    """How many rounds of `busy_render` take a second."""
    rounds = 1_000_000
    path = busy_path(rounds)
    sound = np.zeros(1, np.float32)
    place = sound.ctypes.data
    seconds = []
    for _ in range(9):
        began = time.perf_counter()
        path.render.ctypes(path.state.ctypes.data, place, place, 1)
        seconds.append(time.perf_counter() - began)
    return round(rounds / median(seconds))


def busy_path(rounds: int) -> Path:
    """The dry sound as it is, after so many rounds of work that touches no memory."""
    ledger = Ledger()
    ledger.count(rounds)
    return ledger.path(busy_render(), 0)


@cache
def busy_render() -> CFunc:
    @c_function(RENDER)
    def render(state, dry, wet, frames):  # type: ignore[no-untyped-def]
        chaos = 0.5
        for _ in range(words(state, 1)[0]):
            chaos = 3.9 * chaos * (1.0 - chaos)
        source, target = floats(dry, (frames,)), floats(wet, (frames,))
        for n in range(frames):
            # The sum is never so large; without it the work would be left out as nobody's.
            target[n] = source[n] if chaos < 2.0 else chaos
        return 0

    return render


def take_turn(desk: Desk, seconds: float, tally: Tally) -> None:
    """Let the server call a desk for so long, and count what happens."""
    card = Card(wiring(), desk)
    card.start()
    time.sleep(WARM_SECONDS)
    desk.histogram[:] = 0
    desk.meters[Meter.WORST] = 0
    before = desk.reading()
    time.sleep(seconds)
    after = desk.reading()
    if not card.is_active:
        sys.exit("the JACK server ended")
    card.stop()
    tally.seconds += seconds
    tally.xruns += after.xruns - before.xruns
    tally.late += after.load.late - before.load.late
    tally.median = max(tally.median, after.load.median)
    tally.p99 = max(tally.p99, after.load.p99)
    tally.worst = max(tally.worst, after.load.worst)


def by_own_work(desk: Desk) -> Desk:
    """The desk, with a clock that stands still while its thread does not run."""
    desk.board[Cell.CLOCK_ID] = time.CLOCK_THREAD_CPUTIME_ID
    return desk


def measure(preset: str, engines: str, period: int, minutes: float, wall_minutes: float) -> Row:
    model = load_weights(FACTORY / preset / "weights.safetensors")
    cast = Cast(SaturatorSettings() if engines == "both" else None, model)
    rehearse(cast, MONO, period)
    row = Row(preset, engines, period, Tally(), Tally(), Tally(), Tally())
    a_second = second_of_work()
    for _ in range(TURNS):
        take_turn(desk_of(cast.paths(MONO), "tcn"), 60 * wall_minutes / TURNS, row.playing)
        busy = busy_path(round(row.playing.median * period / RATE * a_second))
        take_turn(desk_of({"bare": busy}, "bare"), 60 * wall_minutes / TURNS, row.bare)
        take_turn(by_own_work(desk_of(cast.paths(MONO), "tcn")), 60 * minutes / TURNS, row.own)
        take_turn(by_own_work(desk_of({"bare": busy}, "bare")), 60 * minutes / TURNS, row.bare_own)
    return row


def tell(row: Row) -> str:
    tallies = (row.own, row.bare_own, row.playing, row.bare)
    numbers = "  ".join(f"{percent(one.median)}  {percent(one.p99)}  {counts(one)}" for one in tallies)
    return f"{row.preset:<10} {row.engines:<5} {row.period:>5}  {numbers}"


def percent(load: float) -> str:
    return f"{100 * load:6.1f} %"


def counts(tally: Tally) -> str:
    return f"{percent(tally.worst)}  {tally.xruns:6d} {tally.late:6d}"


@dataclass(frozen=True)
class Soak:
    """What a soak showed."""

    seconds: float
    switches: int
    difference_dbfs: float
    """The largest difference from what one engine gives, anywhere."""
    memory_mb: float
    """That the process has more than when it was warm."""

    @property
    def is_good(self) -> bool:
        return self.switches > 0 and self.difference_dbfs < CLICK_DBFS and self.memory_mb < MEMORY_MB


def soak(minutes: float, running: Server) -> Soak:
    """Switch between two equal engines in every second of a sine, as fast as they go, and compare."""
    paths = [Cast(SaturatorSettings(), None).paths(MONO)["dsp"] for _ in range(2)]
    desk = Desk(RATE, 1, wiring().ports, paths[0].latency)
    for lane, path in enumerate(paths):
        desk.place(lane, path)
    desk.begin({0, 1}, 0)
    card, feeder = Card(wiring(), desk), Feeder(running)
    card.start()
    feeder.wire()
    feeder.freewheel(True)
    seconds = max(4, round(60 * minutes))
    period = np.sin(2 * np.pi * np.arange(480) / 480)
    dry = np.tile((0.3 * period).astype(np.float32), 100 * seconds)
    feeder.begin(dry)
    switches, warm = 0, 0
    while feeder.position < len(dry):
        if not desk.busy and feeder.position > switches * RATE:
            switches += 1
            desk.ask({0, 1}, switches % 2)
            warm = warm if switches > 2 else psutil.Process().memory_info().rss
        time.sleep(0.002)
    grown = (psutil.Process().memory_info().rss - warm) / 1e6
    feeder.freewheel(False)
    feeder.close()
    card.stop()
    return Soak(seconds, switches, largest_difference(dry, feeder.heard[running.period :]), grown)


def largest_difference(dry: Array, heard: Array) -> float:
    """Between what was heard and what one engine gives, in dBFS; -inf where they are the same."""
    stream = Saturator(SaturatorSettings()).stream(RATE, 1)
    largest = 0.0
    for start in range(0, len(heard), RATE):
        part = heard[start : start + RATE]
        largest = max(
            largest, float(np.abs(stream.process(dry[None, start : start + len(part)])[0] - part).max())
        )
    return 20 * math.log10(largest) if largest > 0 else -math.inf


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10, help="by the processor's time (10)")
    parser.add_argument("--wall-minutes", type=float, default=1, help="by the clock on the wall (1)")
    parser.add_argument("--preset", action="append", help="else standard and nano")
    parser.add_argument("--period", action="append", type=int, help="else 64, 32 and 16")
    parser.add_argument("--engine", choices=("tcn", "both"), default="tcn", help="what is at work")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON lines")
    parser.add_argument("--soak", type=float, metavar="MINUTES", help="switch once a second instead")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if options.soak is not None:
            with serving(FilePath(folder), 64) as running:
                return tell_soak(soak(options.soak, running))
        counted = f"{'worst':>8}  {'xruns':>6} {'late':>6}"
        columns = "  ".join(
            f"{name:>8}  {'p99':>8}  {counted}" for name in ("own", "bare own", "wall", "bare wall")
        )
        print(f"{'preset':<10} {'heard':<5} {'block':>5}  {columns}")
        for preset in options.preset or ("standard", "nano"):
            for period in options.period or (64, 32, 16):
                with serving(FilePath(folder), period):
                    row = measure(preset, options.engine, period, options.minutes, options.wall_minutes)
                print(json.dumps(asdict(row)) if options.json else tell(row), flush=True)
    return 0


@contextmanager
def serving(folder: FilePath, period: int) -> Iterator[Server]:
    """A server with realtime priority, and PortAudio told of it: it looks for servers once, when it begins."""
    with server(folder, RATE, period, realtime=True) as running:
        os.environ.update(running.environment)
        with quiet():
            library = sounddevice()
            if library._initialized:
                library._terminate()
            library._initialize()
        try:
            yield running
        finally:
            # It aborts the program where its server ended before it.
            library._terminate()


def tell_soak(told: Soak) -> int:
    """Print what a soak showed; 1 where that is not what it should be."""
    print(
        f"{told.seconds:.0f} s, {told.switches} switches; largest difference {told.difference_dbfs:.0f} dBFS "
        f"(at most {CLICK_DBFS:.0f}); memory {told.memory_mb:+.1f} MB (at most {MEMORY_MB:.0f})"
    )
    return 0 if told.is_good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
