"""Everything that a report shows, without a trace of how: `gather` asks the store, the models and the sounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np

from fxd import __version__
from fxd.config import Settings
from fxd.insight.aside import look_aside
from fxd.insight.hints import model_hint, review_hint
from fxd.insight.report.lineage import CostPoint, ModelRow, cost_points, in_window, median, model_row
from fxd.insight.report.logbook import Logbook, Machine, read_logbook
from fxd.insight.report.marks import marks_of
from fxd.insight.report.material import Distribution, FileRow, distribution_of, material_of, worst_of
from fxd.insight.report.sounds import Sound, sounds_of
from fxd.insight.report.traits import hardest, profiles_of, traits_of, words
from fxd.insight.report.trend import MOST_POINTS, Mark, Trend, trend_of
from fxd.insight.report.verdict import Sentence, verdict
from fxd.store.overview import Failure
from fxd.store.records import Change, Environment, LiveSession
from fxd.store.store import Store

Audio = Literal["flac", "opus", "none"]
OnProgress = Callable[[str, float], None]

MOST_REASONS = 8
MOST_SESSIONS = 20


@dataclass(frozen=True)
class Window:
    """Which runs are told of."""

    since: datetime | None = None
    last: int | None = None

    def begins(self, store: Store) -> datetime | None:
        """The moment from which on runs count; None for all of them."""
        moments = [self.since, store.beginning_of(self.last) if self.last else None]
        return max((one for one in moments if one is not None), default=None)


@dataclass(frozen=True)
class Listening:
    """What can be heard in the report."""

    audio: Audio
    sounds: tuple[Sound, ...]
    available: int
    """Files, among the newest and the worst, of which all three sounds are still there."""


@dataclass(frozen=True)
class EnvironmentRow:
    """Where runs happened."""

    environment: Environment
    runs: int
    first: datetime
    last: datetime
    x_realtime: dict[str, float]
    """Median, by engine; nan where there is none."""


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    made_at: datetime
    fxd: str
    asked: Window
    """What was asked for."""
    since: datetime | None
    """When that begins; None for all."""
    first: datetime | None
    last: datetime | None
    """When the runs of it finished; None where there are none."""
    done: int
    failed: int
    files: int
    """That were compared."""
    failures: tuple[Failure, ...]
    notes: tuple[str, ...]
    """What to know before believing a number."""
    verdict: tuple[Sentence, ...]
    marks: tuple[Mark, ...]
    error: Trend
    speed: tuple[Trend, ...]
    """By engine, on `machine`."""
    speed_counts_cold: bool
    """Whether first runs of cold workers are in it, as there are no others."""
    machine: Machine | None
    distribution: Distribution
    worst: tuple[FileRow, ...]
    listening: Listening
    models: tuple[ModelRow, ...]
    costs: tuple[CostPoint, ...]
    environments: tuple[EnvironmentRow, ...]
    played: tuple[LiveSession, ...]
    """Sessions of playing live, newest first."""


def gather(
    settings: Settings,
    store: Store,
    window: Window,
    files: int = 3,
    audio: Audio = "flac",
    on_progress: OnProgress = lambda _what, _share: None,
) -> Report:
    """Everything about the runs of `window`, with `files` of them to listen to."""
    on_progress("looking for changes", 0.0)
    changes = changes_of(settings, store)
    on_progress("reading the log", 0.2)
    since = window.begins(store)
    log = read_logbook(store, since)
    on_progress("looking at the models", 0.5)
    promotions = store.promotions()
    rows = [model_row(model, promotions) for model in store.each_model()]
    failed, failures = store.failures(since, MOST_REASONS)
    material = material_of(log, np.arange(len(log)))
    traits = traits_of(log, material, profiles_of(log, material, store.profiles()))
    worst = [
        replace(row, traits=words(traits, place)) for place, row in worst_of(store, log, material).items()
    ]
    names = names_of(store, log, since)
    champion = store.champion()
    notes = [hint for hint in (model_hint(settings, champion), review_hint(store, champion)) if hint]
    models = [in_window(row, log) for row in rows]
    sounds, available = list[Sound](), 0
    if audio != "none":
        on_progress("listening", 0.6)
        sounds, available = sounds_of(
            settings,
            store,
            log,
            material,
            files,
            audio,
            lambda share: on_progress("listening", 0.6 + 0.3 * share),
        )
    on_progress("drawing", 0.9)
    machine, marks = log.machine, marks_of(log, promotions, changes)
    return Report(
        made_at=datetime.now(UTC),
        fxd=__version__,
        asked=window,
        since=since,
        first=log.time(0) if len(log) else None,
        last=log.time(-1) if len(log) else None,
        done=len(log),
        failed=failed,
        files=len(material),
        failures=tuple(failures),
        notes=tuple(notes),
        verdict=verdict(log, material, worst, hardest(log, material, traits), marks, failed),
        marks=marks,
        error=trend_of("tcn", log, log.esr_db, names),
        speed=tuple(speed_trends(log, machine, names)),
        speed_counts_cold=log.counts_cold,
        machine=machine,
        distribution=distribution_of(log, material),
        worst=tuple(worst),
        listening=Listening(audio, tuple(sounds), available),
        models=tuple(models),
        costs=tuple(cost_points(models)),
        environments=tuple(environment_rows(log)),
        played=tuple(
            one for one in store.live_sessions(MOST_SESSIONS) if not since or one.started_at >= since
        ),
    )


def names_of(store: Store, log: Logbook, since: datetime | None) -> Sequence[str | None]:
    """The file of every run, where they are few enough to be drawn one by one; else nothing."""
    if not 0 < len(log) <= MOST_POINTS:
        return []
    named = store.measurements([], since=since, last=len(log) + 50, with_names=True)
    by_moment = {named.finished_at[row]: named.file[row] for row in range(len(named))}
    return [by_moment.get(float(at)) for at in log.at]


def speed_trends(log: Logbook, machine: Machine | None, names: Sequence[str | None]) -> list[Trend]:
    if machine is None:
        return []
    there = log.on(machine)
    return [trend_of(engine, log, np.where(there, x, np.nan), names) for engine, x in log.x_realtime.items()]


def changes_of(settings: Settings, store: Store) -> list[Change]:
    """The changes in the newest runs, as they are found now, and before these those that are known."""
    found, since = look_aside(settings.database_url)
    here = store.with_ids(found)
    told = {one.id for one in here}
    return [*here, *(one for one in store.changes() if one.at < since and one.id not in told)]


def environment_rows(log: Logbook) -> list[EnvironmentRow]:
    """The newest first."""
    rows = []
    for key, environment in log.environments.items():
        there = np.flatnonzero(log.environment == key)
        if len(there):
            x = {str(engine): median(values[there]) for engine, values in log.x_realtime.items()}
            first, last = log.time(int(there[0])), log.time(int(there[-1]))
            rows.append(EnvironmentRow(environment, len(there), first, last, x))
    return sorted(rows, key=lambda row: row.last, reverse=True)
