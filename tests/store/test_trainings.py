import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fxd.store.records import CurvePoint, Model, Training
from fxd.store.store import Store, StoreError

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def training(id: str, hour: int = 0) -> Training:
    return Training(id, NOON + timedelta(hours=hour), "schedule", "running", dataset_seconds=90.5)


def test_a_training_is_followed_from_start_to_decision(
    store: Store, make_model: Callable[..., Model]
) -> None:
    started = training("t1")
    store.begin_training(started)
    assert store.last_training() == started
    store.add_model(make_model("m1"))
    end = NOON + timedelta(minutes=10)
    store.finish_training("t1", "promoted", "m1", "better by 3 dB", end)
    assert store.last_training() == replace(
        started, state="promoted", model_id="m1", reason="better by 3 dB", finished_at=end
    )


def test_only_a_training_that_was_begun_can_finish(store: Store) -> None:
    with pytest.raises(StoreError, match="t1: no training of this id was begun"):
        store.finish_training("t1", "failed", None, "", NOON)


def test_trainings_come_newest_first(store: Store) -> None:
    for id, hour in (("b", 2), ("c", 3), ("a", 1)):
        store.begin_training(training(id, hour))
    assert [found.id for found in store.trainings(2)] == ["c", "b"]


def test_the_last_training_of_a_state_is_found(store: Store) -> None:
    assert store.last_training() is None
    for id, hour in (("a", 1), ("b", 2), ("c", 3)):
        store.begin_training(training(id, hour))
    store.finish_training("a", "kept", None, "", NOON)
    store.finish_training("b", "kept", None, "", NOON)
    store.finish_training("c", "failed", None, "nan", NOON)
    latest = store.last_training("kept")
    assert latest is not None
    assert latest.id == "b"
    assert store.last_training("promoted") is None


def test_challengers_that_were_kept_are_counted_from_a_time_on(
    store: Store, make_model: Callable[..., Model]
) -> None:
    store.add_model(make_model("m"))
    ends = [("kept", "m"), ("kept", "m"), ("promoted", "m"), ("kept", None), ("failed", None)]
    for hour, (state, model) in enumerate(ends):
        store.begin_training(training(f"t{hour}", hour))
        store.finish_training(f"t{hour}", state, model, "", NOON)
    assert store.count_kept(NOON) == 2
    assert store.count_kept(NOON + timedelta(minutes=1)) == 1


def test_a_learning_curve_grows_while_its_training_runs_and_outlives_it(store: Store) -> None:
    for id in ("t1", "t2"):
        store.begin_training(training(id))
    points = [CurvePoint(10 * n, 1.5 * n, -3.0 * n, -2.5 * n) for n in range(1, 4)]
    store.add_points("t1", points[1:2])
    assert store.curve("t1") == points[1:2]
    store.add_points("t1", points)  # one of them once more, as after a failure
    store.add_points("t2", [CurvePoint(10, 0.5, math.nan, math.nan)])
    store.finish_training("t1", "failed", None, "nan", NOON)
    assert store.curve("t1") == points
    (alone,) = store.curve("t2")
    assert (alone.step, alone.seconds) == (10, 0.5)
    assert math.isnan(alone.loss_db)
    assert math.isnan(alone.validation_esr_db)
    assert store.curve("unknown") == []
