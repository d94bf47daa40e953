"""Runs counted in the database are the runs that are there, however they are cut into parts."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fxd.store.records import Run
from fxd.store.store import Store
from fxd.store.tallies import BOUNDS, Tally

MakeRun = Callable[..., Run]
LATER = datetime(2100, 1, 1, tzinfo=UTC)


@pytest.fixture
def recorded(store: Store, make_run: MakeRun) -> list[Run]:
    """Runs of all kinds, several of which finished at the same moment."""
    paces = (0.001, 0.02, 0.5, 1000.0, float("nan"))
    found = [
        make_run(f"{number}.wav", number // 3, queue_seconds=0.05 * number, frames=44_100 * number)
        for number in range(20)
    ]
    for number, run in enumerate(found):
        dsp, tcn = (
            replace(one, engine_seconds=paces[(number + shift) % 5]) for shift, one in enumerate(run.results)
        )
        found[number] = replace(run, results=(dsp, tcn), warm_up=number % 7 == 0)
    failed = {"results": (), "sample_rate": 0, "frames": 0, "state": "failed"}
    found += [make_run(f"bad{number}.wav", 2, reason=f"reason {number % 2}", **failed) for number in range(5)]
    found.append(replace(found[1], id="without results", results=()))
    store.record_runs([(run, None) for run in found])
    return found


def counted(runs: Sequence[Run]) -> Tally:
    """The same, one by one."""
    found = Tally(
        Counter(run.state for run in runs), Counter(run.reason for run in runs if run.state == "failed")
    )
    done = [run for run in runs if run.state == "done"]
    found.audio_seconds = sum(run.seconds for run in done)
    for run in done:
        if run.warm_up:
            continue
        add(found, "queue_seconds", "", run.queue_seconds)
        for one in run.results:
            add(found, "engine_seconds", one.engine, one.engine_seconds)
            add(found, "x_realtime", one.engine, run.seconds / one.engine_seconds)
    return found


def add(found: Tally, measure: str, engine: str, value: float) -> None:
    if not math.isnan(value):
        found.count(measure, engine, bisect_left(BOUNDS[measure], value), 1, value)


def assert_same(found: Tally, wanted: Tally) -> None:
    assert (found.states, found.reasons) == (wanted.states, wanted.reasons)
    assert found.audio_seconds == pytest.approx(wanted.audio_seconds)
    assert found.histograms.keys() == wanted.histograms.keys()
    for key, histogram in found.histograms.items():
        assert histogram.counts == wanted.histograms[key].counts, key
        assert histogram.sum == pytest.approx(wanted.histograms[key].sum), key


def test_all_of_them_at_once(store: Store, recorded: list[Run]) -> None:
    found, until = store.tally(None, LATER, 1_000)
    assert until == LATER
    assert_same(found, counted(recorded))


@pytest.mark.parametrize("about", [1, 2, 4, 7, 26])
def test_part_by_part_each_is_counted_once(store: Store, recorded: list[Run], about: int) -> None:
    whole, until, parts = Tally(), None, 0
    while until is None or until < LATER:
        part, until = store.tally(until, LATER, about)
        whole.add(part)
        parts += 1
    assert parts > 1 or about >= len(recorded)
    assert_same(whole, counted(recorded))


def test_from_a_moment_on_and_how_many_there_are(store: Store, recorded: list[Run]) -> None:
    since = recorded[9].finished_at
    found, count = store.tally_since(since)
    assert count == len(recorded)
    assert_same(found, counted([run for run in recorded if run.finished_at >= since]))


def test_an_empty_log(store: Store) -> None:
    assert store.tally(None, LATER, 10) == (Tally(), LATER)
    assert store.tally_since(datetime.now(UTC) - timedelta(1)) == (Tally(), 0)


def test_a_bucket_takes_its_bound(store: Store, make_run: MakeRun) -> None:
    bounds = BOUNDS["queue_seconds"]
    store.record_runs([(make_run(f"{bound}.wav", queue_seconds=bound), None) for bound in (*bounds, 1e9)])
    assert store.tally(None, LATER, 100)[0].histogram("queue_seconds").counts == [1] * (len(bounds) + 1)
