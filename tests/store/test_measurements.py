"""Columns of many runs say the same as the runs one by one."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from fxd.store import measurements, sqlite
from fxd.store.measurements import text_key
from fxd.store.records import Environment, Run
from fxd.store.store import Store, open_store

MakeRun = Callable[..., Run]
ESR_DB, PEAK = ("tcn", "esr_db"), ("dsp", "peak_dbfs")
ELSEWHERE = Environment("laptop", "M4", 8, 1, "3.12.1", "0.2.0", {})


@pytest.fixture
def recorded(store: Store, make_run: MakeRun) -> list[Run]:
    """Three runs that are done, oldest first; one that failed lies between them."""
    unmeasured = make_run("b.wav", 2)
    dsp, tcn = unmeasured.results
    unmeasured = replace(unmeasured, results=(dsp, replace(tcn, version="model-2", quality=None)))
    done = [
        make_run("a.wav", 0, warm_up=True, content_sha256="c1"),
        unmeasured,
        make_run("a.wav", 3, environment=ELSEWHERE, content_sha256="c1", channels=1),
    ]
    failed = make_run("bad.wav", 1, state="failed", reason="no audio", results=(), sample_rate=0, frames=0)
    store.record_runs([(run, None) for run in (done[2], failed, done[0], done[1])])
    return done


def test_columns_hold_what_the_runs_hold_oldest_first(store: Store, recorded: list[Run]) -> None:
    found = store.measurements([ESR_DB, PEAK], with_names=True)
    assert list(found.finished_at) == [run.finished_at.timestamp() for run in recorded]
    assert list(found.seconds) == [5.0, 5.0, 5.0]
    assert (list(found.channels), list(found.sample_rate)) == ([2, 2, 1], [44_100] * 3)
    assert list(found.warm_up) == [1, 0, 0]
    assert [found.environments[key] for key in found.environment] == [run.environment for run in recorded]
    assert [found.version["tcn"][row] for row in range(3)] == ["model-1", "model-2", "model-1"]
    assert [found.version["dsp"][row] for row in range(3)] == ["5a77"] * 3
    assert found.value[ESR_DB][0] == -35.2
    assert math.isnan(found.value[ESR_DB][1])
    assert list(found.value[PEAK]) == [2.3] * 3
    assert found.run_id == [run.id for run in recorded]
    assert [found.file[row] for row in range(3)] == ["a.wav", "b.wav", "a.wav"]
    assert [found.content[row] for row in range(3)] == ["c1", None, "c1"]


def test_only_the_newest_or_those_since_a_moment(store: Store, recorded: list[Run]) -> None:
    files = [run.finished_at.timestamp() for run in recorded]
    assert list(store.measurements([], last=2).finished_at) == files[1:]
    assert list(store.measurements([], since=recorded[1].finished_at).finished_at) == files[1:]
    assert list(store.measurements([], since=recorded[1].finished_at, last=1).finished_at) == files[2:]
    assert len(store.measurements([ESR_DB], last=2).value[ESR_DB]) == 2


@pytest.mark.parametrize("piece", [1, 2, 3, 7])
def test_what_is_read_in_pieces_is_whole(
    store: Store, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(measurements, "ROWS_AT_A_TIME", piece)
    runs = [make_run(f"{n}.wav", n // 3, id=f"{n:03}") for n in range(7)]  # three of a moment
    store.record_runs([(run, None) for run in reversed(runs)])
    ids = [run.id for run in runs]
    assert store.measurements([ESR_DB], with_names=True).run_id == ids
    assert store.measurements([ESR_DB], last=5, with_names=True).run_id == ids[2:]
    assert store.measurements([ESR_DB], last=9, with_names=True).run_id == ids
    found = store.measurements([ESR_DB], since=runs[3].finished_at, last=3, with_file_keys=True)
    assert list(found.file_key) == [text_key(run.file) for run in runs[4:]]


def test_who_reads_long_keeps_nobody_from_writing(
    store: Store, url: str, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measurements, "ROWS_AT_A_TIME", 1)
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    store.record_runs([(make_run(f"{n}.wav", n), None) for n in range(3)])
    with open_store(url) as writer:
        for _ in store.parts([ESR_DB], None, None, []):
            writer.record_run(make_run("meanwhile.wav", -5), None)


def test_names_are_left_out_unless_asked_for(store: Store, recorded: list[Run]) -> None:
    found = store.measurements([ESR_DB])
    assert len(found) == len(recorded)
    assert (found.run_id, list(found.file.codes), list(found.content.codes)) == ([], [], [])


def test_a_run_of_one_engine_has_nothing_of_the_other(store: Store, make_run: MakeRun) -> None:
    run = make_run("a.wav")
    store.record_run(replace(run, results=run.results[:1]), None)
    found = store.measurements([("tcn", "output_bytes"), ESR_DB, ("dsp", "clipped_frames")])
    assert [math.isnan(found.value[key][0]) for key in found.value] == [True, True, False]
    assert found.version["tcn"][0] is None


def test_an_empty_log_has_empty_columns(store: Store) -> None:
    found = store.measurements([ESR_DB], last=10)
    assert (len(found), list(found.value[ESR_DB]), found.environments) == (0, [], {})


@pytest.mark.usefixtures("recorded")
def test_files_and_content_keys_come_alone(store: Store) -> None:
    found = store.measurements([ESR_DB], with_files=True, with_content_keys=True)
    assert [found.file[row] for row in range(3)] == ["a.wav", "b.wav", "a.wav"]
    assert list(found.content_key) == [text_key("c1"), 0, text_key("c1")]
    assert text_key("c1") != text_key("c2")
    assert (found.run_id, list(found.content.codes)) == ([], [])
