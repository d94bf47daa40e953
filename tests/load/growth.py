"""Whether a training set of any length is trained on alike: `python -m tests.load.growth --hours 1 100`.

For each length a home is made whose set has so many hours, in files of ten seconds or of an hour: stretches of
the clips that fxd is tested with, a few contents under many names. Told of a retraining in it are the time until
its first progress, all the time that it took beside its budget, and the most memory that it had.
"""

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fxd.config import Settings, load_settings
from fxd.factory import install_factory_model
from fxd.factory.clips import add_clip
from fxd.home import make_home
from fxd.store.examples import add_example
from fxd.store.records import Example
from fxd.store.store import Store, open_store
from fxd.training.dataset import dry_path, subset_of
from fxd.training.preparation import warm_up
from fxd.training.progress import Progress
from fxd.training.retrain import retrain

CLIPS = sorted((Path(__file__).parents[1] / "audio").glob("*.flac"))
CONTENTS = {10: 60, 3600: 4}
"""By the seconds of a file: so many differ, the others are links to these."""
SAMPLE_RATE = 44_100
CONFIG = "[training]\nschedule = ''\nmax_minutes = {minutes}\nmax_dataset_gb = 1000\n"


def fill(settings: Settings, store: Store, hours: float, seconds: int) -> int:
    """Put a set of so many hours into a home; returns the number of files."""
    rng = np.random.default_rng(0)
    count = max(1, round(3600 * hours / seconds))
    founders = [found(settings, store, rng, seconds) for _ in range(min(count, CONTENTS[seconds]))]
    with store.write() as connection:
        for number in range(len(founders), count):
            add_example(connection, linked(settings, founders[number % len(founders)], number))
    return count


def found(settings: Settings, store: Store, rng: np.random.Generator, seconds: int) -> Example:
    """A new sound of the set: stretches of clips one after the other, each at a level of its own."""
    frames, parts = seconds * SAMPLE_RATE, list[np.ndarray]()
    while sum(map(len, parts)) < frames:
        clip, _ = soundfile.read(rng.choice(CLIPS), dtype="float32", always_2d=True)
        parts.append(clip[int(rng.integers(len(clip) // 2)) :, 0] * rng.uniform(0.1, 1.0))
    with tempfile.NamedTemporaryFile(suffix=".flac") as file:
        soundfile.write(file.name, np.concatenate(parts)[:frames], SAMPLE_RATE, subtype="PCM_16")
        return add_clip(store, settings, Path(file.name))


def linked(settings: Settings, founder: Example, number: int) -> Example:
    """The same sound as if it were another one."""
    content = sha256(f"{number}".encode()).hexdigest()
    path = dry_path(settings.dataset, content, Path(founder.path).suffix)
    path.parent.mkdir(exist_ok=True)
    os.link(settings.dataset / founder.path, path)
    return replace(
        founder,
        content_sha256=content,
        subset=subset_of(content),
        path=str(path.relative_to(settings.dataset)),
        added_at=datetime.now(UTC),
    )


def trained(home: Path) -> dict[str, Any]:
    """What a retraining in a process of its own takes: `measure` there."""
    call = [sys.executable, "-m", "tests.load.growth", "--home", str(home)]
    told = subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(told.stdout)
    if found["state"] not in ("promoted", "kept"):
        raise SystemExit(f"the retraining ended as {found['state']}: {found['reason']}")
    return found


def measure(home: Path) -> dict[str, Any]:
    """Retrain; the time begins where the budget does, when all is compiled."""
    settings, moments, steps = load_settings(home), list[float](), 0

    def note(progress: Progress) -> None:
        nonlocal steps
        moments.append(time.monotonic())
        steps = progress.step

    with open_store(settings.database_url) as store:
        install_factory_model(settings, store)
        warm_up(settings)
        began = time.monotonic()
        result = retrain(settings, store, "command", note, lambda: False)
        whole = time.monotonic() - began
    return {
        "state": result.state,
        "reason": result.reason,
        "first": (moments or [math.nan])[0] - began,
        "whole": whole,
        "steps": steps,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hours", type=float, nargs="+", default=[1, 10, 100])
    parser.add_argument("--seconds", type=int, choices=CONTENTS, default=10, help="of each file")
    parser.add_argument("--minutes", type=float, default=1, help="budget")
    parser.add_argument("--home", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.home:
        print(json.dumps(measure(options.home)))
        return
    print(
        "| hours | files | first step after | of the budget | steps | most memory |\n|---|---|---|---|---|---|"
    )
    for hours in options.hours:
        with tempfile.TemporaryDirectory(prefix="fxd-growth-") as folder:
            home = Path(folder)
            make_home(home)
            (home / "config.toml").write_text(CONFIG.format(minutes=options.minutes))
            settings = load_settings(home)
            with open_store(settings.database_url) as store:
                files = fill(settings, store, hours, options.seconds)
            found = trained(home)
        print(
            f"| {hours:g} | {files:,} of {options.seconds} s | {found['first']:.1f} s | {found['whole']:.1f} of "
            f"{60 * options.minutes:g} s | {found['steps']:,} | {found['gigabytes']:.2f} GB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
