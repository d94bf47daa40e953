"""Ten thousand files, dropped at once into a running daemon: `python -m tests.load.flood`.

All of them have to come out, the daemon's memory has to stay where it was, and the last file must not take longer
than the first. The table has a row for each tenth of the files.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import psutil
import soundfile

from fxd.config import load_settings
from fxd.home import make_home
from fxd.instance import Instance
from fxd.store.store import open_store
from tests.homes import Home

CLIPS = Path(__file__).parents[1] / "audio"
WATCH_SECONDS = 0.1
PATIENCE_SECONDS = 120.0
"""Without a file that is done for so long, the daemon counts as stuck."""


@dataclass(frozen=True)
class Sample:
    """What was seen at one moment of the flood."""

    at: float
    done: int
    daemon_mb: float
    """Resident memory of the daemon alone; its workers are judged by the longest file, not by how many."""


def make_files(folder: Path, count: int, seconds: float) -> None:
    """So many excerpts of the clips, no two of the same content, each of a length like the others."""
    clips = [soundfile.read(path, dtype="float32") for path in sorted(CLIPS.glob("*.flac"))]
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        sound, rate = clips[number % len(clips)]
        frames = min(int(seconds * rate), len(sound))
        start = rng.integers(0, len(sound) - frames + 1)
        gain = np.float32(rng.uniform(0.3, 1.0))
        soundfile.write(folder / f"take {number:05}.wav", gain * sound[start : start + frames], rate)


def watched(home: Home, pid: int, count: int) -> list[Sample]:
    """What the daemon says and holds until all is done. Raises SystemExit where it is stuck or fails a file."""
    daemon, instance = psutil.Process(pid), Instance(home.root / "db")
    began = last_news = time.monotonic()
    samples = [Sample(0.0, 0, daemon.memory_info().rss / 1e6)]
    while samples[-1].done < count:
        time.sleep(WATCH_SECONDS)
        status, now = instance.read(), time.monotonic()
        if status is None or status.failed or now - last_news > PATIENCE_SECONDS:
            raise SystemExit(f"after {samples[-1].done} files: {status}")
        if status.done > samples[-1].done:
            last_news = now
            samples.append(Sample(now - began, status.done, daemon.memory_info().rss / 1e6))
    return samples


def print_tenths(samples: Sequence[Sample], count: int) -> None:
    """Files a second and the daemon's memory, a row for each tenth of the files."""
    print("| files | a second | ms a file | daemon, MB |\n|---|---|---|---|")
    for tenth in range(10):
        low, high = count * tenth // 10, count * (tenth + 1) // 10
        own = [sample for sample in samples if low <= sample.done <= high]
        files, seconds = own[-1].done - own[0].done, own[-1].at - own[0].at
        memory = median(sample.daemon_mb for sample in own)
        print(f"| {low:,} to {high:,} | {files / seconds:.1f} | {1e3 * seconds / files:.1f} | {memory:.1f} |")


def check_all_came_out(home: Home, count: int) -> None:
    with open_store(load_settings(home.root).database_url) as store:
        recorded = store.count_runs("done")
    found = {
        "runs recorded": recorded,
        "originals in inbox/done": sum(1 for _ in (home.inbox / "done").rglob("*.wav")),
        "pairs of outputs": len(home.outputs()) / 2,
    }
    for what, number in found.items():
        print(f"{what}: {number:,.0f} of {count:,}")
    if set(found.values()) != {count}:
        raise SystemExit("files are missing")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of each (0.5)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fxd-flood-") as folder:
        home = Home(Path(folder) / "home")
        make_home(home.root)
        home.configure("[training]\nschedule = ''\n")
        make_files(Path(folder) / "files", options.files, options.seconds)
        daemon = home.start()
        try:
            # A folder that is moved in is one event, and all its files are there at once.
            (Path(folder) / "files").rename(home.inbox / "files")
            samples = watched(home, daemon.pid, options.files)
        finally:
            home.stop(daemon)
        print_tenths(samples, options.files)
        check_all_came_out(home, options.files)


if __name__ == "__main__":
    main()
