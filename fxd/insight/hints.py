"""What a person should know before believing a number."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.insight.machines import labels
from fxd.insight.stats import NO_RUNS, TIMING, Series
from fxd.local_time import minute
from fxd.store.records import Model
from fxd.store.store import Store

if TYPE_CHECKING:
    from fxd.insight.together import Span


def model_hint(settings: Settings, champion: Model | None) -> str:
    """A sentence where the model that serves learned another saturator than the configured one; else nothing."""
    if champion is None or champion.settings_hash == settings_hash(settings.saturator):
        return ""
    return (
        f"model {champion.id} learned other [saturator] settings than config.toml has now: its error says "
        "little until a retraining (`fxd retrain --now`)"
    )


def review_hint(store: Store, champion: Model | None) -> str:
    """A sentence where new files say that the model that serves is worse than the one before; else nothing."""
    reviews = store.reviews(champion.id) if champion else []
    serving = next(iter(store.promotions()), None)
    if not reviews or not reviews[0].worse or serving is None or reviews[0].at < serving.at:
        return ""
    return f"{reviews[0].reason}; `fxd models rollback` returns to it"


def mixed_hints(span: Span, series: Iterable[Series]) -> list[str]:
    """Sentences where figures of `series` over all runs mix several models, saturator settings or machines."""
    said = []
    if span.models > 1 or span.settings > 1:
        said.append(
            f"these runs span {counted(span.models, 'model')} and "
            f"{counted(span.settings, 'saturator setting')}; the figures together mix them"
        )
    if len(span.machines) > 1 and any(measure in TIMING for _, measure in series):
        names = " and ".join(sorted(labels(list(span.machines)).values()))
        said.append(f"timing is of {names} together; `fxd stats --by host` tells it of each")
    return said


def nothing_to_tell(store: Store, since: datetime | None, last: int | None = None) -> str:
    """Why there is nothing to tell of the runs that are done since then, of all or of the newest `last`."""
    newest = next(iter(store.runs(1)), None)
    if newest is None:
        return NO_RUNS
    began = f" since {minute(since)}" if since else ""
    if since and newest.finished_at < since:
        return f"No runs are done{began}; the newest of all is of {minute(newest.finished_at)}."
    which = ("runs" if last is None else f"newest {counted(last, 'run')}") + began
    _, failed = store.count_done(last, since)
    return f"None of the {which} was done: {failed:,} failed; `fxd stats` tells why."


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"
