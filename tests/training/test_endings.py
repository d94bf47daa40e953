"""How a retraining ends before its time: asked to, killed, or as the disk is full. Nothing is lost."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path

import numpy as np
import pytest
from retraining import assert_tidy, changed, run, second_home

from fxd.config import Settings, TcnSettings
from fxd.engines.tcn import TcnModel
from fxd.factory import install_factory_model
from fxd.store.errors import StoreUnavailable
from fxd.store.store import Store, open_store
from fxd.training import contest, trainer
from fxd.training.due import due
from fxd.training.job import CHECKPOINT_NAME, JOB_NAME, job_folder
from fxd.training.models import load_network, read_card
from fxd.training.retrain import retrain

DISK_KB = 512


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"tcn": TcnSettings(preset="nano", device="cpu")})


def after(calls: int) -> Callable[[], bool]:
    """A question that is answered with yes once it has been asked so often."""
    asked = count()
    return lambda: next(asked) >= calls


def weights_of(settings: Settings, model_id: str | None) -> TcnModel:
    return load_network(settings.paths.models, str(model_id))


def assert_same_weights(one: TcnModel, other: TcnModel) -> None:
    for name, tensor in one.weights.items():
        np.testing.assert_array_equal(tensor, other.weights[name], err_msg=name)


# Asked to end: the best so far is a challenger


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_a_training_that_is_ended_by_hand_gives_its_best_weights_as_a_challenger(
    settings: Settings, store: Store
) -> None:
    result = run(settings, store, steps=40, should_end=after(20))
    assert result.state == "promoted"
    card = read_card(settings.paths.models / str(result.model_id))
    assert 0 < card.steps < 40
    assert card.recipe["cut_short"]
    assert not card.recipe["cut_by_clock"]
    # The weights that it had come to are judged too, beside those of its plan.
    assert card.curve[-1]["step"] == card.steps
    assert card.curve[0]["step"] == 2
    best = min(card.curve, key=lambda point: point["validation_esr_db"])
    assert card.recipe["best_step"] == best["step"]
    assert result.reason.startswith("no model served yet, and its error over 2 files is -")
    assert result.reason.endswith(f"; its training was ended by hand after {card.steps} of 40 steps")
    assert_tidy(settings, store)
    assert due(store, settings, datetime.now(UTC)).reason.startswith("only 0 s of new sound")


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_what_was_ended_by_hand_serves_only_if_it_passes_the_same_contest(
    settings: Settings, store: Store, plan: Callable[..., None]
) -> None:
    first = run(settings, store, steps=100)
    plan(steps=50, learning_rate=0.0)
    second = run(settings, store, should_end=after(20))
    assert second.state == "kept"
    assert f"from the weights of {first.model_id} brought nothing better; its training was" in second.reason
    # Another preset starts from nothing.
    other = changed(settings, tcn=TcnSettings(preset="feather", device="cpu"))
    third = run(other, store, steps=40, should_end=after(3))
    assert third.state == "kept"
    assert third.decision is not None
    assert third.decision.champion == first.model_id
    assert third.decision.files
    assert f"worse than {first.model_id}" in third.reason
    champion = store.champion()
    assert champion is not None
    assert champion.id == first.model_id
    assert_tidy(settings, store)


@pytest.mark.usefixtures("excerpts")
def test_an_end_by_hand_that_is_not_recorded_is_no_reason_to_go_on(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("the database is locked")

    install_factory_model(settings, store)
    with monkeypatch.context() as patch:
        patch.setattr(store, "finish_training", away)
        ended = run(settings, store, steps=40, should_end=after(20))
    assert ended.state == "kept"
    made = read_card(settings.paths.models / str(ended.model_id))
    again = run(settings, store, steps=40)
    found = [(one.state, one.model_id, one.reason) for one in store.trainings(2)]
    assert found == [(one.state, one.model_id, one.reason) for one in (again, ended)]
    assert read_card(settings.paths.models / str(ended.model_id)) == made
    assert_tidy(settings, store)


@pytest.mark.usefixtures("excerpts")
def test_an_end_before_the_first_step_is_a_stop(settings: Settings, store: Store) -> None:
    result = run(settings, store, should_end=lambda: True)
    assert (result.state, result.model_id) == ("stopped", None)
    assert result.reason == "asked to stop while it loaded; nothing was learned yet"
    # Asked twice while it loads, then before each step.
    result = run(settings, store, steps=40, should_end=after(2))
    assert (result.state, result.model_id) == ("stopped", None)
    assert result.reason.startswith("asked to stop after 0 of 40 steps; ")


@pytest.mark.usefixtures("excerpts")
@pytest.mark.parametrize("where", ["judging", pytest.param("training", marks=pytest.mark.long)])
def test_a_second_ctrl_c_loses_nothing(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    undisturbed = run(settings, store, steps=40)
    expected = weights_of(settings, undisturbed.model_id)
    with store.write() as connection:
        for table in ("curve_points", "trainings", "promotions", "models"):
            connection.exec_driver_sql(f"DELETE FROM {table}")
    steps: list[int] = []

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def watch(progress: trainer.Progress) -> None:
        steps.append(progress.step)

    with monkeypatch.context() as patch:
        if where == "judging":
            patch.setattr(contest, "score", interrupt)
        else:
            # While the weights that it has come to are validated.
            validate = trainer.Course.validate
            patch.setattr(
                trainer.Course,
                "validate",
                lambda course, pairs: interrupt() if course.step % 2 else validate(course, pairs),
            )
        with pytest.raises(KeyboardInterrupt):
            run(settings, store, steps=40, should_end=after(23))
    (training,) = store.trainings(1)
    assert (training.state, training.model_id) == ("stopped", None)
    assert training.reason == "ended at once; the next one with --steps 40 goes on with it"
    monkeypatch.setattr(trainer, "PROGRESS_SECONDS", 0.0)
    resumed = retrain(settings, store, "command", watch, lambda: False, steps=40)
    assert 15 < steps[0] < 25
    assert steps[-1] == 40
    assert_same_weights(weights_of(settings, resumed.model_id), expected)


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_so_many_steps_give_the_same_weights_however_often_they_are_interrupted(
    settings: Settings, store: Store
) -> None:
    with second_home(settings, store) as (other, other_store):
        expected = run(other, other_store, steps=40)
    for _ in range(2):
        assert run(settings, store, after(14), steps=40).state == "stopped"
    # Time does not matter: neither a short budget nor a long one changes what is done.
    result = run(settings, store, steps=40)
    assert result.model_id is not None
    card = read_card(settings.paths.models / result.model_id)
    assert (card.steps, card.recipe["steps"], card.recipe["seconds"]) == (40, 40, None)
    assert_same_weights(weights_of(settings, result.model_id), weights_of(other, expected.model_id))
    assert [point.step for point in store.curve(store.trainings(1)[0].id)] == list(range(2, 41, 2))


# Learning curves


@pytest.mark.usefixtures("excerpts")
def test_a_training_that_was_stopped_or_failed_leaves_its_curve(
    settings: Settings, store: Store, plan: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    learn = trainer.Course.learn

    def break_down(course: trainer.Course, segments: trainer.Segments) -> object:
        if course.step == 32:
            raise trainer.TrainingFailed("after 32 steps it broke")
        return learn(course, segments)

    monkeypatch.setattr(trainer.Course, "learn", break_down)
    plan(steps=100, validate_every=5)
    run(settings, store, after(16))
    stopped = store.trainings(1)[0]
    assert stopped.state == "stopped"
    assert [point.step for point in store.curve(stopped.id)] == [5, 10]
    run(settings, store, after(12))
    assert [point.step for point in store.curve(store.trainings(1)[0].id)] == [5, 10, 15, 20]
    assert run(settings, store).state == "failed"
    assert [point.step for point in store.curve(store.trainings(1)[0].id)] == [5, 10, 15, 20, 25, 30]


@pytest.mark.usefixtures("excerpts")
def test_a_curve_can_be_read_while_its_training_runs(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "PROGRESS_SECONDS", 0.0)
    seen: list[int] = []

    def look(_progress: object) -> None:
        with open_store(settings.database_url) as other:
            seen.append(len(other.curve(other.trainings(1)[0].id)))

    retrain(settings, store, "command", look, lambda: False, steps=4)
    # At the last step the training is at its end, and validated after it.
    assert seen == [1, 2, 3, 3]


@pytest.mark.usefixtures("excerpts")
def test_a_database_that_is_away_for_a_moment_does_not_end_a_training(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_points, calls = store.add_points, count()

    def away(*arguments: object) -> None:
        if next(calls) in (1, 2, 3):
            raise StoreUnavailable("it is locked")
        add_points(*arguments)

    monkeypatch.setattr(store, "add_points", away)
    assert run(settings, store, steps=4).model_id is not None
    assert [point.step for point in store.curve(store.trainings(1)[0].id)] == [1, 2, 3, 4]


# The disk


@pytest.mark.usefixtures("plan", "excerpts")
@pytest.mark.parametrize("damage", ["torn", "emptied", "garbage", "one bit"])
def test_a_damaged_checkpoint_is_told_and_training_begins_anew(
    settings: Settings, store: Store, warned: list[str], damage: str
) -> None:
    run(settings, store, after(20))
    checkpoint = job_folder(settings.paths.db) / CHECKPOINT_NAME
    whole = checkpoint.read_bytes()
    flipped = whole[:-50] + bytes([whole[-50] ^ 1]) + whole[-49:]
    damaged = {"torn": whole[:-100], "emptied": b"", "garbage": b"x" * 100, "one bit": flipped}
    checkpoint.write_bytes(damaged[damage])
    result = run(settings, store)
    assert result.state == "promoted"
    assert read_card(settings.paths.models / str(result.model_id)).steps == 30
    assert any("training starts from the beginning: " in line for line in warned)
    assert_tidy(settings, store)


@pytest.mark.usefixtures("plan", "excerpts")
def test_a_checkpoint_of_another_optimiser_is_told_and_training_begins_anew(
    settings: Settings, store: Store, warned: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    state = trainer.Learner.state
    with monkeypatch.context() as patch:
        patch.setattr(
            trainer.Learner,
            "state",
            lambda learner: {"other": np.zeros(1)} | {"m": state(learner)["targets"]},
        )
        run(settings, store, after(20))
    assert run(settings, store).state == "promoted"
    assert any("training starts from the beginning: the checkpoint does not fit" in line for line in warned)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that is full soon."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "tmpfs", str(folder)]
    if os.getuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(disk: Path, left: int = 0) -> Path:
    """Take all of the room on a disk but for some bytes; returns the file that takes it."""
    ballast = disk / "ballast"
    room = shutil.disk_usage(disk).free - left
    ballast.write_bytes(b"x" * max(0, room))
    return ballast


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_a_disk_that_fills_up_while_a_model_is_written_costs_nothing(
    settings: Settings, store: Store, small_disk: Path
) -> None:
    first = run(settings, store, steps=40)
    paths = settings.paths.model_copy(update={"models": small_disk / "models"})
    shutil.copytree(settings.paths.models, paths.models)
    small = changed(settings, paths=paths)
    ballast = fill(small_disk)
    second = run(small, store, steps=60)
    assert second.state == "stopped"
    assert "No space left on device; the next one with --steps 60 goes on with it" in second.reason
    assert store.trainings(1)[0].reason == second.reason
    champion = store.champion()
    assert champion is not None
    assert champion.id == first.model_id
    load_network(paths.models, champion.id)
    assert len(list(paths.models.iterdir())) == 1
    job = job_folder(settings.paths.db, by_steps=True) / JOB_NAME
    model_id = json.loads(job.read_text())["model_id"]
    ballast.unlink()
    steps: list[int] = []
    third = retrain(small, store, "command", lambda p: steps.append(p.step), lambda: False, steps=60)
    assert (third.model_id, steps) == (model_id, [])
    assert_tidy(small, store)


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_a_disk_that_fills_up_while_a_checkpoint_is_written_does_not_end_a_training(
    settings: Settings,
    store: Store,
    small_disk: Path,
    warned: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    dataset, url = settings.dataset, settings.database_url
    full_home = changed(
        settings,
        paths=settings.paths.model_copy(update={"db": small_disk / "db"}),
        database=settings.database.model_copy(update={"url": url}),
    )
    (small_disk / "db").mkdir()
    (small_disk / "db" / "dataset").symlink_to(dataset)
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    asked = count()

    def fill_up() -> bool:
        if next(asked) == 20:
            fill(small_disk)
        return False

    result = run(full_home, store, fill_up, steps=40)
    assert result.state == "promoted"
    said = "checkpoint of the training cannot be written: [Errno 28] No space left"
    assert sum(said in one for one in warned) == 1
    assert read_card(settings.paths.models / str(result.model_id)).steps == 40


@pytest.mark.long
@pytest.mark.parametrize("validation_seconds", [14, 45])
def test_at_most_twenty_seconds_of_training_are_at_risk(
    settings: Settings,
    store: Store,
    excerpts: list[object],
    monkeypatch: pytest.MonkeyPatch,
    validation_seconds: float,
) -> None:
    """With a clock on which every step takes 1.7 seconds."""
    del excerpts
    trained, now = [0.0], [0.0]
    monkeypatch.setattr(trainer.time, "monotonic", lambda: now[0])
    saved: list[tuple[int, float]] = []
    save = trainer.Course.save

    def noted(course: trainer.Course, path: Path) -> None:
        save(course, path)
        saved.append((trained[0], now[0]))

    def tick() -> bool:
        trained[0] += 1.7
        now[0] += 1.7
        return False

    validate = trainer.Course.validate

    def slowly(course: trainer.Course, pairs: Sequence[trainer.ValidationPair]) -> None:
        validate(course, pairs)
        now[0] += validation_seconds

    monkeypatch.setattr(trainer.Course, "save", noted)
    monkeypatch.setattr(trainer.Course, "validate", slowly)
    run(settings, store, tick, steps=60)
    assert len(saved) >= 5
    moments = [(0.0, 0.0), *saved]
    assert max(later[0] - earlier[0] for earlier, later in pairwise(moments)) < 22
    # What is done again after a kill during a validation is the validation.
    assert max(later[1] - earlier[1] for earlier, later in pairwise(moments)) < max(
        22, validation_seconds + 2
    )
