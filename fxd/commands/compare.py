"""`fxd models compare`."""

import json
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from fxd.config import Settings
from fxd.log import warn_only
from fxd.store.errors import StoreError
from fxd.store.store import open_store
from fxd.training.comparison import LeftOut, SideBySide, compare

MOST_NAMED = 10
"""Files that are left out, by name; --json has all."""


def compare_models(settings: Settings, first: str, second: str, as_json: bool) -> int:
    """Print how the second model does against the first, file by file, the least gain first."""
    warn_only()
    console = Console(stderr=True)
    with open_store(settings.database_url) as store:
        old, new = store.find_model(first).id, store.find_model(second).id
        if old == new:
            raise StoreError(f"{first} and {second} are both {old}; name two models, fxd models lists them")
        with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
            task = bar.add_task("comparing", total=1.0)
            found = compare(settings, store, old, new, lambda share: bar.update(task, completed=share))
    if as_json:
        print(json.dumps(facts(old, new, found), indent=2))
    else:
        print_comparison(old, new, found)
    return 0


def facts(old: str, new: str, found: SideBySide) -> dict[str, object]:
    decision = found.decision
    files = [
        {
            "content_sha256": file.content_sha256,
            "file": found.names.get(file.content_sha256),
            "fxds_own": file.content_sha256 in found.clips,
            "first_esr_db": file.champion_esr_db,
            "second_esr_db": file.challenger_esr_db,
            "gain_db": file.gain_db,
        }
        for file in found.worst_first
    ]
    left_out = [
        {
            "content_sha256": one.content_sha256,
            "file": found.names.get(one.content_sha256),
            "fxds_own": one.content_sha256 in found.clips,
            "trained_on_by": list(one.trained_on_by),
        }
        for one in found.left_out
    ]
    interval = list(decision.interval_db) if decision.interval_db else None
    return {
        "first": old,
        "second": new,
        "files": files,
        "left_out": left_out,
        "median_gain_db": decision.median_gain_db,
        "ci95": interval,
        "verdict": decision.reason,
    }


def print_comparison(old: str, new: str, found: SideBySide) -> None:
    console = Console(emoji=False)
    if found.decision.files:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("validation sound", overflow="fold")
        for column in ("first, ESR dB", "second, ESR dB", "gain dB"):
            table.add_column(column, justify="right", no_wrap=True)
        for file in found.worst_first:
            figures = (file.champion_esr_db, file.challenger_esr_db)
            name = Text(found.name_of(file.content_sha256))
            table.add_row(name, *(f"{figure:.1f}" for figure in figures), f"{file.gain_db:+.2f}")
        console.print(table)
    if found.left_out:
        console.print(Text(told(found.left_out, found, {old: "the first", new: "the second"}), style="dim"))
    console.print(Text(f"first {old}, second {new}: {found.decision.reason}"))


def told(left_out: Sequence[LeftOut], found: SideBySide, words: Mapping[str, str]) -> str:
    """Which files say nothing of the two, as one was trained on them; `words` say which model is which."""
    named = [
        f"{found.name_of(one.content_sha256)} ({' and '.join(words[id] for id in one.trained_on_by)})"
        for one in left_out[:MOST_NAMED]
    ]
    rest = f" and {len(left_out) - MOST_NAMED} more" if len(left_out) > MOST_NAMED else ""
    return f"left out, as trained on by the model in brackets: {', '.join(named)}{rest}"
