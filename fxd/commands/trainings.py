"""`fxd retrain --list`: the retrainings that were made, with their learning curves."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fxd.config import Settings
from fxd.store.records import CurvePoint, Training
from fxd.store.store import open_store
from fxd.training.lock import who_trains
from fxd.training.progress import ending, minutes

SHOWN = 20
"""To a person."""
LISTED = 10_000
"""With --json; a night each, that is 27 years."""
BARS = "▁▂▃▄▅▆▇█"
LEAST_WIDTH, MOST_WIDTH = 4, 20
"""Of a drawn curve, in characters."""


def list_trainings(settings: Settings, as_json: bool) -> int:
    """Print the retrainings, newest first."""
    with open_store(settings.database_url) as store:
        trainings = store.trainings(LISTED if as_json else SHOWN)
        listed = [(training, store.curve(training.id)) for training in trainings]
    if as_json:
        print(json.dumps([facts_of(*one) for one in listed], indent=2))
        return 0
    if not listed:
        print("No retraining yet; `fxd retrain` tells when the next one is due.")
        return 0
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(emoji=False)
    at_work = who_trains(settings.paths.db) is not None
    head = line("started", "trained", "steps", "best dB")
    console.print(Text(f"{head}curve", style="bold", no_wrap=True))
    for training, curve in listed:
        figures = line(
            f"{training.started_at.astimezone():%Y-%m-%d %H:%M}",
            minutes(curve[-1].seconds) if curve else "",
            f"{curve[-1].step:,}" if curve else "",
            best_of(curve),
        )
        width = min(MOST_WIDTH, max(LEAST_WIDTH, console.width - len(figures)))
        console.print(
            Text(figures + drawn([point.validation_esr_db for point in curve], width), no_wrap=True)
        )
        console.print(Padding(Text(ending(training.state, training.reason, at_work)), (0, 0, 0, 2)))
    console.print("curve: validation ESR; the lower the bar, the better. --json has the points", style="dim")
    return 0


def line(started: str, trained: str, steps: str, best: str) -> str:
    """What stands before a curve. Not in a table, for the reason below it is as wide as the terminal."""
    return f"{started:16}  {trained:>7}  {steps:>8}  {best:>7}  "


def facts_of(training: Training, curve: Sequence[CurvePoint]) -> dict[str, Any]:
    """One retraining for JSON, times in ISO 8601; what is no number, or has not come yet, is None."""
    points = [
        {name: value if math.isfinite(value) else None for name, value in asdict(point).items()}
        for point in curve
    ]
    times = {"started_at": training.started_at.isoformat()}
    if training.finished_at is not None:
        times["finished_at"] = training.finished_at.isoformat()
    return asdict(training) | times | {"curve": points}


def best_of(curve: Sequence[CurvePoint]) -> str:
    # Step 0 is the model that it began with.
    known = [one.validation_esr_db for one in curve if one.step and math.isfinite(one.validation_esr_db)]
    return f"{min(known):.1f}" if known else ""


def drawn(values: Sequence[float], width: int = MOST_WIDTH) -> str:
    """A curve in one line of up to `width` characters, from its lowest value to its highest.

    >>> drawn([-10, -20, -24, -25])
    '█▃▁▁'
    >>> drawn([float("nan")])
    ''
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    step = max(1, math.ceil(len(known) / width))
    low, high = min(known), max(known)
    # From the end: the last point is what it came to.
    chosen = known[::-1][::step][::-1]
    return "".join(BARS[int((value - low) / (high - low or 1) * (len(BARS) - 1))] for value in chosen)
