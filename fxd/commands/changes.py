"""`fxd stats --changes`, `--accept` and `--unaccept`."""

import json
import math
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fxd.config import Settings
from fxd.insight.hints import counted
from fxd.insight.plain import plain, stored
from fxd.insight.sentences import sentence, told
from fxd.insight.stats import NO_RUNS
from fxd.local_time import minute
from fxd.store.records import Change
from fxd.store.store import open_store

if TYPE_CHECKING:
    from fxd.insight.findings import Findings, Outlier

OUTLIERS_SHOWN = 5


def tell_changes(settings: Settings, last: int | None, as_json: bool) -> int:
    """Look for changes among the newest runs, and print all that are known there.

    A look at as many runs as usual is remembered, with what people say of it. Another number is another question:
    its answer is printed only, with the ids of what is known anyway.
    """
    with open_store(settings.database_url) as store:
        if not store.runs(1) and not as_json:
            print(NO_RUNS)  # without all that looking needs
            return 0
        from fxd.insight.findings import RUNS, look

        found = look(store, last or RUNS)
        if last in (None, RUNS):
            store.remember_changes(found.changes, found.since)
            changes = store.changes()
        else:
            changes = store.with_ids(found.changes)
    if as_json:
        print(json.dumps(findings_json(found, changes), indent=2, allow_nan=False))
    else:
        print_findings(found, changes)
    return 0


def accept(settings: Settings, change_id: int, note: str) -> int:
    """Take a change for one that was to be expected; tell of an earlier note, which may be somebody else's."""
    with open_store(settings.database_url) as store:
        earlier = next((one.note for one in store.changes() if one.id == change_id), "")
        change = store.accept_change(change_id, stored(note), datetime.now(UTC))
    print(f"Expected: {sentence(change)}")
    if change.note == earlier != "":
        print(f"Its note stays: {plain(earlier)}")
    elif earlier:
        print(f"Its note is {plain(change.note)}, in place of: {plain(earlier)}")
    return 0


def unaccept(settings: Settings, change_id: int) -> int:
    """Take that back."""
    with open_store(settings.database_url) as store:
        print(f"Not expected: {sentence(store.unaccept_change(change_id))}")
    return 0


def findings_json(found: "Findings", changes: list[Change]) -> dict[str, Any]:
    """What was looked at, and what was found; times in ISO 8601 UTC, changes newest first."""
    return {
        "runs": found.runs,
        "series": [{"name": name, "runs": runs} for name, runs in found.series],
        "changes": [change_json(change) for change in changes],
        "outliers": [{**asdict(one), "at": one.at.isoformat()} for one in reversed(found.outliers)],
    }


def change_json(change: Change) -> dict[str, Any]:
    """One change; its id is null where it is not remembered."""
    engine, measure, _, where = change.series.split(" ", 3)
    return {
        "id": change.id or None,
        "text": sentence(change),
        "series": change.series,
        "engine": engine,
        "measure": measure,
        "where": where,
        "run_id": change.run_id,
        "at": change.at.isoformat(),
        "earliest": change.earliest.isoformat(),
        "latest": change.latest.isoformat(),
        "before": number(change.before),
        "after": number(change.after),
        "ci95": [number(change.low), number(change.high)],
        "chance": number(change.chance),
        "events": [
            {**asdict(event), "at": event.at.isoformat(), "text": told(event)} for event in change.events
        ],
        "found_at": change.found_at.isoformat(),
        "accepted_at": change.accepted_at.isoformat() if change.accepted_at else None,
        "note": change.note,
    }


def number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def print_findings(found: "Findings", changes: list[Change]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(emoji=False)
    looked = f"Looked at {found.runs:,} runs in {len(found.series)} series."
    if not found.series:
        looked = (
            f"{counted(found.runs, 'run')} {'is' if found.runs == 1 else 'are'} too few to tell changes from "
            "chance: 20 comparable ones make a series."
        )
    console.print(looked, markup=False)
    if not changes:
        console.print("No changes." if found.series else "None is remembered.", markup=False)
    else:
        table = Table.grid(padding=(0, 2))
        for change in changes:
            table.add_row(Text(str(change.id or "–")), described(change))
        console.print(table)
        if any(change.id and change.accepted_at is None for change in changes):
            console.print("`fxd stats --accept ID` for one that was to be expected.", markup=False)
    for outlier in found.outliers[: -OUTLIERS_SHOWN - 1 : -1]:
        console.print(outlier_line(outlier), style="dim", markup=False, highlight=False)
    if (more := len(found.outliers) - OUTLIERS_SHOWN) > 0:
        console.print(f"And {more:,} more single outliers.", style="dim", markup=False)


def described(change: Change) -> Any:
    from rich.text import Text

    text = Text(sentence(change))
    if change.accepted_at is not None:
        text.append(f" (expected{': ' + plain(change.note) if change.note else ''})", style="dim")
        text.stylize("dim")
    return text


def outlier_line(outlier: "Outlier") -> str:
    """A single run that stands out, in one line."""
    return (
        f"Single outlier, no change: {plain(outlier.file)} of {minute(outlier.at)}, "
        f"{plain(outlier.series)} {outlier.value:.3g} where {outlier.usual:.3g} is usual."
    )
