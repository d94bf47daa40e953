"""`fxd retrain --list`: the retrainings that were made, with their learning curves."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from fxd.config import Settings
from fxd.store.records import CurvePoint, Training
from fxd.store.store import open_store
from fxd.training.progress import minutes

SHOWN = 20
"""In the table."""
LISTED = 10_000
"""With --json; a night each, that is 27 years."""
BARS = "▁▂▃▄▅▆▇█"
WIDTH = 20
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
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("started", "state"):
        table.add_column(column, no_wrap=True)
    for column in ("trained", "steps", "best dB"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("curve", no_wrap=True)
    table.add_column("reason", ratio=1)
    for training, curve in listed:
        table.add_row(
            f"{training.started_at.astimezone():%Y-%m-%d %H:%M}",
            training.state,
            minutes(curve[-1].seconds) if curve else "",
            f"{curve[-1].step:,}" if curve else "",
            best_of(curve),
            drawn([point.validation_esr_db for point in curve]),
            Text(training.reason),
        )
    console = Console()
    console.print(table)
    console.print("curve: validation ESR; the lower the bar, the better. --json has the points", style="dim")
    return 0


def facts_of(training: Training, curve: Sequence[CurvePoint]) -> dict[str, Any]:
    """One retraining for JSON, times in ISO 8601; what is no number is None."""
    points = [
        {name: value if math.isfinite(value) else None for name, value in asdict(point).items()}
        for point in curve
    ]
    times = {"started_at": training.started_at.isoformat()}
    times["finished_at"] = training.finished_at.isoformat() if training.finished_at else ""
    return asdict(training) | times | {"curve": points}


def best_of(curve: Sequence[CurvePoint]) -> str:
    known = [point.validation_esr_db for point in curve if math.isfinite(point.validation_esr_db)]
    return f"{min(known):.1f}" if known else ""


def drawn(values: Sequence[float]) -> str:
    """A curve in one line, from its lowest value to its highest.

    >>> drawn([-10, -20, -24, -25])
    '█▃▁▁'
    >>> drawn([float("nan")])
    ''
    """
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return ""
    step = max(1, math.ceil(len(known) / WIDTH))
    low, high = min(known), max(known)
    # From the end: the last point is what it came to.
    chosen = known[::-1][::step][::-1]
    return "".join(BARS[int((value - low) / (high - low or 1) * (len(BARS) - 1))] for value in chosen)
