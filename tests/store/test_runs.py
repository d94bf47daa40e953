import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from sqlalchemy import event

from fxd.store.records import Environment, Example, Quality, Run, Step
from fxd.store.store import Store, open_store

MakeRun = Callable[..., Run]
MakeExample = Callable[..., Example]


def test_a_recorded_run_comes_back_as_it_was(store: Store, make_run: MakeRun) -> None:
    run = make_run()
    assert store.record_run(run, None)
    assert store.run(run.id) == run
    assert store.has_run(run.id)


def test_a_run_that_nobody_recorded_is_not_found(store: Store) -> None:
    assert store.run("nobody") is None
    assert not store.has_run("nobody")
    assert store.runs(10) == []
    assert store.runs_of("riff.wav") == []
    assert store.count_runs() == 0
    assert store.output_owner("riff.dsp.wav") is None


def test_what_is_recorded_outlives_the_store(url: str, make_run: MakeRun) -> None:
    run = make_run()
    with open_store(url) as store:
        store.record_run(run, None)
    with open_store(url) as store:
        assert store.runs(1) == [run]


def test_a_run_is_recorded_once(store: Store, make_run: MakeRun, make_example: MakeExample) -> None:
    run = make_run()
    assert store.record_run(run, None)
    elsewhere = replace(run.environment, host="another")
    again = replace(run, file="other.wav", environment=elsewhere)
    assert not store.record_run(again, make_example())
    assert store.run(run.id) == run
    assert store.examples() == []
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM environments").scalar() == 1


def test_several_runs_are_recorded_together_or_not_at_all(
    store: Store, make_run: MakeRun, make_example: MakeExample
) -> None:
    old, one, other = make_run("old.wav"), make_run("one.wav", 1), make_run("other.wav", 2)
    store.record_run(old, None)
    with pytest.raises(Exception, match="sample_rate"):
        store.record_runs([(one, make_example("c1")), (other, make_example("c2", sample_rate=0))])
    assert store.runs(9) == [old]
    assert store.examples() == []
    entries = [(old, make_example("c0")), (one, make_example("c1")), (other, make_example("c1"))]
    assert store.record_runs(entries) == [one.id, other.id]
    assert store.runs(9) == [other, one, old]
    assert [example.content_sha256 for example in store.examples()] == ["c1"]


def test_a_run_that_cannot_be_recorded_whole_is_not_recorded_at_all(
    store: Store, make_run: MakeRun, make_example: MakeExample
) -> None:
    run = make_run()
    with pytest.raises(Exception, match="sample_rate"):
        store.record_run(run, make_example(sample_rate=0))
    assert not store.has_run(run.id)
    assert store.record_run(run, make_example())
    assert store.run(run.id) == run


def test_numbers_that_do_not_exist_come_back_as_nan(store: Store, make_run: MakeRun) -> None:
    dsp, tcn = make_run().results
    nothing = Quality(math.nan, -math.inf, math.nan, math.inf, math.nan)
    run = make_run(
        results=(replace(dsp, peak_dbfs=-math.inf, loudness_lufs=math.nan), replace(tcn, quality=nothing))
    )
    store.record_run(run, None)
    found = store.runs(1)[0]
    assert found.results[0].peak_dbfs == -math.inf
    assert math.isnan(found.results[0].loudness_lufs)
    assert found.results[0].quality is None
    quality = found.results[1].quality
    assert quality is not None
    assert math.isnan(quality.esr)
    assert math.isnan(quality.mae)
    assert math.isnan(quality.mrstft)
    assert (quality.esr_db, quality.si_sdr_db) == (-math.inf, math.inf)
    with store.read() as connection:
        query = "SELECT count(*) FROM results WHERE loudness_lufs IS NULL AND engine = 'dsp'"
        assert connection.exec_driver_sql(query).scalar() == 1


def test_numbers_of_numpy_are_numbers(store: Store, make_run: MakeRun) -> None:
    dsp, _ = make_run().results
    dsp = replace(dsp, clipped_frames=np.int64(7), peak_dbfs=np.float32(-0.5), output_bytes=np.uint32(9))
    run = make_run(frames=np.int64(5_000_000_000), results=(dsp,))
    store.record_run(run, None)
    found = store.runs(1)[0]
    assert (found.frames, found.results[0].clipped_frames) == (5_000_000_000, 7)
    assert (found.results[0].peak_dbfs, found.results[0].output_bytes) == (-0.5, 9)
    assert type(found.results[0].clipped_frames) is int


def test_times_come_back_in_utc_whatever_zone_they_came_in(store: Store, make_run: MakeRun) -> None:
    at = datetime(2026, 3, 1, 2, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    store.record_run(make_run(received_at=at, steps=(Step(at, "seen"),)), None)
    found = store.runs(1)[0]
    for time in (found.received_at, found.steps[0].at):
        assert time == at
        assert time.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(store: Store, make_run: MakeRun) -> None:
    with pytest.raises(Exception, match="without a time zone"):
        store.record_run(make_run(received_at=datetime(2026, 3, 1)), None)


def test_a_name_that_no_database_takes_is_escaped_and_found_again(store: Store, make_run: MakeRun) -> None:
    name = b"caf\xe9.wav".decode("utf-8", "surrogateescape")
    store.record_run(make_run(f"sub/{name}", reason="a \0 and half a pair \ud800"), None)
    (found,) = store.runs_of(name)
    assert found.file == r"sub/caf\xe9.wav"
    assert found.reason == r"a \x00 and half a pair \ud800"


@pytest.mark.parametrize("name", ["it's; DROP TABLE runs--.wav", "50%_off.wav", 'quo"ted.wav', "漢字 🎸.wav"])
def test_names_are_taken_literally(store: Store, make_run: MakeRun, name: str) -> None:
    run = make_run(name)
    store.record_run(run, None)
    store.record_run(make_run("500_off.wav"), None)
    assert store.runs_of(name) == [run]


def test_runs_come_newest_first_and_no_more_than_asked(store: Store, make_run: MakeRun) -> None:
    runs = [make_run(f"{minute}.wav", minute) for minute in (3, 1, 4, 0, 2)]
    for run in runs:
        store.record_run(run, None)
    assert [run.file for run in store.runs(3)] == ["4.wav", "3.wav", "2.wav"]
    assert store.runs(10) == sorted(runs, key=lambda run: run.finished_at, reverse=True)


def test_runs_are_found_by_path_name_and_output(store: Store, make_run: MakeRun) -> None:
    first, second = make_run("sub/riff.wav", 1), make_run("riff.wav", 2)
    for run in (first, second, make_run("sub/other.wav", 3)):
        store.record_run(run, None)
    assert store.runs_of("sub/riff.wav") == [first]
    assert store.runs_of("riff.wav") == [second, first]
    assert store.runs_of("sub/riff.tcn.wav") == [first]
    assert store.runs_of("riff.dsp.wav") == [second, first]
    assert store.runs_of("riff") == []


def test_runs_are_counted_by_state(store: Store, make_run: MakeRun) -> None:
    store.record_run(make_run(), None)
    store.record_run(make_run(), None)
    failed = make_run(state="failed", reason="no audio", sha256="", sample_rate=0, frames=0, results=())
    store.record_run(failed, None)
    assert (store.count_runs(), store.count_runs("done"), store.count_runs("failed")) == (3, 2, 1)
    assert store.run(failed.id) == failed


def test_the_owner_of_an_output_is_the_input_of_the_run_recorded_last_though_the_clock_was_set_back(
    store: Store, make_run: MakeRun
) -> None:
    store.record_run(make_run("a.wav", 2, sha256="old"), None)
    store.record_run(make_run("a.wav", 1, sha256="new"), None)
    assert store.output_owner("a.dsp.wav") == "new"
    assert store.output_owner("b.dsp.wav") is None


def test_the_runs_since_a_time_come_newest_first(store: Store, make_run: MakeRun) -> None:
    runs = [make_run("a.wav", minute) for minute in range(4)]
    for run in runs:
        store.record_run(run, None)
    assert store.runs_since(runs[2].finished_at) == [runs[3], runs[2]]


def test_the_sounds_that_a_model_heard_are_known(store: Store, make_run: MakeRun) -> None:
    store.record_run(make_run("early.wav", content_sha256="c0"), None)
    later = make_run("late.wav", 1, content_sha256="c1")
    for run in (later, make_run("again.wav", 2, content_sha256="c1"), make_run("of_old.wav", 3)):
        store.record_run(run, None)
    assert store.run(later.id) == later
    assert store.contents_heard("model-1", later.finished_at) == {"c1"}
    assert store.contents_heard("model-1", later.finished_at - timedelta(days=1)) == {"c0", "c1"}
    assert store.contents_heard("model-2", later.finished_at) == set()


def test_steps_keep_the_order_in_which_they_came_though_the_clock_jumped(
    store: Store, make_run: MakeRun
) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    run = make_run(steps=(Step(noon, "seen"), Step(noon - timedelta(hours=1), "started")))
    store.record_run(run, None)
    store.record_run(make_run("other.wav"), None)
    store.add_steps([(run.id, Step(noon - timedelta(hours=2), "archived", "done/riff.wav"))])
    found = store.run(run.id)
    assert found is not None
    assert [step.name for step in found.steps] == ["seen", "started", "archived"]


def test_runs_of_one_environment_share_it(store: Store, make_run: MakeRun) -> None:
    other = Environment("laptop", "M4", 8, 4, "3.13.1", "0.1.0", {"numpy": "2.4.6", "numba": "0.68.1"})
    store.record_run(make_run(minute=1), None)
    store.record_run(make_run(minute=2), None)
    store.record_run(make_run(minute=3, environment=other), None)
    assert [run.environment.host for run in store.runs(3)] == ["laptop", "studio", "studio"]
    assert store.runs(1)[0].environment == other
    with store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM environments").scalar() == 2


@pytest.mark.parametrize("database", ["sqlite-wal", "postgresql"], indirect=True)
def test_a_run_recorded_while_others_are_read_does_not_tear_them(
    store: Store, url: str, make_run: MakeRun
) -> None:
    """With the rollback journal the writer waits for the reader; here it does not."""
    old = make_run("old.wav", 1)
    store.record_run(old, None)

    new = make_run("new.wav", 2)

    def record_another(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "FROM results" in statement:
            with open_store(url) as other:
                other.record_run(new, None)

    event.listen(store.engine, "before_cursor_execute", record_another)
    assert store.runs(1) == [old]
    assert store.runs(1) == [new]


def test_a_sound_is_named_by_the_file_in_which_it_came_last(store: Store, make_run: MakeRun) -> None:
    for minute, (file, content) in enumerate([("a.wav", "c0"), ("sub/b.wav", "c1"), ("copy of a.wav", "c0")]):
        store.record_run(make_run(file, minute, content_sha256=content), None)
    store.record_run(make_run("older than contents.wav", 9), None)
    assert store.files_of(["c0", "c1", "c2"]) == {"c0": "copy of a.wav", "c1": "sub/b.wav"}
    assert store.files_of([]) == {}


@pytest.mark.parametrize(("last", "since"), [(None, 0), (None, 3), (7, 0), (4, 3), (6, 3), (1, 0)])
def test_pages_of_runs_hold_what_a_list_would(
    store: Store, make_run: MakeRun, last: int | None, since: int
) -> None:
    # Pairs of runs that finished at the same moment: a page may end between two of them.
    made = [
        make_run(f"{number}.wav", number // 2, state="failed" if number % 3 else "done")
        for number in range(11)
    ]
    store.record_runs([(run, None) for run in made])
    moment = made[2 * since].finished_at
    wanted = [replace(run, steps=()) for run in store.runs_since(moment)][:last]
    for size in (1, 3, 100):
        pages = list(store.pages(last, moment, size))
        assert [run for page in pages for run in page] == wanted
        assert all(len(page) == size for page in pages[:-1])
    done = sum(run.state == "done" for run in wanted)
    assert store.count_done(last, moment) == (done, len(wanted) - done)


def test_an_empty_log_has_no_pages(store: Store) -> None:
    assert list(store.pages(None, None, 5)) == []
    assert store.count_done(None, None) == (0, 0)
