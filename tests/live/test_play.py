"""How playing is looked after and ends: nobody is kept waiting, and what is left to do is done."""

import os
import signal
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from homes import Home, wait_until

from fxd.commands.play import Signals, tell, tell_takes
from fxd.home import open_home
from fxd.live.board import Cell
from fxd.live.desk import Desk
from fxd.live.logbook import Logbook
from fxd.live.ports import Ports
from fxd.live.record import Recorder
from fxd.store.records import Environment, LiveSession
from fxd.store.store import open_store

HERE = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {})


def session(ending: str = "") -> LiveSession:
    numbers = (48_000, 64, 1, 35, 0.004, 100, 0.02, 0.05, 0.3, 0, 2, 0, 0, 1)
    at = datetime(2026, 3, 1, tzinfo=UTC)
    return LiveSession("a", at, 90.0, ending, HERE, "both", None, "5a77", "card", *numbers, "")


def test_what_is_told_where_nobody_reads_any_more_fails_neither_then_nor_later() -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "w", encoding="utf-8") as nobody:
        tell("a line", nobody)
        tell("another", nobody)


def test_a_signal_that_somebody_chose_to_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Signals() as signals:
            os.kill(os.getpid(), signal.SIGINT)
            assert not signals.received
            os.kill(os.getpid(), signal.SIGTERM)
            assert signals.received == "SIGTERM"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_locked_database_keeps_nobody_waiting_and_is_written_to_once_it_is_free(home: Home) -> None:
    _, settings = open_home(home.root)
    with open_store(settings.database_url) as store:
        locker = sqlite3.connect(settings.paths.db / "fxd.sqlite3", isolation_level=None)
        locker.execute("BEGIN EXCLUSIVE")
        logbook = Logbook(store, session)
        logbook.start()
        locker.execute("ROLLBACK")
        locker.close()
        wait_until(lambda: store.live_sessions(1), "the session is in the log")
        assert logbook.finish(session("with a key")) is None
        assert [kept.ending for kept in store.live_sessions(9)] == ["with a key"]


def test_a_full_disk_is_not_called_a_slow_one(home: Home, tmp_path: Path) -> None:
    _, settings = open_home(home.root)
    desk = Desk(48_000, 1, Ports(1, 0, 1), 0, record=True)
    recorder = Recorder(desk, tmp_path / "take.wav")
    recorder.put(*np.zeros((2, 1, 24_000), np.float32))
    desk.board[Cell.LOST] = 48_000
    assert tell_takes(settings, recorder, learn=False) == [
        "the disk was too slow: 1.0 s of the recording are missing"
    ]
    recorder.error = OSError(28, "No space left on device")
    assert tell_takes(settings, recorder, learn=False) == []
    assert recorder.failure == "it ended after 0.5 s: No space left on device"
    recorder.part.close()
