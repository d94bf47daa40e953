"""One core and one thread for as long as something is timed."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fxd.cores import usable_cores


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread on the last core that it may use, and PyTorch to one thread; both as before at the end.

    The last, as the first is where a system has most of its own work. PyTorch must be imported by then if it
    is used at all. Nothing else that is timed starts threads: onnxruntime is told so in its session.
    """
    before = usable_cores()
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    try:
        pin(before[-1:])
        if torch:
            torch.set_num_threads(1)
        yield
    finally:
        if torch:
            torch.set_num_threads(threads)
        pin(before)


def pin(cores: list[int]) -> None:
    """Keep this thread on these cores, where the system can do that."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
