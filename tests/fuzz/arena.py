"""Where damaged files meet the workers: the slots of the daemon, with its limits, in a folder of their own.

The network is the smallest preset with random weights, for what is looked for does not depend on how it sounds.
Around the workers lie an empty current folder, an empty home and an empty folder for temporary files: what
appears there was written by a file. What workers print is caught too, for a terminal takes orders from a text.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fxd.cache_folders import cache_folders
from fxd.config import ProcessingSettings, SaturatorSettings
from fxd.engines.tcn import PRESETS, TcnModel, save_weights
from fxd.pipeline.job import Done, Ending, Job
from fxd.pipeline.workers import Limits, Slot, wait_for_news
from tests.fuzz.cases import Case
from tests.fuzz.verdict import fault_of

ESCAPE_SECONDS = 900.0
"""Beyond all limits of the slot, for sounds as short as these: what has not ended then has escaped them."""
WATCHED = ("here", "home", "tmp")


@dataclass(frozen=True)
class Bout:
    """One file, and how it went."""

    case: Case
    ending: str
    """Done, Fault, Death or Trouble."""
    reason: str
    finding: str
    """What must not have been; "" where all is well."""
    seconds: float
    peak_mb: float
    """Most memory that its worker has had so far."""


@dataclass
class Fight:
    """A file that a worker is at."""

    case: Case
    job: Job
    began: float
    peak_before: float


class Arena:
    """Workers in a folder of their own. To be made before anything is printed: it takes over both outputs."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder = folder.absolute()
        settings = ProcessingSettings()
        self.limits = Limits(settings.timeout_factor, settings.memory_limit_mb)
        shutil.rmtree(self.folder, ignore_errors=True)
        for name in (*WATCHED, "sources", "attempts"):
            (self.folder / name).mkdir(parents=True)
        # Compiled code is kept where it always is: the watched home is to stay empty.
        os.environ.setdefault("NUMBA_CACHE_DIR", str(next(cache_folders())))
        os.environ["HOME"], os.environ["TMPDIR"] = str(self.folder / "home"), str(self.folder / "tmp")
        os.chdir(self.folder / "here")
        self.printed = self.folder / "printed.txt"
        self.catch_prints()
        self.model = self.folder / "weights.safetensors"
        save_weights(self.model, untrained())
        self.slots = [Slot(self.limits, SaturatorSettings(), self.model) for _ in range(workers)]
        self.under_way: dict[Slot, Fight] = {}
        self.root = set(Path("/").iterdir())  # where workers are
        self.has_begun = False

    def catch_prints(self) -> None:
        descriptor = os.open(self.printed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)

    def run(self, cases: Iterable[Case]) -> Iterator[Bout]:
        """Every file through a worker, as many at a time as there are; bouts come as they end."""
        waiting = iter(cases)
        is_over = False
        while self.under_way or not is_over:
            for slot in self.slots:
                if not is_over and slot.is_free and slot not in self.under_way:
                    case = next(waiting, None)
                    if case is None:
                        is_over = True
                    else:
                        self.begin(slot, case)
            wait_for_news(self.slots, 0.05)
            yield from self.ended()

    def begin(self, slot: Slot, case: Case) -> None:
        source = self.folder / "sources" / case.name
        source.write_bytes(case.data)
        # What workers print while they warm up is no file's.
        if not self.has_begun:
            self.has_begun = True
            os.truncate(self.printed, 0)
        job = Job(
            source, self.folder / "attempts" / str(case.number), SaturatorSettings(), self.model, "FLOAT"
        )
        self.under_way[slot] = Fight(case, job, time.monotonic(), peak_mb(slot))
        slot.submit(job)

    def ended(self) -> Iterator[Bout]:
        for slot in self.slots:
            slot.enforce()
            peak = peak_mb(slot)
            ending = slot.listen()
            fight = self.under_way.get(slot)
            if fight is None:
                continue
            if ending is not None:
                del self.under_way[slot]
                yield self.judged(fight, ending, peak)
            elif time.monotonic() - fight.began > ESCAPE_SECONDS:
                raise RuntimeError(f"case {fight.case.number} outlives every limit")

    def judged(self, fight: Fight, ending: Ending, peak: float) -> Bout:
        seconds = time.monotonic() - fight.began
        finding = fault_of(ending, fight.job)
        if not finding and peak > max(self.limits.memory_limit_mb, fight.peak_before):
            finding = f"its worker took {peak:.0f} MB"
        finding = finding or self.stray_writes()
        fight.job.source.unlink()
        shutil.rmtree(fight.job.attempt, ignore_errors=True)
        reason = "" if isinstance(ending, Done) else ending.reason
        return Bout(fight.case, type(ending).__name__, reason, finding, seconds, peak)

    def stray_writes(self) -> str:
        """What appeared where nothing should; it is removed, so that the next file is not blamed for it."""
        for name in WATCHED:
            found = sorted(path.name for path in (self.folder / name).iterdir())
            if found:
                shutil.rmtree(self.folder / name)
                (self.folder / name).mkdir()
                return f"it wrote {found} into {name}"
        if found := sorted(set(Path("/").iterdir()) - self.root):
            self.root.update(found)
            return f"it wrote {found} into /"
        if self.printed.stat().st_size:
            text = self.printed.read_text(errors="backslashreplace")
            os.truncate(self.printed, 0)
            return f"it printed {text[:500]!r}"
        return ""

    def close(self) -> None:
        for slot in self.slots:
            slot.close()
        os.chdir("/")
        shutil.rmtree(self.folder, ignore_errors=True)


def untrained() -> TcnModel:
    """A small network of random weights."""
    rng = np.random.default_rng(0)
    shapes = PRESETS["nano"].shapes()
    weights = {
        name: np.asarray(0.1 * rng.standard_normal(shape), np.float32) for name, shape in shapes.items()
    }
    return TcnModel("untrained", PRESETS["nano"], "0" * 12, weights)


def peak_mb(slot: Slot) -> float:
    """Most memory that a worker ever had at once; 0 where it is no more."""
    with suppress(OSError):
        for line in Path(f"/proc/{slot.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return float(line.split()[1]) / 1e3
    return 0.0
