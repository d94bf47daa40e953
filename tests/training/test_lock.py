"""One retraining a home: whoever comes second is told who is at work, and the daemon waits for that one."""

import json
import math
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fxd.config import Settings
from fxd.retrainer import Retrainer
from fxd.store.records import Example, Training
from fxd.store.store import Store
from fxd.training import lock as lock_module
from fxd.training.lock import (
    HOLDER_NAME,
    AlreadyTraining,
    Holder,
    refuse_a_second,
    training_kept_away,
    training_lock,
    who_trains,
)
from fxd.training.progress import Progress, facts_of


def test_the_second_is_told_who_is_at_work_since_when_how_far_and_until_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_module, "TELL_SECONDS", 0.0)
    monkeypatch.setattr(lock_module, "PATIENCE_SECONDS", 0.0)
    with training_lock(tmp_path) as held:
        with pytest.raises(
            AlreadyTraining, match=rf"by process {os.getpid()}, since \d\d:\d\d: loading; wait"
        ):
            training_lock(tmp_path).__enter__()
        held.tell(Progress(30, 120, -20.0, -31.25, 75.0, share=0.25))
        # On another day the date stands before it.
        end = r"(\d{4}-\d\d-\d\d )?\d\d:\d\d"
        with pytest.raises(
            AlreadyTraining, match=rf": 25 %, -31.2 dB, 1:15 left, ends at {end}; wait for it"
        ):
            training_lock(tmp_path).__enter__()
        with pytest.raises(AlreadyTraining, match=rf": 25 %, .*, ends at {end}; wait for it"):
            refuse_a_second(tmp_path)
        holder = who_trains(tmp_path)
        assert holder is not None
        assert holder.progress is not None
        ends_in = datetime.fromisoformat(holder.progress["ends_at"]) - datetime.now(UTC)
        assert timedelta(seconds=0) < ends_in <= timedelta(seconds=75)
    assert who_trains(tmp_path) is None


def test_who_comes_as_another_one_ends_is_not_refused(tmp_path: Path) -> None:
    refuse_a_second(tmp_path)
    with training_lock(tmp_path) as held:
        ends = threading.Timer(0.2, (tmp_path / HOLDER_NAME).unlink)
        ends.start()
        refuse_a_second(tmp_path)
        ends.join()
        held.write(Holder(os.getpid(), held.since))
        with pytest.raises(AlreadyTraining, match="loading; wait for it"):
            refuse_a_second(tmp_path)


def test_a_process_that_was_killed_is_not_at_work(tmp_path: Path) -> None:
    with training_lock(tmp_path):
        left_behind = (tmp_path / HOLDER_NAME).read_text()
    (tmp_path / HOLDER_NAME).write_text(left_behind)
    assert who_trains(tmp_path) is None
    with training_lock(tmp_path):
        assert who_trains(tmp_path) is not None


def test_a_process_that_was_killed_is_not_named_while_the_set_is_trimmed(tmp_path: Path) -> None:
    with training_lock(tmp_path):
        left_behind = (tmp_path / HOLDER_NAME).read_bytes()
    (tmp_path / HOLDER_NAME).write_bytes(left_behind)
    with training_kept_away(tmp_path) as is_free:
        assert is_free
        assert who_trains(tmp_path) is None


def test_before_the_first_validation_there_is_nothing_to_tell_of_it() -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = facts_of(Progress(1, 9, -3.0, math.nan, math.inf), noon)
    assert json.loads(json.dumps(told, allow_nan=False)) == {
        "step": 1,
        "steps": 9,
        "loss_db": -3.0,
        "validation_esr_db": None,
        "seconds_left": None,
        "share": 0.0,
        "ends_at": None,
    }
    assert facts_of(Progress(1, 9, -3.0, -2.0, 90.0), noon)["ends_at"] == "2026-03-01T12:01:30+00:00"


def test_a_retraining_that_is_due_waits_for_the_one_under_way(
    settings: Settings,
    store: Store,
    add_excerpt: Callable[..., Example],
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_excerpt("loop_amen")
    retrainer = Retrainer(settings, settings.paths.db.parent)
    begun: list[bool] = []
    monkeypatch.setattr(retrainer, "begin", lambda: begun.append(True))
    retrainer.fired.set()
    with training_lock(settings.paths.db):
        for _ in range(3):
            retrainer.tend(store)
    assert not begun
    (waiting,) = told
    assert f"waits for the one under way: process {os.getpid()}, since" in waiting
    retrainer.tend(store)
    assert begun
    assert not retrainer.fired.is_set()


class Ended:
    """A retraining that gave up at once."""

    returncode = 1

    def poll(self) -> int:
        return 1


def test_a_scheduled_one_that_lost_the_race_for_the_lock_waits_too(
    settings: Settings, store: Store, told: list[str]
) -> None:
    retrainer = Retrainer(settings, settings.paths.db.parent)
    retrainer.child = Ended()
    with training_lock(settings.paths.db):
        retrainer.tend(store)
    assert retrainer.child is None
    assert retrainer.fired.is_set()
    assert not any("without a result" in line for line in told)


def test_one_that_died_before_it_was_recorded_does_not_pass_for_the_one_before(
    settings: Settings, store: Store, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = Training("earlier", datetime.now(UTC), "schedule", "promoted", reason="it was better")
    store.begin_training(earlier)
    retrainer = Retrainer(settings, settings.paths.db.parent)
    monkeypatch.setattr("fxd.retrainer.sys.executable", "false")
    retrainer.begin()
    assert retrainer.child is not None
    retrainer.child.wait()
    retrainer.tend(store)
    (line,) = told
    assert line.startswith("the retraining ended with code 1 and without a result")
