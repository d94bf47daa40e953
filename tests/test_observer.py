"""The daemon looks for changes by itself, says so once, and `fxd status` shows them until they are accepted."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from homes import Home, wait_until
from logs import STUDIO, Log
from loguru import logger

import fxd.observer
from fxd.observer import RUNS_BETWEEN, Observer
from fxd.store.store import Store, open_store

NEWER = replace(STUDIO, fxd="0.2.0")


@pytest.fixture
def log(home: Home, capsys: pytest.CaptureFixture[str]) -> Log:
    return Log(home.root, capsys)


@pytest.fixture
def store(log: Log) -> Iterator[Store]:
    with open_store(log.url) as opened:
        yield opened


@pytest.fixture
def lines() -> Iterator[list[str]]:
    """What is logged, each with its level."""
    heard: list[str] = []
    handler = logger.add(lambda message: heard.append(str(message)), format="{level} {message}")
    yield heard
    logger.remove(handler)


@pytest.fixture
def observer(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Observer]:
    """One that need not wait for its time."""
    for name in ("FIRST_SECONDS", "SECONDS_BETWEEN"):
        monkeypatch.setattr(fxd.observer, name, 0.0)
    made = Observer(home.root)
    yield made
    made.stop()


def record(log: Log, store: Store, count: int, tcn_x: float = 80.0, **fields: object) -> None:
    before = len(log.runs)
    noise = random.Random(before)
    for number in range(before, before + count):
        log.add(f"c{number}", tcn_x=tcn_x * noise.uniform(0.97, 1.03), **fields)
    store.record_runs([(run, None) for run in log.runs[before:]])


def finished(observer: Observer, store: Store, done: int, is_idle: bool = True) -> Callable[[], bool]:
    """Tends once and more, until a look has come to its end."""

    def tended() -> bool:
        observer.tend(store, done, is_idle)
        return observer.child is None

    return tended


def test_a_look_logs_what_is_new_once_as_a_warning_where_it_is_worse(
    log: Log, store: Store, observer: Observer, lines: list[str]
) -> None:
    record(log, store, 40)
    record(log, store, 20, 60.0, on=NEWER)
    observer.tend(store, 0, True)
    assert observer.child is not None
    wait_until(finished(observer, store, 0), "the first look ends")
    told = [line for line in lines if "% slower on studio" in line]
    assert len(told) == 1
    assert told[0].startswith("WARNING change ")
    assert "fxd went from 0.1.0 to 0.2.0" in told[0]
    lines.clear()
    record(log, store, 20, 80.0, on=replace(NEWER, fxd="0.3.0"))
    observer.tend(store, RUNS_BETWEEN, True)
    wait_until(finished(observer, store, RUNS_BETWEEN), "the second look ends")
    (told,) = [line for line in lines if "% faster on studio" in line]
    assert told.startswith("INFO change ")
    assert not [line for line in lines if "slower" in line]


def test_what_was_known_before_the_daemon_started_is_not_logged_again(
    log: Log, store: Store, observer: Observer, lines: list[str]
) -> None:
    record(log, store, 40)
    record(log, store, 20, 60.0)
    log.runs.clear()
    assert "slower" in log.ask("--changes")
    observer.tend(store, 0, True)
    wait_until(finished(observer, store, 0), "the look ends")
    assert lines == []


def test_there_is_no_look_without_enough_new_runs_nor_in_the_midst_of_work(
    log: Log, store: Store, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(log, store, RUNS_BETWEEN - 1)
    observer.tend(store, 0, True)
    assert observer.child is None
    for done, is_idle in ((RUNS_BETWEEN - 1, True), (RUNS_BETWEEN, False)):
        observer.tend(store, done, is_idle)
        assert observer.child is None
    monkeypatch.setattr(fxd.observer, "PATIENCE_SECONDS", 0.0)
    observer.tend(store, RUNS_BETWEEN, False)
    assert observer.child is not None, "not for ever"
    wait_until(finished(observer, store, RUNS_BETWEEN), "the look ends")
    observer.tend(store, 2 * RUNS_BETWEEN - 1, True)
    assert observer.child is None


def test_a_look_comes_at_most_so_often(
    log: Log, store: Store, observer: Observer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(log, store, RUNS_BETWEEN)
    monkeypatch.setattr(fxd.observer, "SECONDS_BETWEEN", 3600.0)
    observer.tend(store, 0, True)
    wait_until(finished(observer, store, 0), "the look ends")
    observer.tend(store, 1_000, True)
    assert observer.child is None


def test_a_look_that_fails_is_told_once_with_its_reason(
    home: Home, log: Log, store: Store, observer: Observer, lines: list[str]
) -> None:
    record(log, store, RUNS_BETWEEN)
    home.configure("[processing]\nworker = 1\n")
    for done in (0, RUNS_BETWEEN):
        observer.tend(store, done, True)
        wait_until(finished(observer, store, done), "the look ends")
    (line,) = lines
    assert line.startswith("WARNING looking for changes ended with code 2: fxd: ")
    assert "worker" in line


def test_the_main_loop_is_not_held_up_by_a_look(log: Log, store: Store, observer: Observer) -> None:
    """To begin one takes no longer than to start a process, whatever the look takes."""
    record(log, store, RUNS_BETWEEN)
    began = time.thread_time()
    observer.tend(store, 0, True)
    for _ in range(100):
        observer.tend(store, 0, True)
    assert observer.child is not None
    assert time.thread_time() - began < 0.5
    observer.stop()
    assert observer.child.returncode is not None


@pytest.mark.long
def test_status_shows_recent_changes_until_they_are_accepted(home: Home, log: Log, store: Store) -> None:
    record(log, store, 40)
    record(log, store, 20, 60.0, on=NEWER)
    log.runs.clear()
    log.ask("--changes")
    shown = home.json("status")["changes"]
    assert {change["worse"] for change in shown} == {True}
    assert len(shown) == 2
    words = " ".join(home.fxd("status").stdout.split())
    assert "slower on studio" in words
    assert "`--accept ID` if one was to be expected" in words
    for change in shown:
        log.ask("--accept", str(change["id"]))
    assert home.json("status")["changes"] == []
    assert "slower" not in home.fxd("status").stdout


@pytest.mark.long
def test_a_running_daemon_finds_a_change_by_itself(home: Home, log: Log, store: Store) -> None:
    record(log, store, 40)
    record(log, store, 20, 60.0, on=NEWER)
    daemon = home.start()
    wait_until(lambda: "slower on studio" in home.stderr(), "the daemon tells the change")
    assert home.stop(daemon) == 0


@pytest.mark.long
def test_other_material_is_no_warning_and_not_in_status(
    home: Home, log: Log, store: Store, observer: Observer, lines: list[str]
) -> None:
    record(log, store, 30, esr_db=-50.0)
    record(log, store, 30, esr_db=-40.0)
    observer.tend(store, 0, True)
    wait_until(finished(observer, store, 0), "the look ends")
    (line,) = [line for line in lines if "ESR" in line]
    assert line.startswith("INFO ")
    assert home.json("status")["changes"] == []
