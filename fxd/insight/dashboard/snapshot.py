"""What the page shows of one moment, from the two places that know it: what processes say, and the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fxd.config import settings_mark
from fxd.insight.dashboard.ledger import Ledger
from fxd.insight.dashboard.source import Source
from fxd.insight.heard import Heard, heard_runs
from fxd.insight.hints import mixed_hints, model_hint, review_hint
from fxd.insight.open_changes import open_changes
from fxd.insight.together import span_of
from fxd.instance import Status
from fxd.privacy import open_to_others
from fxd.store.records import Change, CurvePoint, Model, Promotion, Run, Training
from fxd.store.store import Store
from fxd.store.tallies import Tally
from fxd.training.lock import Holder, who_trains

RUNS_SHOWN = 15


@dataclass(frozen=True)
class Now:
    """What is going on; no database is asked."""

    status: Status | None
    """None where no daemon runs."""
    is_outdated: bool
    """Whether the daemon runs with other settings than those of this server."""
    trainer: Holder | None


@dataclass(frozen=True)
class Log:
    """What the database remembers."""

    runs: list[Run]
    """Newest first."""
    heard: dict[str, Heard]
    """Of each of them, by its id, whether its model had trained on the sound."""
    tally: Tally
    champion: Model | None
    promotion: Promotion | None
    """Its own."""
    dataset_seconds: float
    dataset_bytes: int
    training: Training | None
    """The last one; it may be under way."""
    curve: list[CurvePoint]
    changes: list[Change]
    """Of a measure, newest first: those that are open."""
    notes: list[str]
    """What to know before believing a number."""


def look_now(source: Source) -> Now:
    status = source.status()
    is_outdated = status is not None and status.settings not in ("", settings_mark(source.settings))
    return Now(status, is_outdated, who_trains(source.settings.paths.db))


def read_log(source: Source, ledger: Ledger, home: Path, before: Log | None = None) -> Log:
    """What the database says now; what does not change is taken from the log `before`.

    Raises StoreError or OSError where the database cannot be read now.
    """
    store, settings = source.store(), source.settings
    runs, champion, promotions = store.runs(RUNS_SHOWN), store.champion(), store.promotions()
    training = store.last_training()
    # The plots below tell timing of one machine only.
    mixed = mixed_hints(span_of(runs), series=())
    hints = (model_hint(settings, champion), review_hint(store, champion), *mixed)
    return Log(
        runs=runs,
        heard=heard_among(store, runs, before.heard if before else {}),
        tally=ledger.read(store),
        champion=champion,
        promotion=promotions[0] if promotions else None,
        dataset_seconds=store.dataset_seconds(),
        dataset_bytes=store.dataset_bytes(),
        training=training,
        curve=store.curve(training.id) if training else [],
        changes=open_changes(store),
        notes=[*filter(None, hints), *open_to_others(home, settings)],
    )


def heard_among(store: Store, runs: Sequence[Run], known: Mapping[str, Heard]) -> dict[str, Heard]:
    """By their ids; only of runs that are not known yet the store is asked: a model's sounds may be thousands."""
    fresh = [run for run in runs if run.id not in known]
    found = zip(fresh, heard_runs(store.trained_on, fresh), strict=True)
    asked = {run.id: heard for run, heard in found}
    return {run.id: asked[run.id] if run.id in asked else known[run.id] for run in runs}
