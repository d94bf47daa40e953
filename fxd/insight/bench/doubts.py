"""Which benchmarks are too rough to conclude anything from, and why."""

from collections.abc import Mapping
from typing import Any

from fxd.insight.bench.extent import is_quick
from fxd.insight.bench.figures import BUSY, ENOUGH


def doubts(document: Mapping[str, Any]) -> list[str]:
    """Why the speeds of a benchmark are rough, each as the end of a sentence; nothing where they are not.

    >>> settings = {"timed_seconds": 1.4, "repetitions": 7}
    >>> doubts({"settings": settings, "load_before": 2.0})
    ['was quick', 'began on a busy machine (load 2.0)']
    """
    settings, load = document["settings"], document["load_before"]
    said = []
    if is_quick(settings):
        said.append("was quick")
    if settings["repetitions"] < ENOUGH:
        said.append(f"has fewer than {ENOUGH} repetitions: {settings['repetitions']}")
    if load > BUSY:
        said.append(f"began on a busy machine (load {load:.1f})")
    return said
