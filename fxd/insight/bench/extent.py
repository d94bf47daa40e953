"""How much a benchmark measures."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Extent:
    """Repetitions and seconds; the default ends within about two minutes."""

    repetitions: int = 7
    timed_seconds: float = 8.0
    """Of sound that every contender is timed on: the beginnings of the files, one after the other."""
    sound_seconds: float = 90.0
    """Of sound over which quality and sizes are told: of all files together, in their order."""
    blocks: int = 1_000
    """Short blocks that are timed at most, of each contender and size."""
    processes: bool = True
    """Measure what needs processes of its own too: memory, and two workers against one."""


QUICK = Extent(repetitions=3, timed_seconds=65_536 / 48_000, sound_seconds=3.0, blocks=50, processes=False)
"""A look in some seconds, at one of the longest blocks. Its times are rough."""


def is_quick(settings: Mapping[str, Any]) -> bool:
    """Was a benchmark of these settings timed on less sound than is usual, however often it was repeated?"""
    return bool(settings["timed_seconds"] < Extent().timed_seconds)
