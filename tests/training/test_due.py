"""When the next retraining is due, and why."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fxd.commands.retrain import tell_when
from fxd.config import SaturatorSettings, Settings, TcnSettings, TrainingSettings
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import TcnModel
from fxd.instance import Instance, Status
from fxd.retrainer import Retrainer
from fxd.store.examples import add_example
from fxd.store.records import Example, Training, TrainingState
from fxd.store.store import Store
from fxd.training.due import due
from fxd.training.job import Job, job_folder, take_up
from fxd.training.lock import training_lock
from fxd.training.models import ModelCard

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

AddSeconds = Callable[[float, datetime], None]
Do = Callable[..., None]


@pytest.fixture
def add_seconds(store: Store, settings: Settings) -> Callable[[float, datetime], None]:
    """Notes sound of this length in the store, added at this time."""
    added = iter(range(1000))

    def add(seconds: float, at: datetime) -> None:
        content = f"{next(added):064x}"
        example = Example(
            content, settings_hash(settings.saturator), "training", "", 8000, 1, round(seconds * 8000), 1, at
        )
        with store.write() as connection:
            add_example(connection, example)

    return add


@pytest.fixture
def serve(
    store: Store, make_network: Callable[..., TcnModel], make_card: Callable[..., ModelCard]
) -> Callable[..., None]:
    """Lets a model serve."""

    def promote(model_id: str = "champion", **fields: object) -> None:
        store.add_model(make_card(make_network(model_id), preset="compact", **fields).record())
        store.promote(model_id, "", NOW - timedelta(days=9))

    return promote


@pytest.fixture
def log_training(store: Store) -> Callable[..., None]:
    """Logs a training that began at this time and ended in this state."""

    def log(started_at: datetime, state: TrainingState, model_id: str | None = None) -> None:
        store.begin_training(Training(f"{started_at}", started_at, "schedule", "running"))
        if state in ("kept", "promoted"):
            model_id = model_id or "champion"
        store.finish_training(f"{started_at}", state, model_id, "", started_at + timedelta(minutes=10))

    return log


@pytest.fixture
def nothing_new(add_seconds: AddSeconds, serve: Do, log_training: Do) -> None:
    """A model serves, and a retraining has heard all sound that there is."""
    serve()
    add_seconds(300, NOW - timedelta(days=2))
    log_training(NOW - timedelta(days=1), "kept")


def leave_job(settings: Settings, began: datetime, steps: int | None = None) -> None:
    """Leaves behind what the training that began then set out to do."""
    job = Job(f"{began}", "challenger", "compact", "", 0, 10.0, None, (), steps)
    folder = job_folder(settings.paths.db, by_steps=steps is not None)
    folder.mkdir(parents=True)
    take_up(folder, job, {})


def test_an_empty_set_makes_nothing_due(store: Store, settings: Settings, serve: Do) -> None:
    serve()
    verdict = due(store, settings, NOW)
    assert not verdict.due
    assert "no file has been processed" in verdict.reason
    assert verdict.next_at is not None
    assert verdict.next_at > NOW


def test_without_a_champion_any_sound_makes_it_due(
    store: Store, settings: Settings, add_seconds: AddSeconds
) -> None:
    add_seconds(1, NOW)
    assert due(store, settings, NOW).due


def test_enough_new_sound_since_the_last_retraining_makes_it_due(
    store: Store, settings: Settings, add_seconds: AddSeconds, serve: Do, log_training: Do
) -> None:
    serve()
    last = NOW - timedelta(hours=9)
    add_seconds(300, last - timedelta(days=1))
    assert due(store, settings, NOW).due
    log_training(last, "kept")
    assert not due(store, settings, NOW).due
    add_seconds(59, last + timedelta(hours=1))
    verdict = due(store, settings, NOW)
    assert not verdict.due
    assert verdict.reason.startswith("only 59 s of new sound since the retraining of 20")
    add_seconds(1, last + timedelta(hours=2))
    verdict = due(store, settings, NOW)
    assert verdict.due
    assert verdict.reason.startswith("60 s of new sound since")


def test_what_one_without_a_model_heard_is_still_new(
    store: Store, settings: Settings, add_seconds: AddSeconds, serve: Do
) -> None:
    serve()
    add_seconds(300, NOW - timedelta(days=2))
    store.begin_training(Training("t", NOW - timedelta(days=1), "schedule", "running"))
    store.finish_training("t", "kept", None, "there is no validation sound", NOW - timedelta(hours=23))
    verdict = due(store, settings, NOW)
    assert verdict.due
    assert verdict.reason.startswith("300 s of new sound and no retraining yet")


@pytest.mark.parametrize("state", ["promoted", "kept"])
def test_a_retraining_that_came_to_an_end_counts(
    store: Store, settings: Settings, add_seconds: AddSeconds, serve: Do, log_training: Do, state: str
) -> None:
    serve()
    add_seconds(300, NOW - timedelta(days=2))
    log_training(NOW - timedelta(days=1), state)
    assert not due(store, settings, NOW).due


def test_what_a_retraining_that_failed_would_have_heard_is_new_still_and_waits_for_the_schedule(
    store: Store, settings: Settings, add_seconds: AddSeconds, serve: Do, log_training: Do
) -> None:
    serve()
    add_seconds(300, NOW - timedelta(days=2))
    log_training(NOW - timedelta(minutes=1), "failed")
    verdict = due(store, settings, NOW)
    assert verdict.due
    assert verdict.next_at is not None
    assert verdict.next_at > NOW


@pytest.mark.usefixtures("nothing_new")
def test_an_interrupted_retraining_is_due_again(store: Store, settings: Settings, log_training: Do) -> None:
    began = NOW - timedelta(hours=5)
    log_training(began, "stopped")
    assert not due(store, settings, NOW).due  # it had not come far enough to be gone on with
    leave_job(settings, began)
    verdict = due(store, settings, NOW)
    assert verdict.due
    assert "was interrupted" in verdict.reason


@pytest.mark.usefixtures("nothing_new")
def test_a_retraining_that_was_killed_is_due_again_and_not_before_it_is_dead(
    store: Store, settings: Settings
) -> None:
    began = NOW - timedelta(hours=5)
    store.begin_training(Training(f"{began}", began, "command", "running"))
    leave_job(settings, began)
    with training_lock(settings.paths.db):
        assert not due(store, settings, NOW).due
    assert "was interrupted" in due(store, settings, NOW).reason


@pytest.mark.usefixtures("nothing_new")
def test_the_schedule_does_not_go_on_with_a_retraining_by_steps(
    store: Store, settings: Settings, log_training: Do
) -> None:
    log_training(NOW - timedelta(hours=5), "stopped")
    leave_job(settings, NOW - timedelta(hours=5), steps=1_000)
    assert not due(store, settings, NOW).due


def test_a_champion_of_other_settings_makes_it_due_until_these_were_tried(
    store: Store,
    settings: Settings,
    add_seconds: AddSeconds,
    serve: Do,
    log_training: Do,
    make_network: Callable[..., TcnModel],
    make_card: Callable[..., ModelCard],
) -> None:
    serve()
    add_seconds(300, NOW - timedelta(days=2))
    log_training(NOW - timedelta(days=1), "promoted", "champion")
    changed = settings.model_copy(update={"saturator": SaturatorSettings(drive=2)})
    verdict = due(store, changed, NOW)
    assert verdict.due
    assert verdict.reason == "champion learned other [saturator] settings than those of today"
    of_today = make_card(
        make_network("loser"), preset="compact", settings_hash=settings_hash(changed.saturator)
    )
    store.add_model(of_today.record())
    log_training(NOW - timedelta(hours=5), "kept", "loser")
    assert not due(store, changed, NOW).due


def test_a_champion_of_another_preset_makes_it_due(
    store: Store, settings: Settings, add_seconds: AddSeconds, serve: Do, log_training: Do
) -> None:
    serve()
    add_seconds(300, NOW - timedelta(days=2))
    log_training(NOW - timedelta(days=1), "promoted", "champion")
    lite = settings.model_copy(update={"tcn": TcnSettings(preset="lite")})
    assert due(store, lite, NOW).reason == "champion is of the preset compact, [tcn] preset is lite"


def test_a_time_that_was_slept_through_is_now(
    store: Store, settings: Settings, add_seconds: AddSeconds, serve: Do, log_training: Do
) -> None:
    serve()
    log_training(NOW - timedelta(days=3), "kept")
    assert not due(store, settings, NOW).due
    add_seconds(300, NOW - timedelta(days=1))
    assert due(store, settings, NOW).next_at == NOW


def test_sound_that_came_after_the_last_scheduled_time_waits_for_the_next(
    store: Store, settings: Settings, add_seconds: AddSeconds, serve: Do, log_training: Do
) -> None:
    serve()
    log_training(NOW - timedelta(days=3), "kept")
    add_seconds(300, NOW - timedelta(seconds=1))
    verdict = due(store, settings, NOW)
    assert verdict.due
    assert verdict.next_at is not None
    assert verdict.next_at > NOW, "last night there was nothing new"


@pytest.mark.parametrize("last", [None, "kept", "cut off", "stopped"])
def test_a_daemon_that_starts_catches_up_and_nobody_says_otherwise(
    store: Store,
    settings: Settings,
    add_seconds: AddSeconds,
    serve: Do,
    log_training: Do,
    capsys: pytest.CaptureFixture[str],
    last: str | None,
) -> None:
    now = datetime.now(UTC)
    serve()
    add_seconds(300, now - timedelta(days=2))
    if last is not None:
        log_training(now - timedelta(days=3), "kept")
    last_night = now - timedelta(minutes=1)  # no scheduled time has come since
    if last == "stopped":
        log_training(last_night, "stopped")
    elif last == "cut off":
        store.begin_training(Training("cut off", last_night, "schedule", "running"))
    assert due(store, settings, now).next_at == now
    assert told_by_command(settings, capsys) == {"due": True, "next_at": None, "needs_daemon": True}
    retrainer = Retrainer(settings, settings.paths.db.parent)
    retrainer.start(store)
    retrainer.stop()
    assert retrainer.fired.is_set()
    assert datetime.fromisoformat(retrainer.next_at) - now < timedelta(minutes=1)


def test_a_daemon_that_starts_has_nothing_to_catch_up_on_in_a_home_of_today(
    store: Store, settings: Settings, add_seconds: AddSeconds, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    yearly = settings.model_copy(
        update={"training": TrainingSettings(schedule=f"0 0 {(now - timedelta(days=40)):%d %m} *")}
    )
    add_seconds(300, now - timedelta(days=30))
    told = told_by_command(yearly, capsys)
    assert told["needs_daemon"]
    assert datetime.fromisoformat(told["next_at"]) > now + timedelta(days=300)
    retrainer = Retrainer(yearly, settings.paths.db.parent)
    retrainer.start(store)
    retrainer.stop()
    assert not retrainer.fired.is_set()
    assert tell_when(yearly, as_json=False) == 0
    assert "if a daemon runs then (`fxd start`)" in capsys.readouterr().out


def test_what_becomes_due_while_a_daemon_runs_waits_for_its_schedule(
    store: Store,
    settings: Settings,
    add_seconds: AddSeconds,
    serve: Do,
    log_training: Do,
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = datetime.now(UTC)
    serve()
    log_training(now - timedelta(days=3), "kept")
    retrainer = Retrainer(settings, settings.paths.db.parent)
    retrainer.start(store)
    retrainer.tend(store)
    retrainer.stop()
    add_seconds(300, now)
    with Instance(settings.paths.db) as instance:
        status = Status(1, "here", f"{now}", "running", next_retraining=retrainer.next_at)
        instance.write(status)
        told = told_by_command(settings, capsys)
        assert tell_when(settings, as_json=False) == 0
    assert told["due"]
    assert not told["needs_daemon"]
    assert datetime.fromisoformat(told["next_at"]) == datetime.fromisoformat(status.next_retraining) > now
    assert "when a daemon starts" not in capsys.readouterr().out
    add_seconds(300, now - timedelta(days=2))
    assert tell_when(settings, as_json=False) == 0
    assert "looks next: when a daemon starts (`fxd start`)\n" in capsys.readouterr().out


def told_by_command(settings: Settings, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What `fxd retrain --json` says of the next one."""
    capsys.readouterr()
    assert tell_when(settings, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    return {name: told[name] for name in ("due", "next_at", "needs_daemon")}


def test_without_a_schedule_there_is_no_next_time(
    store: Store, settings: Settings, add_seconds: AddSeconds
) -> None:
    add_seconds(300, NOW)
    verdict = due(store, settings.model_copy(update={"training": TrainingSettings(schedule="")}), NOW)
    assert verdict.due
    assert verdict.next_at is None
