"""`fxd models show`: all about one model, as a sheet to read."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fxd.config import SaturatorSettings, Settings
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import Architecture
from fxd.factory.clips import readable_clips
from fxd.insight.plain import plain
from fxd.local_time import minute
from fxd.store.records import Model, Promotion, Review
from fxd.training.models import ModelCard, Score

UNREADABLE = "another version of fxd wrote it, and this one cannot tell what it says"
MOST_SHOWN = 20
"""Sounds that judged it; --json has all."""


def card_of(model: Model) -> ModelCard | None:
    """The card as the database has it; None where another version of fxd wrote one that this one cannot read."""
    try:
        return ModelCard.model_validate(model.details)
    except ValidationError:
        return None


def print_sheet(
    settings: Settings,
    model: Model,
    card: ModelCard | None,
    serves: bool,
    promotions: list[Promotion],
    reviews: list[Review],
    names: Mapping[str, str],
) -> None:
    """`card` is None where nobody can read it; `names` are those of the home's files, by content hash."""
    console = Console(emoji=False)
    sheet = Table.grid(padding=(0, 2))
    sheet.add_column(no_wrap=True)
    sheet.add_column(overflow="fold")
    rows = [*beginning(model, serves)]
    if card is None:
        rows.append(("card", UNREADABLE))
    else:
        rows += told_card(card, settings)
    rows += [("promoted", f"{minute(one.at)}: {one.reason}") for one in promotions]
    rows += [("looked at again", f"{minute(one.at)}: {one.reason}") for one in reviews]
    for name, text in rows:
        sheet.add_row(Text(name, style="bold"), Text(plain(text)))
    console.print(sheet)
    if card is not None and card.scores:
        console.print()
        console.print(scores_of(card, names))
    hint = "--json has all there is, the learning curve and what it was trained on too"
    console.print(f"{hint}; `fxd models compare A B` compares two", style="dim", markup=False)


def beginning(model: Model, serves: bool) -> Iterator[tuple[str, str]]:
    yield "model", f"{model.id}, which {'serves' if serves else 'does not serve'}"
    where = "came with fxd" if model.origin == "factory" else "trained here"
    yield "made", f"{minute(model.created_at)}, {where}"
    yield "began with", f"the weights of {model.parent}" if model.parent else "random weights"
    yield (
        "error",
        f"{model.esr_db:.1f} dB, the energy of all errors over that of all sounds of this home that judged it"
        if math.isfinite(model.esr_db)
        else "unknown",
    )
    yield "decision", model.reason


def told_card(card: ModelCard, settings: Settings) -> list[tuple[str, str]]:
    try:
        return [*about(card, settings)]
    except (ValueError, TypeError, KeyError, AttributeError):
        return [("card", UNREADABLE)]


def about(card: ModelCard, settings: Settings) -> Iterator[tuple[str, str]]:
    yield "network", told_network(card)
    yield "saturator", told_saturator(card, settings)
    yield "training", told_training(card)
    with_parents = ", with those of the models that it descends from" if card.parent else ""
    yield "trained on", f"{len(card.trained_on):,} sounds{with_parents}"
    yield "environment", told_environment(card.environment)


def told_network(card: ModelCard) -> str:
    shape = Architecture.from_json(json.dumps(card.architecture))
    milliseconds = 1000 * shape.receptive_field / card.sample_rate
    arrays = "; ".join(
        f"{len(one.dilations)} layers of {one.channels} channels, dilations {' '.join(map(str, one.dilations))}"
        for one in shape.arrays
    )
    return (
        f"{card.preset}: {card.weights:,} weights, {shape.multiply_adds:,} multiply-adds a frame at "
        f"{card.sample_rate:,} Hz, hears {milliseconds:.0f} ms back; {arrays}"
    )


def told_saturator(card: ModelCard, settings: Settings) -> str:
    learned, now = card.saturator, settings.saturator
    told = ", ".join(f"{name} {getattr(learned, name)}" for name in SaturatorSettings.model_fields)
    if card.settings_hash == settings_hash(now):
        return f"{told}: as now"
    return f"{told}: another than config.toml has now"


def told_training(card: ModelCard) -> str:
    recipe = card.recipe
    parts = [f"{card.steps:,} steps in {card.train_seconds / 60:.1f} minutes"]
    if recipe.get("max_minutes"):
        parts[0] += f" of {recipe['max_minutes']:g}"
    if recipe.get("device"):
        how = "in compiled kernels" if recipe.get("compiled") else "in PyTorch"
        parts.append(f"{how} on {recipe['device']}")
    parts += [
        f"{name} {recipe[key]}" for key, name in (("seed", "seed"), ("version", "recipe")) if key in recipe
    ]
    if recipe.get("cut_by_clock"):
        parts.append("cut by the clock")
    if recipe.get("cut_short"):
        parts.append("ended by hand")
    return ", ".join(parts)


def told_environment(environment: Mapping[str, Any]) -> str:
    libraries = environment.get("libraries") or {}
    known = [environment.get("host"), environment.get("cpu")]
    parts = [str(one) for one in known if one]
    if environment.get("cores"):
        parts.append(f"trained on {environment.get('threads') or 1} of {environment['cores']} cores")
    versions = {name: environment.get(name) for name in ("fxd", "python")} | dict(libraries)
    return ", ".join(parts + [f"{name} {version}" for name, version in versions.items() if version])


def scores_of(card: ModelCard, names: Mapping[str, str]) -> Table:
    """What judged it, the worst first."""
    clips = {clip.content_sha256: f"{Path(clip.path).name} (fxd's own)" for clip in readable_clips()}
    known = clips | dict(names)
    worst = sorted(card.scores, key=lambda one: -math.inf if one.esr_db is None else -one.esr_db)
    more = len(worst) - MOST_SHOWN
    title = "sound that judged it, worst first" + (f"; {more} more in --json" if more > 0 else "")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(title, overflow="fold")
    table.add_column("seconds", justify="right", no_wrap=True)
    table.add_column("ESR dB", justify="right", no_wrap=True)
    for one in worst[:MOST_SHOWN]:
        name = known.get(one.content_sha256, one.content_sha256[:12])
        table.add_row(Text(plain(name)), f"{one.seconds:.1f}", told_error(one))
    return table


def told_error(score: Score) -> str:
    return "nan or inf" if score.esr_db is None else f"{score.esr_db:.1f}"
