"""How far a benchmark is."""

from collections.abc import Callable
from dataclasses import dataclass

OnStep = Callable[[str], None]
"""Hears what is measured next: `phase: of what`, or the phase alone."""
OnProgress = Callable[[str, float], None]
"""Hears the same, and what share of all steps is done by then."""


@dataclass
class Count:
    """Counts steps, to tell how many of all are done."""

    listener: OnProgress
    total: int = 1_000
    done: int = 0

    def __call__(self, what: str) -> None:
        self.listener(what, min(1.0, self.done / self.total))
        self.done += 1
