"""The sessions of playing, as JSON and as a table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fxd.insight.plain import short_id
from fxd.local_time import minute
from fxd.store.records import LiveSession

if TYPE_CHECKING:
    from rich.table import Table


def live_json(session: LiveSession) -> dict[str, Any]:
    """One session for scripts: the fields of `LiveSession`, what is no number as null."""
    values = asdict(session) | {"started_at": session.started_at.isoformat()}
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }


def live_table(sessions: Sequence[LiveSession]) -> Table:
    """One row for each session: when, how long, with what, and how hard the machine had to work."""
    from rich.table import Table
    from rich.text import Text

    table = Table("started", "played", "heard", "model", "at", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("load", "p99", "worst", "xruns"):
        table.add_column(name, justify="right")
    for one in sessions:
        loads = (f"{100 * share:.1f} %" for share in (one.load_median, one.load_p99, one.load_worst))
        table.add_row(
            minute(one.started_at),
            f"{int(one.seconds) // 60}:{int(one.seconds) % 60:02d}",
            one.engines,
            Text(short_id(one.model_id) if one.model_id else ""),
            f"{one.sample_rate}/{one.block}",
            *loads,
            str(one.xruns),
        )
    return table


def live_line(sessions: Sequence[LiveSession]) -> str:
    """All of them in a line; empty where there are none."""
    if not sessions:
        return ""
    seconds = sum(session.seconds for session in sessions)
    worst = max(session.load_p99 for session in sessions)
    xruns = sum(session.xruns for session in sessions)
    count = "1 session" if len(sessions) == 1 else f"{len(sessions):,} sessions"
    return (
        f"Played live: {count}, {seconds / 60:.0f} minutes, {xruns:,} xruns, p99 of the load at most "
        f"{100 * worst:.0f} %; `fxd live --sessions` lists them"
    )
