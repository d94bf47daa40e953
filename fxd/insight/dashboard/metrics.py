"""`/metrics`: what operators watch, read from the home at the moment in which Prometheus asks.

Everything that counts comes from the database, so a counter goes on where it was after a restart, of the daemon
or of this server. What a daemon that is not running would say is left out, as is the database while it is away.

A counter with a label is told for every value of the label, 0 where there was none yet: to Prometheus, one that
appears at 1 has never increased, and no alarm would hear of the first failure of its kind.
"""

import math
from collections.abc import Iterable
from datetime import datetime
from functools import cache
from statistics import median
from typing import get_args

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from fxd import __version__
from fxd.config import Settings
from fxd.insight.dashboard.ledger import Ledger
from fxd.insight.dashboard.source import Source
from fxd.insight.heard import Heard, heard_sound
from fxd.insight.open_changes import open_changes
from fxd.insight.reasons import NAMES
from fxd.instance import Status
from fxd.store.errors import StoreError
from fxd.store.records import TrainingState
from fxd.store.store import Store
from fxd.store.tallies import BOUNDS, Tally
from fxd.training.lock import Holder, who_trains

RECENT_RUNS = 100
HISTOGRAMS = {
    "queue_seconds": "From seen to begun, of files that are done.",
    "engine_seconds": "What an engine took for a file.",
    "x_realtime": "How many times faster than real time an engine was.",
}


def exposition(source: Source, ledger: Ledger, accept: str) -> tuple[bytes, str]:
    """All metrics as text, in the format that `accept` asks for, and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(HomeCollector(source, ledger))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


class HomeCollector(Collector):
    """Reads a home when it is asked."""

    def __init__(self, source: Source, ledger: Ledger) -> None:
        self.source = source
        self.ledger = ledger

    def describe(self) -> Iterable[Metric]:
        return []

    def collect(self) -> Iterable[Metric]:
        yield gauge("fxd_info", "The version of fxd that answers.", 1, version=__version__)
        yield from of_daemon(self.source.status())
        yield from of_retraining(who_trains(self.source.settings.paths.db))
        try:
            of_store = list(self.from_store(self.source.store(), self.source.settings))
        except (StoreError, OSError):
            of_store = []
        yield gauge("fxd_database_up", "Whether the database could be read just now.", float(bool(of_store)))
        yield from of_store

    def from_store(self, store: Store, settings: Settings) -> Iterable[Metric]:
        yield from of_runs(self.ledger.read(store))
        yield from of_quality(store)
        yield from of_trainings(store)
        text = "Changes of a measure that fxd status tells: lately found, and accepted by nobody."
        yield gauge("fxd_changes_open", text, len(open_changes(store)))
        yield gauge("fxd_dataset_seconds", "Sound in the training set.", store.dataset_seconds())
        yield gauge("fxd_dataset_bytes", "Size of the training set.", store.dataset_bytes())
        most = settings.training.max_dataset_gb * 1e9
        yield gauge("fxd_dataset_limit_bytes", "What [training] max_dataset_gb allows it.", most)


def gauge(name: str, text: str, value: float, **labels: str) -> Metric:
    family = GaugeMetricFamily(name, text, labels=list(labels))
    family.add_metric(list(labels.values()), value)
    return family


def of_daemon(status: Status | None) -> Iterable[Metric]:
    yield gauge("fxd_daemon_running", "Whether a daemon runs on this home.", float(status is not None))
    if status is None:
        return
    paused = float(status.state == "paused")
    yield gauge("fxd_daemon_paused", "Whether trouble with a disk or the database holds it up.", paused)
    since = datetime.fromisoformat(status.started_at).timestamp()
    yield gauge("fxd_daemon_start_time_seconds", "When it started.", since)
    yield gauge("fxd_queue_files", "Files that wait for their turn.", status.waiting)
    yield gauge("fxd_processing_files", "Files that are being processed.", len(status.processing))
    if status.next_retraining:
        due = datetime.fromisoformat(status.next_retraining).timestamp()
        yield gauge("fxd_next_retraining_time_seconds", "When the schedule wants the next one.", due)


def of_retraining(holder: Holder | None) -> Iterable[Metric]:
    yield gauge("fxd_retraining_running", "Whether a retraining is under way.", float(holder is not None))
    if holder is not None and holder.progress:
        done = holder.progress.get("share", 0.0)
        yield gauge("fxd_retraining_progress_ratio", "How much of it is done, from 0 to 1.", done)


def of_runs(tally: Tally) -> Iterable[Metric]:
    runs = CounterMetricFamily("fxd_runs", "Files that came to an end.", labels=["state"])
    for state in ("done", "failed"):
        runs.add_metric([state], tally.states[state])
    yield runs
    failures = CounterMetricFamily("fxd_failures", "Files that failed, by what was wrong.", labels=["reason"])
    for name in NAMES:
        failures.add_metric([name], tally.reasons[name])
    yield failures
    audio = CounterMetricFamily("fxd_audio_seconds", "Sound in the files that are done.")
    audio.add_metric([], tally.audio_seconds)
    yield audio
    for measure in HISTOGRAMS:
        yield histogram(measure, tally)


def histogram(measure: str, tally: Tally) -> Metric:
    by_engine = measure != "queue_seconds"
    family = HistogramMetricFamily(
        f"fxd_{measure}", HISTOGRAMS[measure], labels=["engine"] if by_engine else []
    )
    for engine in ("dsp", "tcn") if by_engine else ("",):
        found = tally.histogram(measure, engine)
        total, buckets = 0, []
        for bound, count in zip((*BOUNDS[measure], math.inf), found.counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == math.inf else repr(float(bound)), float(total)))
        family.add_metric([engine] if by_engine else [], buckets, found.sum)
    return family


def of_quality(store: Store) -> Iterable[Metric]:
    """How close the network is: of the model that serves, and of the latest files."""
    champion = store.champion()
    if champion is not None:
        promoted = store.promotions()[0].at.timestamp()
        names = {"model": champion.id, "preset": champion.preset, "origin": champion.origin}
        yield gauge("fxd_champion_info", "The model that serves.", 1, **names)
        yield gauge("fxd_champion_since_time_seconds", "When it was promoted.", promoted)
        if math.isfinite(champion.esr_db):
            text = "Its error on the recordings that judged it, in dB; lower is closer."
            yield gauge("fxd_champion_esr_db", text, champion.esr_db)
    known = recent_errors(store)
    if known:
        text = f"Median error in dB of those of the last {RECENT_RUNS} files that their model had not trained on."
        yield gauge("fxd_recent_esr_db", text, median(known))


def recent_errors(store: Store) -> list[float]:
    """In dB, the least first: of the last files that are not known to have been trained on."""
    latest = store.measurements([("tcn", "esr_db")], last=RECENT_RUNS, with_names=True)
    trained_on = cache(store.trained_on)
    versions = latest.version["tcn"]
    return sorted(
        value
        for row, value in enumerate(latest.value["tcn", "esr_db"])
        if math.isfinite(value) and heard_sound(trained_on, versions[row], latest.content[row]) != Heard.YES
    )


def of_trainings(store: Store) -> Iterable[Metric]:
    trainings = CounterMetricFamily("fxd_retrainings", "Retrainings that ended, by how.", labels=["state"])
    counted = store.count_trainings()
    for state in get_args(TrainingState):
        if state != "running":  # it will be one of the others
            trainings.add_metric([state], counted.get(state, 0))
    yield trainings
    last = store.last_training()
    if last is not None:
        text = "When the last one began, by how it ended."
        began = last.started_at.timestamp()
        yield gauge("fxd_last_retraining_time_seconds", text, began, state=last.state)
