"""`fxd status`."""

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from fxd.config import Settings, settings_mark
from fxd.insight.hints import model_hint, review_hint
from fxd.insight.open_changes import open_changes
from fxd.insight.sentences import is_worse, sentence
from fxd.instance import Instance, Status, done_line
from fxd.local_time import minute
from fxd.privacy import open_to_others
from fxd.store.records import Change
from fxd.store.store import Store, open_store
from fxd.training.lock import Holder, who_trains
from fxd.training.progress import ending

CHANGES_SHOWN = 3


def status(home: Path, settings: Settings, as_json: bool) -> int:
    """Print what the daemon is doing, and what the home holds."""
    running = Instance(settings.paths.db).read()
    with open_store(settings.database_url) as store:
        facts = gather(settings, store, running) | {"open_to_others": open_to_others(home, settings)}
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        print_facts(settings, facts, running)
    return 0


def gather(settings: Settings, store: Store, running: Status | None) -> dict[str, Any]:
    champion = store.champion()
    training = store.last_training()
    at_work = who_trains(settings.paths.db)
    return {
        "running": running is not None,
        "daemon": asdict(running) if running else None,
        "runs": {"done": store.count_runs("done"), "failed": store.count_runs("failed")},
        "model": champion.id if champion else None,
        "hint": model_hint(settings, champion),
        "review": review_hint(store, champion),
        "changes": [change_facts(change) for change in open_changes(store)],
        "dataset_seconds": store.dataset_seconds(),
        "dataset_gb": store.dataset_bytes() / 1e9,
        "retraining": asdict(at_work) if at_work else None,
        "last_training": {
            "at": training.started_at.isoformat(),
            "state": training.state,
            "reason": training.reason,
        }
        if training
        else None,
    }


def change_facts(change: Change) -> dict[str, Any]:
    at, text = change.at.isoformat(), sentence(change)
    return {"id": change.id, "at": at, "worse": is_worse(change), "text": text}


def print_facts(settings: Settings, facts: dict[str, Any], running: Status | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from fxd.screen import summary_line

    table = Table.grid(padding=(0, 2))
    if running is None:
        table.add_row("daemon", Text("not running; `fxd start` runs it"))
    else:
        table.add_row(
            "daemon", Text(f"pid {running.pid} on {running.host} since {clock(running.started_at)}")
        )
        table.add_row("since then", Text(summary_line(running)))
        for work in running.processing:
            table.add_row("at work", Text(f"{work['file']}, {done_line(work)}"))
        table.add_row(
            "next retraining", Text(clock(running.next_retraining) or "never ([training] schedule is empty)")
        )
        if running.settings != settings_mark(settings):
            note = "the daemon runs with other settings than those here: restart it to take them up"
            table.add_row("", Text(note, style="yellow"))
    if facts["retraining"]:
        table.add_row("retraining", Text(str(Holder(**facts["retraining"]))))
    runs = facts["runs"]
    table.add_row("runs in all", Text(f"{runs['done']} done, {runs['failed']} failed"))
    table.add_row("model", Text(facts["model"] or "none yet; the first `fxd start` brings one"))
    if facts["hint"]:
        table.add_row("", Text(facts["hint"], style="yellow"))
    if facts["review"]:
        table.add_row("", Text(facts["review"], style="yellow"))
    for note in facts["open_to_others"]:
        table.add_row("", Text(note, style="yellow"))
    size = f"{facts['dataset_gb']:.2f} of at most {settings.training.max_dataset_gb:g} GB"
    table.add_row("training set", Text(f"{facts['dataset_seconds'] / 60:.1f} minutes, {size}"))
    if facts["last_training"]:
        last = facts["last_training"]
        ended = ending(last["state"], last["reason"], facts["retraining"] is not None)
        table.add_row("last retraining", Text(f"{clock(last['at'])}: {ended}"))
    for number, change in enumerate(facts["changes"][:CHANGES_SHOWN]):
        line = Text(f"{change['id']}: {change['text']}", style="yellow" if change["worse"] else "")
        table.add_row("" if number else "changes", line)
    if facts["changes"]:
        table.add_row("", Text("`fxd stats --changes` tells all; `--accept ID` if one was to be expected"))
    Console(emoji=False).print(table)


def clock(moment: str) -> str:
    """An ISO time on the local clock; "" stays ""."""
    return minute(datetime.fromisoformat(moment)) if moment else ""
