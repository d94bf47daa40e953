"""A sound whose results are larger than a WAV can be: `python -m tests.big`, or `make big`.

1.09 billion samples of 8 bits go through a daemon. Both results have 4.36 GB, so they must become RF64, be whole,
and be right: at the beginning, around the places where a signed and an unsigned 32-bit size overflow, and at the
end they are compared with what the engines make of that moment alone. The memory must stay where it is.

Needs 12 GB of disk below `--folder` and some minutes. Exits with 1 where anything is not as it should be.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import psutil
import soundfile

from fxd.audio import open_reader
from fxd.config import load_settings
from fxd.engines.engine import Aligned, Engine
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn, load_weights
from fxd.home import make_home
from fxd.store.store import open_store
from fxd.training.models import weights_path
from tests.homes import Home

Array = npt.NDArray[np.float32]

SAMPLE_RATE, CHANNELS = 192_000, 8
"""The most of both: the network works at 48 kHz, so nothing is quicker for as many bytes."""
BLOCK = 96_000
FRAME_BYTES = 4 * CHANNELS
BLOCKS = 1420
FRAMES = BLOCKS * BLOCK
"""136,320,000, of 32 bytes each in a result: 4.36 GB."""
RUN_UP = 2 * BLOCK
"""A second before each moment, after which nothing is left of what was before."""
MOMENT = BLOCK // 2
TOLERANCE = 2e-5
MOST_GROWTH_MB = 40.0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.big")
    parser.add_argument("--folder", type=Path, help="where 12 GB are free; else a folder for temporary files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fxd-big-", dir=options.folder) as folder:
        home = Home(Path(folder) / "home")
        make_home(home.root)
        home.configure(
            "[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = 1\n[training]\nschedule = ''\n"
        )
        began = time.monotonic()
        write_source(home.inbox / "big.wav")
        print(f"source: {FRAMES:,} frames, {(home.inbox / 'big.wav').stat().st_size / 1e9:.2f} GB")
        faults = drained(home) + wrong_results(home)
        print(f"{time.monotonic() - began:.0f} s in all")
    print("\n".join(faults) or "all as it should be")
    return 1 if faults else 0


def sound(block: int) -> Array:
    """One block of the source, [BLOCK, CHANNELS], the same every time: noise in steps of 8 bits."""
    steps = np.random.default_rng(block).integers(-64, 64, (BLOCK, CHANNELS), np.int8)
    return steps.astype(np.float32) / 128


def write_source(path: Path) -> None:
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, CHANNELS, "PCM_U8", format="WAV") as file:
        for block in range(BLOCKS):
            file.write(sound(block))


def drained(home: Home) -> list[str]:
    """Process what is in the inbox; what was wrong with how that went."""
    began = time.monotonic()
    daemon = subprocess.Popen(home.command("start", "--once"), stderr=subprocess.DEVNULL)
    weighed = list(weighings(daemon, home))
    seconds = time.monotonic() - began
    early = max(mb for _, mb in takewhile(lambda one: one[0] < 0.1, weighed))
    late = max(mb for _, mb in weighed)
    audio_seconds = FRAMES / SAMPLE_RATE
    print(f"processed in {seconds:.0f} s, {audio_seconds / seconds:.1f} times as fast as it plays")
    print(f"memory of the processes: {early:.0f} MB in the first tenth, at most {late:.0f} MB")
    faults = [] if daemon.returncode == 0 else [f"the daemon ended with {daemon.returncode}"]
    return faults + ([f"memory grew by {late - early:.0f} MB"] if late - early > MOST_GROWTH_MB else [])


def weighings(daemon: "subprocess.Popen[bytes]", home: Home) -> Iterator[tuple[float, float]]:
    """The share of the result that is written, and the MB that the daemon and its worker hold, until it ends."""
    root = psutil.Process(daemon.pid)
    while daemon.poll() is None:
        with suppress(psutil.NoSuchProcess):
            written = sum(path.stat().st_size for path in home.outbox.glob(".attempts/*/dsp.wav"))
            held = sum(process.memory_info().rss for process in (root, *root.children(recursive=True)))
            yield written / (FRAMES * FRAME_BYTES), held / 1e6
        time.sleep(0.5)


def wrong_results(home: Home) -> list[str]:
    settings = load_settings(home.root)
    with open_store(settings.database_url) as store:
        champion = store.champion()
        runs = store.runs(1)
    if champion is None or not runs or runs[0].frames != FRAMES:
        return ["no run of the whole length is recorded"]
    weights = weights_path(settings.paths.models, champion.id)
    engines: tuple[Engine, ...] = (Saturator(settings.saturator), Tcn(load_weights(weights)))
    return [
        fault for engine in engines for fault in wrong_result(home.outbox / f"big.{engine.name}.wav", engine)
    ]


def wrong_result(path: Path, engine: Engine) -> Iterator[str]:
    size, magic = path.stat().st_size, path.open("rb").read(4)
    print(f"{path.name}: {size:,} bytes, {magic.decode()}")
    if magic != b"RF64" or not FRAMES * FRAME_BYTES < size < FRAMES * FRAME_BYTES + 4096:
        yield f"{path.name} is no RF64 of that size"
    with open_reader(path) as reader:
        read = sum(block.shape[1] for block in reader.blocks())
    if read != FRAMES:
        yield f"{path.name}: {read:,} frames are read"
    with soundfile.SoundFile(path) as file:
        for name, block in moments():
            start = block * BLOCK
            file.seek(start)
            found = file.read(MOMENT, dtype="float32").T
            off = float(np.abs(found - expected(engine, block)).max())
            print(f"  {name:24} frame {start:11,}: within {off:.1e}")
            if not off <= TOLERANCE:
                yield f"{path.name} is wrong at {name}"


def moments() -> list[tuple[str, int]]:
    """What is looked at, by block."""
    signed, unsigned = (size // FRAME_BYTES // BLOCK for size in (2**31, 2**32))
    return [
        ("the beginning", 0),
        ("before 2 GiB", signed),
        ("behind 2 GiB", signed + 1),
        ("before 4 GiB", unsigned),
        ("behind 4 GiB", unsigned + 1),
        ("the end", BLOCKS - 1),
    ]


def expected(engine: Engine, block: int) -> Array:
    """What the engine makes of the beginning of this block, [CHANNELS, MOMENT], with a second of run-up."""
    first = max(0, block - RUN_UP // BLOCK)
    dry = np.concatenate([sound(number) for number in range(first, block + 1)]).T
    stream = Aligned(engine.stream(SAMPLE_RATE, CHANNELS), CHANNELS)
    wet = np.concatenate([stream.process(np.ascontiguousarray(dry)), stream.finish()], axis=1)
    start = (block - first) * BLOCK
    return wet[:, start : start + MOMENT]


if __name__ == "__main__":
    sys.exit(main())
