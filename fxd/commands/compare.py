"""`fxd models compare`."""

import json

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from fxd.config import Settings
from fxd.log import warn_only
from fxd.store.store import open_store
from fxd.training.comparison import compare
from fxd.training.promotion import Decision


def compare_models(settings: Settings, first: str, second: str, as_json: bool) -> int:
    """Print how the second model does against the first, file by file, the least gain first."""
    warn_only()
    bar = Progress(console=Console(stderr=True), transient=True)
    with open_store(settings.database_url) as store, bar:
        old, new = store.find_model(first).id, store.find_model(second).id
        task = bar.add_task("comparing", total=1.0)
        decision = compare(settings, store, old, new, lambda share: bar.update(task, completed=share))
    if as_json:
        print(json.dumps(facts(old, new, decision), indent=2))
    else:
        print_comparison(old, new, decision)
    return 0


def facts(old: str, new: str, decision: Decision) -> dict[str, object]:
    files = [
        {
            "content_sha256": file.content_sha256,
            "first_esr_db": file.champion_esr_db,
            "second_esr_db": file.challenger_esr_db,
            "gain_db": file.gain_db,
        }
        for file in sorted(decision.files, key=lambda file: file.gain_db)
    ]
    interval = list(decision.interval_db) if decision.interval_db else None
    return {
        "first": old,
        "second": new,
        "files": files,
        "median_gain_db": decision.median_gain_db,
        "ci95": interval,
        "verdict": decision.reason,
    }


def print_comparison(old: str, new: str, decision: Decision) -> None:
    console = Console()
    if decision.files:
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("validation sound", no_wrap=True)
        for column in ("first, ESR dB", "second, ESR dB", "gain dB"):
            table.add_column(column, justify="right", no_wrap=True)
        for file in sorted(decision.files, key=lambda file: file.gain_db):
            figures = (file.champion_esr_db, file.challenger_esr_db)
            table.add_row(
                file.content_sha256[:12], *(f"{figure:.1f}" for figure in figures), f"{file.gain_db:+.2f}"
            )
        console.print(table)
    console.print(Text(f"first {old}, second {new}: {decision.reason}"))
