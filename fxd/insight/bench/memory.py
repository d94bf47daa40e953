"""How much memory a contender takes, each in a process of its own that does nothing else.

The peak is VmHWM of /proc/self/status. getrusage would be simpler, but on Linux a new process begins with the
peak of the one that started it; it serves where there is no /proc.
"""

import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from fxd.engines.engine import Array
from fxd.insight.bench.contenders import Contender
from fxd.insight.bench.progress import OnStep
from fxd.insight.bench.rotation import Runner, signal_for

STATUS = Path("/proc/self/status")


def measure_memory(contenders: Sequence[Contender], sound: Array, on_step: OnStep) -> list[dict[str, Any]]:
    """A row for each contender: bytes once it is ready, and at its peak over one pass of `sound` [2, frames].

    Raises BrokenProcessPool where a process dies, for want of memory say.
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound.npy"
        np.save(path, sound)
        for contender in contenders:
            on_step(f"memory: {contender.name}")
            # A pool for each: what one process took, the next must not find there.
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                ready, peak = pool.submit(memory_of, contender, path).result()
            rows.append({"name": contender.name, "ready_bytes": ready, "peak_bytes": peak})
    return rows


def memory_of(contender: Contender, path: Path) -> tuple[int, int]:
    """Bytes before and at most during one pass; for a process that did nothing before."""
    runner = Runner(contender, contender.build(), signal_for(contender, np.load(path)))
    runner.stream.process(runner.dry[:, :1])
    ready = psutil.Process().memory_info().rss
    runner.time_pass()
    return ready, peak_bytes()


def peak_bytes() -> int:
    """The most memory that this process ever had."""
    if STATUS.exists():
        lines = STATUS.read_text(encoding="ascii", errors="replace").splitlines()
        kilobytes = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
        return int(kilobytes) * 1024
    # Kilobytes everywhere but on macOS.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
