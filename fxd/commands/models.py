"""`fxd models`: the model history."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.insight.hints import model_hint, review_hint
from fxd.store.errors import StoreError
from fxd.store.records import Model
from fxd.store.store import open_store


def list_models(settings: Settings, as_json: bool) -> int:
    """Print all models, newest first."""
    with open_store(settings.database_url) as store:
        champion = store.champion()
        if as_json:
            print_list(model_facts(model, champion) for model in store.each_model())
            return 0
        models = store.models()
        serving = next(iter(store.promotions()), None)
        hints = [hint for hint in (model_hint(settings, champion), review_hint(store, champion)) if hint]
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(emoji=False)
    if not models:
        console.print("No models yet; the first `fxd start` brings one.")
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("", no_wrap=True)
    # On a narrow terminal this one gives way, and stays whole: it is what the other commands are given.
    table.add_column("model", overflow="fold")
    table.add_column("from", no_wrap=True)
    for column in ("ESR dB", "weights", "trained"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("saturator", no_wrap=True)
    current = settings_hash(settings.saturator)
    for model in models:
        table.add_row(
            "*" if champion and model.id == champion.id else "",
            Text(model.id),
            model.origin,
            f"{model.esr_db:.1f}" if model.esr_db == model.esr_db else "-",
            f"{model.weights:,}",
            f"{model.train_seconds / 60:.1f} min",
            "as now" if model.settings_hash == current else "another",
        )
    console.print(table)
    if serving is not None:
        console.print(Text(f"* serves now: {serving.reason}", style="dim"))
    console.print("`fxd models show ID` tells all about one", style="dim", markup=False)
    for hint in hints:
        console.print(f"Note: {hint}", style="yellow", markup=False)
    return 0


def print_list(entries: Iterable[dict[str, Any]]) -> None:
    """Print a JSON list one entry at a time: all of them need not fit into memory."""
    before = "["
    for entry in entries:
        print(before, json.dumps(entry, indent=2, default=str), sep="\n", end="")
        before = ","
    print("\n]" if before == "," else "[]")


def show_model(settings: Settings, text: str, as_json: bool) -> int:
    """Print all about the model whose id begins with `text`."""
    with open_store(settings.database_url) as store:
        model = store.find_model(text)
        champion = store.champion()
        promotions = [one for one in store.promotions() if one.model_id == model.id]
        reviews = store.reviews(model.id)
        if not as_json:
            from fxd.commands.model_sheet import card_of, print_sheet

            card = card_of(model)
            names = store.files_of([score.content_sha256 for score in card.scores]) if card else {}
            serves = champion is not None and champion.id == model.id
            print_sheet(settings, model, card, serves, promotions, reviews, names)
            return 0
    facts = model_facts(model, champion) | {
        "promotions": [{"at": one.at.isoformat(), "reason": one.reason} for one in promotions],
        "reviews": [{"at": one.at.isoformat(), "worse": one.worse, "reason": one.reason} for one in reviews],
    }
    print(json.dumps(facts, indent=2, default=str))
    return 0


def model_facts(model: Model, champion: Model | None) -> dict[str, Any]:
    facts = asdict(model)
    facts["created_at"] = model.created_at.isoformat()
    facts["esr_db"] = model.esr_db if model.esr_db == model.esr_db else None
    return {"serves": champion is not None and champion.id == model.id, **facts}


def promote_model(settings: Settings, text: str) -> int:
    """Let the model whose id begins with `text` serve from now on."""
    from fxd.training.models import load_network
    from fxd.training.succession import BY_HAND

    with open_store(settings.database_url) as store:
        model = store.find_model(text)
        load_network(settings.paths.models, model.id)  # one that cannot be read must not serve
        champion = store.champion()
        if champion is not None and champion.id == model.id:
            print(f"{model.id} serves already")
            return 0
        store.promote(model.id, BY_HAND, datetime.now(UTC))
    print(f"{model.id} serves from now on; `fxd models rollback` undoes it")
    return 0


def roll_back(settings: Settings) -> int:
    """Return to the model that served before the current one."""
    from fxd.training.models import load_network
    from fxd.training.succession import ROLLED_BACK, line_of_succession

    with open_store(settings.database_url) as store:
        served = line_of_succession(store.promotions())
        if len(served) < 2:
            raise StoreError(
                "there is no model to return to: none served before this one; "
                "`fxd models promote ID` lets another one serve"
            )
        load_network(settings.paths.models, served[-2])
        store.promote(served[-2], f"{ROLLED_BACK} by hand from {served[-1]}", datetime.now(UTC))
    print(f"{served[-2]} serves again instead of {served[-1]}")
    return 0
