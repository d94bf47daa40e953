"""A retraining as a whole: whatever happens, one whole champion serves, and the reason is told."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from retraining import assert_tidy, changed, run, second_home

from fxd.config import SaturatorSettings, Settings, TcnSettings, TrainingSettings
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import PRESETS, TcnModel
from fxd.store.errors import StoreUnavailable
from fxd.store.records import Example, Training
from fxd.store.store import Store, open_store
from fxd.training import challenge, contest, judging, preparation
from fxd.training.champion import is_away
from fxd.training.contest import score
from fxd.training.course import Course, ValidationPair
from fxd.training.due import due
from fxd.training.job import JOB_NAME, job_folder
from fxd.training.lock import training_lock
from fxd.training.mixture import Mixture
from fxd.training.models import load_network, read_card
from fxd.training.pairs import PairSource
from fxd.training.plan import Plan
from fxd.training.preparation import warm_up
from fxd.training.promotion import FileScore
from fxd.training.retrain import AlreadyTraining, retrain, tidy_up
from fxd.training.succession import BY_HAND, ROLLED_BACK, tonight
from fxd.training.trainer import Progress
from fxd.training.validation import validation_pairs

AddExcerpt = Callable[..., Example]

CLIPS = Path(__file__).parent.parent / "audio"


class Killed(BaseException):
    """Stands for kill -9 at one place: nothing after it is done."""


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"tcn": TcnSettings(preset="nano", device="cpu")})


@pytest.mark.usefixtures("plan")
def test_the_first_model_is_trained_judged_recorded_and_serves(
    settings: Settings, store: Store, excerpts: list[Example]
) -> None:
    result = run(settings, store)
    assert result.state == "promoted"
    champion = store.champion()
    assert champion is not None
    assert champion.id == result.model_id
    assert champion.reason == result.reason
    assert result.reason.startswith("no model served yet, and its error over 2 files is -")
    card = read_card(settings.paths.models / champion.id)
    subsets = {
        subset: {c.content_sha256 for c in excerpts if c.subset == subset}
        for subset in ("training", "validation")
    }
    assert set(card.trained_on) == subsets["training"]
    assert {one.content_sha256 for one in card.scores} == subsets["validation"]
    assert (card.preset, card.parent, card.steps, card.recipe["steps"]) == ("nano", None, 30, 30)
    assert (card.saturator, card.settings_hash) == (settings.saturator, settings_hash(settings.saturator))
    assert card.decision["promoted"] is True
    assert card.environment["libraries"]["torch"]
    assert card.esr_db is not None
    assert card.esr_db < 0
    assert [point["step"] for point in card.curve] == [10, 20, 30]
    (training,) = store.trainings(10)
    assert [asdict(point) for point in store.curve(training.id)] == list(card.curve)
    assert (training.state, training.model_id, training.reason) == ("promoted", champion.id, result.reason)
    assert training.dataset_seconds == pytest.approx(sum(c.frames / c.sample_rate for c in excerpts))
    assert_tidy(settings, store)


@pytest.mark.usefixtures("excerpts")
def test_the_next_one_begins_with_the_champion_and_knows_what_that_one_heard(
    settings: Settings, store: Store, plan: Callable[..., None], add_excerpt: AddExcerpt
) -> None:
    first = run(settings, store)
    assert first.model_id is not None
    heard_first = read_card(settings.paths.models / first.model_id).trained_on
    for example in store.contents():
        if example.content_sha256 in heard_first:
            store.remove_examples([example.content_sha256])
    other = add_excerpt("loop_mehackit1")
    plan(steps=60)
    second = run(settings, store)
    assert second.model_id is not None
    assert second.decision is not None
    assert second.decision.champion == first.model_id
    card = read_card(settings.paths.models / second.model_id)
    assert card.parent == first.model_id
    assert card.trained_on == tuple(sorted({*heard_first, other.content_sha256}))
    assert_tidy(settings, store)


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_each_generation_hears_probes_of_its_own(settings: Settings, store: Store) -> None:
    cards = [
        read_card(settings.paths.models / str(run(settings, store, steps=20).model_id)) for _ in range(2)
    ]
    assert cards[1].parent == cards[0].id
    assert cards[0].recipe["seed"] == settings.training.seed
    assert cards[1].recipe["seed"] != settings.training.seed


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_the_further_a_line_of_models_has_come_the_smaller_are_its_steps(
    settings: Settings, store: Store
) -> None:
    results = [run(settings, store, steps=steps) for steps in (30, 150, 2)]
    assert [result.state for result in results[:2]] == ["promoted", "promoted"]
    cards = [read_card(settings.paths.models / str(result.model_id)) for result in results]
    assert [card.recipe["known_steps"] for card in cards] == [0, 30, 180]
    rates = [card.recipe["learning_rate"] for card in cards]
    assert rates[0] == rates[1] > 2 * rates[2]


@pytest.mark.usefixtures("excerpts")
def test_a_better_challenger_is_promoted_and_a_worse_one_is_kept(
    settings: Settings, store: Store, plan: Callable[..., None]
) -> None:
    first = run(settings, store)
    plan(steps=150)
    second = run(settings, store)
    assert second.state == "promoted"
    assert second.reason.startswith("the new model is ")
    plan(steps=2)
    third = run(changed(settings, tcn=TcnSettings(preset="feather")), store)
    assert third.state == "kept"
    assert (
        f"worse than {second.model_id} in the median of 20 files, 18 of them fxd's own clips as"
        in third.reason
    )
    assert [promotion.model_id for promotion in store.promotions()] == [second.model_id, first.model_id]
    assert [training.state for training in store.trainings(3)] == ["kept", "promoted", "promoted"]
    assert_tidy(settings, store)


@pytest.mark.usefixtures("excerpts")
def test_a_training_that_finds_nothing_better_says_so(
    settings: Settings, store: Store, plan: Callable[..., None]
) -> None:
    first = run(settings, store)
    plan(learning_rate=0.0)
    second = run(settings, store)
    assert second.state == "kept"
    assert second.reason.startswith(
        f"the new model is no different from {first.model_id} in the median of 20 files"
    )
    assert second.decision is not None
    assert len(second.decision.files) == 20
    assert len(second.decision.guards) > 0
    assert_tidy(settings, store)


@pytest.mark.usefixtures("plan", "excerpts")
def test_a_champion_of_other_settings_is_judged_by_those_of_today(settings: Settings, store: Store) -> None:
    first = run(settings, store)
    other = changed(settings, saturator=SaturatorSettings(drive=0.2, output_gain=2))
    second = run(other, store)
    card = read_card(settings.paths.models / str(second.model_id))
    assert (card.parent, card.settings_hash) == (None, settings_hash(other.saturator))
    champion = load_network(settings.paths.models, str(first.model_id))
    pairs = validation_pairs(store.contents(), PairSource(settings.dataset, other.saturator))
    assert second.decision is not None
    assert [file.champion_esr_db for file in second.decision.files[: len(pairs)]] == pytest.approx(
        [score(champion, pair).esr_db for pair in pairs]
    )


@pytest.mark.usefixtures("plan", "excerpts")
def test_a_second_contest_on_the_same_day_asks_for_more(settings: Settings, store: Store) -> None:
    run(settings, store)
    now = datetime.now(UTC)
    # What was kept before the promotion is no night of the new champion's.
    for id, began, night in (("a", now - timedelta(days=1), (1, False)), ("b", now, (2, True))):
        store.add_model(replace(store.models()[0], id=id))
        store.begin_training(Training(id, began, "command", "running"))
        store.finish_training(id, "kept", id, "", began)
        found = tonight(settings, store)
        assert (found.number, found.again) == night


@pytest.mark.usefixtures("plan", "excerpts")
def test_a_champion_that_is_lost_gives_way(settings: Settings, store: Store) -> None:
    first = run(settings, store)
    (settings.paths.models / str(first.model_id) / "weights.safetensors").unlink()
    second = run(settings, store)
    assert second.state == "promoted"
    assert f"{first.model_id}, which should serve, cannot be read" in second.reason


@pytest.mark.parametrize(
    ("is_shared", "states"), [(False, ["stopped", "stopped"]), (True, ["running", "stopped"])]
)
def test_of_another_home_only_what_is_long_over_is_called_cut_off(
    settings: Settings, tmp_path: Path, is_shared: bool, states: list[str]
) -> None:
    if is_shared:
        url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
        settings = changed(settings, database=settings.database.model_copy(update={"url": url}))
    with open_store(settings.database_url) as store:
        now = datetime.now(UTC)
        for id, began in (("now", now), ("long ago", now - timedelta(days=3))):
            store.begin_training(Training(id, began, "schedule", "running"))
        tidy_up(settings, store)
        assert [one.state for one in store.trainings(2)] == states


@pytest.mark.usefixtures("plan", "excerpts")
def test_a_champion_that_goes_away_meanwhile_keeps_its_place(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    first = run(settings, store)
    folder = settings.paths.models / str(first.model_id)

    def go_away(_: Progress) -> None:
        if folder.exists():
            folder.rename(tmp_path / "away")

    second = retrain(settings, store, "command", go_away, lambda: False)
    assert second.decision is not None
    assert second.decision.champion == first.model_id
    assert second.decision.files


@pytest.mark.usefixtures("plan", "excerpts")
def test_a_champion_that_is_away_is_waited_for(settings: Settings, store: Store, tmp_path: Path) -> None:
    first = run(settings, store)
    folder = settings.paths.models / str(first.model_id)
    folder.rename(tmp_path / "away")
    second = run(settings, store)
    said = f"{folder / 'weights.safetensors'}: {first.model_id}, the model that serves, cannot be read now; "
    assert (second.state, second.reason) == ("stopped", said + "nothing was learned yet")
    (tmp_path / "away").rename(folder)
    third = run(settings, store)
    assert third.decision is not None
    assert third.decision.champion == first.model_id


def test_of_several_models_one_that_is_gone_is_lost(
    settings: Settings, make_network: Callable[..., TcnModel], keep_model: Callable[..., str]
) -> None:
    folders = [settings.paths.models / keep_model(make_network(id)) for id in ("one", "other")]
    shutil.rmtree(folders[0])
    assert not is_away(settings.paths.models, "one")
    shutil.rmtree(folders[1])
    assert is_away(settings.paths.models, "one")


@pytest.mark.usefixtures("excerpts")
def test_a_champion_whose_card_is_damaged_is_not_given_away(
    settings: Settings, store: Store, plan: Callable[..., None], warned: list[str]
) -> None:
    first = run(settings, store)
    card = settings.paths.models / str(first.model_id) / "model.json"
    card.write_bytes(card.read_bytes()[:300])
    plan(learning_rate=0.0)
    second = run(settings, store)
    assert second.state == "kept"
    assert f"no different from {first.model_id}" in second.reason
    assert any(f"what the database has of {first.model_id} is used: {card}: " in line for line in warned)


def test_both_contenders_are_judged_once_before_the_budget_begins(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[tuple[object, float]] = []

    def noted(network: TcnModel, pair: ValidationPair) -> FileScore:
        found = score(network, pair)
        judged.append((network.architecture, found.mrstft))
        return found

    monkeypatch.setattr(preparation, "score", noted)
    warm_up(settings, PRESETS["feather"])
    assert {architecture for architecture, _ in judged} == {PRESETS["nano"], PRESETS["feather"]}
    assert all(np.isfinite(mrstft) for _, mrstft in judged), "spectra are compiled too"


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_the_budget_in_minutes_becomes_the_plan(settings: Settings, store: Store) -> None:
    result = run(changed(settings, training=TrainingSettings(max_minutes=0.15)), store)
    assert result.model_id is not None
    card = read_card(settings.paths.models / result.model_id)
    assert 0 < card.recipe["seconds"] < 60 * 0.15
    assert card.recipe["max_minutes"] == 0.15
    assert 1 <= card.steps <= card.recipe["steps"]


@pytest.mark.usefixtures("excerpts", "silent_champion")
def test_what_judging_will_take_is_kept_back_and_reckoned_with(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "judging_seconds", lambda *_: 100.0)
    asked: list[tuple[float, bool]] = []
    left: list[float] = []

    def planned(*arguments: Any, last_validation: bool, **_: Any) -> Plan:
        asked.append((arguments[3], last_validation))
        return Plan(steps=20, validate_every=20, batch=1, seconds=5.0)

    monkeypatch.setattr(challenge, "plan_for", planned)
    long = changed(settings, training=TrainingSettings(max_minutes=10))
    retrain(long, store, "command", lambda progress: left.append(progress.seconds_left), lambda: bool(left))
    # The last validation is the challenger's judging, which is kept back as the champion's is.
    ((seconds, last_validation),) = asked
    assert 300 < seconds < 600 - 200
    assert not last_validation
    assert 200 < left[0] <= 206


@pytest.mark.usefixtures("excerpts")
def test_the_champion_is_judged_while_the_challenger_learns(
    settings: Settings, store: Store, silent_champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def noted(network: TcnModel, *arguments: Any) -> FileScore:
        events.append(network.id)
        return score(network, *arguments)

    monkeypatch.setattr(contest, "score", noted)
    short = changed(settings, training=TrainingSettings(max_minutes=0.15))
    result = retrain(short, store, "command", lambda _: events.append("learned"), lambda: False)
    assert result.decision is not None
    assert result.decision.champion == silent_champion
    judged = [events.index(one) for one in (silent_champion, str(result.model_id))]
    learned = [index for index, event in enumerate(events) if event == "learned"]
    assert learned[0] < judged[0] < learned[-1] < judged[1]
    assert events.count(silent_champion) == events.count(str(result.model_id))


# What cannot be trained


def test_an_empty_set_fails_with_a_reason(settings: Settings, store: Store) -> None:
    result = run(settings, store)
    assert (result.state, result.model_id) == ("failed", None)
    assert result.reason.startswith(
        "the training set is empty: no file has been processed that is for training;"
    )
    (training,) = store.trainings(1)
    assert (training.state, training.reason) == ("failed", result.reason)
    assert_tidy(settings, store)


def test_nothing_but_silence_fails_with_a_reason(
    settings: Settings, store: Store, add_sound: Callable[..., Example]
) -> None:
    lengths = count(1000)
    while add_sound(np.zeros((1, next(lengths)), np.float32)).subset == "validation":
        pass
    assert run(settings, store).reason.startswith("the training set holds nothing but silence; process")


@pytest.mark.usefixtures("plan")
def test_without_a_validation_sound_nothing_is_trained(
    settings: Settings, store: Store, add_excerpt: AddExcerpt
) -> None:
    add_excerpt("loop_electric")
    result = run(settings, store)
    assert (result.state, result.model_id) == ("kept", None)
    assert "no validation sound" in result.reason
    assert_tidy(settings, store)


@pytest.mark.usefixtures("excerpts")
def test_a_training_that_diverges_leaves_the_champion(
    settings: Settings, store: Store, plan: Callable[..., None]
) -> None:
    first = run(settings, store)
    plan(learning_rate=1e30)
    second = run(settings, store)
    assert second.state == "failed"
    assert "steps" in second.reason
    champion = store.champion()
    assert champion is not None
    assert champion.id == first.model_id
    assert_tidy(settings, store)


@pytest.mark.usefixtures("excerpts")
def test_a_saturator_that_the_models_rate_cannot_hold_fails_with_a_reason(
    settings: Settings, store: Store
) -> None:
    bare = SaturatorSettings(tone_hz=30_000, antialias="none")
    result = run(changed(settings, saturator=bare), store)
    assert result.state == "failed"
    assert "tone_hz = 30000 is not below half the sample rate" in result.reason


@pytest.mark.usefixtures("plan", "excerpts")
def test_a_model_that_the_disk_does_not_take_is_written_by_the_next_one(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(challenge, "write_model", full)
        result = run(settings, store)
    assert (result.state, store.champion()) == ("stopped", None)
    assert result.reason == "No space left on device; the next retraining goes on with it"
    model_id = json.loads((job_folder(settings.paths.db) / JOB_NAME).read_text())["model_id"]
    assert run(settings, store).model_id == model_id
    assert_tidy(settings, store)


@pytest.mark.usefixtures("plan", "excerpts")
@pytest.mark.parametrize("kind", [torch.OutOfMemoryError, torch.AcceleratorError])
def test_a_training_that_the_gpu_refuses_is_gone_on_with_by_the_next_one(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, kind: type[RuntimeError]
) -> None:
    def refused(*_: object) -> None:
        raise kind("CUDA out of memory.\nCompile with TORCH_USE_CUDA_DSA")

    with monkeypatch.context() as patch:
        patch.setattr(Course, "learn", refused)
        result = run(settings, store)
    assert (result.state, store.champion()) == ("stopped", None)
    wanted = 'CUDA out of memory; nothing of it is kept; [tcn] device = "cpu" leaves the GPU alone'
    assert result.reason == store.trainings(1)[0].reason == wanted
    model_id = json.loads((job_folder(settings.paths.db) / JOB_NAME).read_text())["model_id"]
    assert run(settings, store).model_id == model_id
    assert_tidy(settings, store)


@pytest.mark.usefixtures("plan", "excerpts")
@pytest.mark.parametrize("place", ["add_points", "add_model", "promote"])
def test_what_the_database_does_not_take_is_recorded_by_the_next_one(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, place, away)
        result = run(settings, store)
    assert (result.state, store.champion()) == ("stopped", None)
    assert result.reason == "it is full; the next retraining goes on with it"
    assert (store.trainings(1)[0].state, store.trainings(1)[0].reason) == ("stopped", result.reason)
    model_id = json.loads((job_folder(settings.paths.db) / JOB_NAME).read_text())["model_id"]
    assert run(settings, store).model_id == model_id
    assert_tidy(settings, store)


@pytest.mark.usefixtures("plan", "excerpts")
def test_an_end_that_the_database_does_not_take_is_recorded_by_the_next_one(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "finish_training", away)
        result = run(settings, store)
    assert result.state == "promoted"
    assert store.trainings(1)[0].state == "running"
    run(settings, store)
    assert (store.trainings(2)[1].state, store.trainings(2)[1].model_id) == ("promoted", result.model_id)
    assert_tidy(settings, store)


def away(*_: object, **__: object) -> None:
    raise StoreUnavailable("it is full")


@pytest.mark.usefixtures("plan")
def test_a_lost_sound_is_left_out(settings: Settings, store: Store, excerpts: list[Example]) -> None:
    (settings.dataset / excerpts[0].path).unlink()
    result = run(settings, store)
    card = read_card(settings.paths.models / str(result.model_id))
    assert card.trained_on == (excerpts[1].content_sha256,)
    lost = settings.dataset / excerpts[0].path
    assert result.reason.endswith(f"; 1 file of the training set left out: {lost}: No such file or directory")
    assert store.trainings(1)[0].reason == result.reason


@pytest.mark.usefixtures("plan")
def test_a_set_above_its_limit_is_trimmed_first(
    settings: Settings, store: Store, excerpts: list[Example]
) -> None:
    limit = (sum(clip.bytes for clip in excerpts) - 1) / 1e9
    result = run(changed(settings, training=TrainingSettings(max_dataset_gb=limit)), store)
    assert result.state == "promoted"
    assert store.contents() == excerpts[1:]


# Interrupted, and gone on with


@pytest.mark.usefixtures("excerpts")
def test_a_stopped_training_goes_on_and_comes_to_the_same_model(
    settings: Settings, store: Store, plan: Callable[..., None], told: list[str]
) -> None:
    with second_home(settings, store) as (other, other_store):
        uninterrupted = run(other, other_store)
        expected = load_network(other.paths.models, str(uninterrupted.model_id))
    calls = count()
    stopped = run(settings, store, lambda: next(calls) > 15)
    assert stopped.state == "stopped"
    assert re.fullmatch(
        r"asked to stop after \d+ of 30 steps; the next retraining goes on with it", stopped.reason
    )
    assert store.champion() is None
    assert due(store, settings, datetime.now(UTC)).due
    job = json.loads((job_folder(settings.paths.db) / JOB_NAME).read_text())
    plan(steps=99)
    resumed = run(settings, store)
    assert any(re.match(r"the training goes on after \d+ of 30 steps$", line) for line in told), told
    assert resumed.model_id == job["model_id"]
    found = load_network(settings.paths.models, job["model_id"])
    for name, tensor in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], tensor)
    assert [training.state for training in store.trainings(2)] == ["promoted", "stopped"]
    assert_tidy(settings, store)


@pytest.mark.usefixtures("plan")
@pytest.mark.parametrize("trouble", ["no GPU", "no sound", "no validation sound"])
def test_what_fails_before_it_takes_up_an_interrupted_training_leaves_it(
    settings: Settings, store: Store, excerpts: list[Example], trouble: str
) -> None:
    calls = count()
    assert run(settings, store, lambda: next(calls) > 15).state == "stopped"
    model_id = json.loads((job_folder(settings.paths.db) / JOB_NAME).read_text())["model_id"]
    today, moved = settings, list[tuple[Path, Path]]()
    if trouble == "no GPU":
        if torch.cuda.is_available():
            pytest.skip("there is a CUDA device here")
        today = settings.model_copy(update={"tcn": TcnSettings(preset="nano", device="cuda")})
    else:
        subset = "training" if trouble == "no sound" else "validation"
        for example in excerpts:
            if example.subset == subset:
                path = settings.dataset / example.path
                moved.append((path, path.rename(path.with_suffix(".away"))))
    result = run(today, store)
    assert result.state in ("failed", "kept"), result.reason
    for path, away in moved:
        away.rename(path)
    assert run(settings, store).model_id == model_id
    assert_tidy(settings, store)


@pytest.mark.long
@pytest.mark.usefixtures("plan", "excerpts")
def test_a_model_that_is_promoted_by_hand_during_a_contest_stays(
    settings: Settings, store: Store, silent_champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(settings, store)
    assert first.state == "promoted"
    store.promote(silent_champion, BY_HAND, datetime.now(UTC))
    judge = judging.contest

    def and_meanwhile(*arguments: Any) -> Any:
        found = judge(*arguments)
        store.promote(str(first.model_id), BY_HAND, datetime.now(UTC))
        return found

    monkeypatch.setattr(judging, "contest", and_meanwhile)
    second = run(settings, store)
    assert second.state == "kept"
    assert second.reason.endswith(f"; but {first.model_id} was promoted meanwhile, and stays")
    champion = store.champion()
    assert champion is not None
    assert champion.id == first.model_id


@pytest.mark.long
@pytest.mark.usefixtures("excerpts", "plan")
def test_one_by_steps_and_one_by_time_do_not_end_each_other(settings: Settings, store: Store) -> None:
    for steps in (40, None):
        calls = count()
        assert run(settings, store, lambda calls=calls: next(calls) > 15, steps=steps).state == "stopped"
    jobs = [job_folder(settings.paths.db, by_steps) / JOB_NAME for by_steps in (True, False)]
    ids = [json.loads(job.read_text())["model_id"] for job in jobs]
    assert run(settings, store, steps=40).model_id == ids[0]
    assert not jobs[0].exists()
    assert jobs[1].exists()


@pytest.mark.long
@pytest.mark.usefixtures("excerpts", "silent_champion")
def test_one_by_time_is_gone_on_with_after_another_night_of_steps(
    settings: Settings, store: Store, plan: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan(learning_rate=0.0)
    monkeypatch.setattr(challenge, "plan_of", challenge.plan_for)
    assert run(settings, store).state == "promoted"
    calls = count()
    assert run(settings, store, lambda: next(calls) > 15).state == "stopped"
    job = job_folder(settings.paths.db) / JOB_NAME
    begun = json.loads(job.read_text())
    assert run(settings, store, steps=30).state == "kept"
    assert tonight(settings, store).number == begun["night"] + 1
    assert run(settings, store).model_id == begun["model_id"]


@pytest.mark.long
@pytest.mark.usefixtures("excerpts", "silent_champion")
def test_each_night_hears_probes_of_its_own(
    settings: Settings, store: Store, plan: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds = []

    def mixture(examples: Any, source: Any, seed: int, *more: Any) -> Mixture:
        seeds.append(seed)
        return Mixture(examples, source, seed, *more)

    monkeypatch.setattr(challenge, "Mixture", mixture)
    plan(learning_rate=0.0)
    assert [run(settings, store).state for _ in range(3)] == ["promoted", "kept", "kept"]
    assert len(set(seeds)) == 3


@pytest.mark.usefixtures("excerpts")
@pytest.mark.parametrize("what", ["saturator", "preset", "seed", "sound"])
def test_a_training_of_something_else_is_not_gone_on_with(
    settings: Settings,
    store: Store,
    plan: Callable[..., None],
    add_excerpt: AddExcerpt,
    warned: list[str],
    what: str,
) -> None:
    calls = count()
    run(settings, store, lambda: next(calls) > 15)
    job = json.loads((job_folder(settings.paths.db) / JOB_NAME).read_text())
    plan(steps=5)
    if what == "sound":
        add_excerpt("loop_mehackit1")
    sections = {
        "saturator": {"saturator": SaturatorSettings(drive=2)},
        "preset": {"tcn": TcnSettings(preset="feather")},
        "seed": {"training": TrainingSettings(seed=1)},
        "sound": {},
    }
    result = run(changed(settings, **sections[what]), store)
    assert result.state == "promoted"
    assert result.model_id != job["model_id"]
    why = "much of the sound is new" if what == "sound" else f"{what}"
    (line,) = warned
    assert line.startswith(f"{job['model_id']} is not gone on with: ")
    assert why in line
    assert read_card(settings.paths.models / str(result.model_id)).steps == 5
    assert_tidy(settings, store)


@pytest.mark.usefixtures("plan", "excerpts")
@pytest.mark.parametrize(
    ("place", "where"),
    [
        pytest.param("train", "before", marks=pytest.mark.long),
        pytest.param("train", "after", marks=pytest.mark.long),
        ("write_model", "before"),
        pytest.param("write_model", "after", marks=pytest.mark.long),
        pytest.param("add_model", "after", marks=pytest.mark.long),
        ("promote", "after"),
        pytest.param("finish_training", "after", marks=pytest.mark.long),
    ],
)
def test_a_kill_at_any_place_leaves_a_whole_champion(
    settings: Settings,
    store: Store,
    silent_champion: str,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    where: str,
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, store, place, where)
        with pytest.raises(Killed):
            run(settings, store)
    champion = store.champion()
    assert champion is not None
    load_network(settings.paths.models, champion.id)
    decided = place in ("promote", "finish_training")
    assert (champion.id == silent_champion) == (not decided)

    assert run(settings, store).state in ("promoted", "kept")
    assert store.trainings(2)[1].state == ("promoted" if decided else "stopped")
    # The model that was under way is finished, not made a second time.
    assert len(store.models()) == (3 if decided else 2)
    assert_tidy(settings, store)


@pytest.mark.long
@pytest.mark.usefixtures("plan", "excerpts")
def test_a_model_that_was_rolled_back_is_not_promoted_again_by_itself(
    settings: Settings, store: Store, silent_champion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, store, "promote", "after")
        with pytest.raises(Killed):
            run(settings, store)
    promoted = store.promotions()[0].model_id
    store.promote(silent_champion, f"{ROLLED_BACK} by hand from {promoted}", datetime.now(UTC))
    assert run(settings, store).model_id != promoted
    assert (store.trainings(2)[1].state, store.trainings(2)[1].model_id) == ("promoted", promoted)
    assert_tidy(settings, store)


@pytest.mark.long
@pytest.mark.usefixtures("plan", "excerpts", "silent_champion")
def test_a_model_that_nobody_knew_yet_is_removed(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        kill_at(patch, store, "write_model", "after")
        with pytest.raises(Killed):
            run(settings, store)
    assert len(list(settings.paths.models.iterdir())) == 2
    run(changed(settings, training=TrainingSettings(seed=1)), store)
    assert_tidy(settings, store)


@pytest.mark.long
@pytest.mark.usefixtures("excerpts")
def test_a_training_that_was_decided_is_not_gone_on_with(
    settings: Settings, store: Store, plan: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(settings, store)
    plan(learning_rate=0.0)
    with monkeypatch.context() as patch:
        kill_at(patch, store, "finish_training", "after")
        with pytest.raises(Killed):
            run(settings, store)
    assert store.trainings(1)[0].state == "kept"
    run(settings, store)
    assert len(store.models()) == 3
    assert_tidy(settings, store)


def kill_at(patch: pytest.MonkeyPatch, store: Store, place: str, where: str) -> None:
    """Let a retraining be killed before or after it calls a function of this name."""
    owner = store if hasattr(store, place) else challenge
    original = getattr(owner, place)

    def killing(*args: object, **names: object) -> None:
        if where == "after":
            original(*args, **names)
        raise Killed

    patch.setattr(owner, place, killing)


CHILD = """
import sys, time
from pathlib import Path
from fxd.config import Settings
from fxd.store.store import open_store
from fxd.training import challenge, trainer
from fxd.training.retrain import retrain
from fxd.training.pairs import PairSource
from fxd.training.plan import Plan
from fxd.training.contest import score

settings = Settings.model_validate_json(sys.argv[1])
trainer.CHECKPOINT_SECONDS = 0.0
challenge.plan_for = lambda *_, **__: Plan(steps=60, validate_every=100, batch=1)
steps = 0

def hang() -> bool:
    global steps
    steps += 1
    if steps > 30:
        print("trained", flush=True)
        time.sleep(600)
    return False

with open_store(settings.database_url) as store:
    retrain(settings, store, "command", lambda _: None, hang)
"""


@pytest.mark.usefixtures("excerpts")
def test_a_killed_process_gives_way_and_its_training_goes_on(
    settings: Settings, store: Store, plan: Callable[..., None]
) -> None:
    plan(steps=60, validate_every=100, batch=1)
    with second_home(settings, store) as (other, other_store):
        undisturbed = run(other, other_store)
        expected = load_network(other.paths.models, str(undisturbed.model_id))
    command = [sys.executable, "-c", CHILD, settings.model_dump_json(by_alias=True)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "trained\n"
        with pytest.raises(AlreadyTraining, match=f"under way in this home, by process {child.pid}, since "):
            run(settings, store)
        child.send_signal(signal.SIGKILL)
    job = json.loads((job_folder(settings.paths.db) / JOB_NAME).read_text())
    first_steps: list[int] = []

    def watch(progress: Progress) -> None:
        first_steps.append(progress.step)

    result = retrain(settings, store, "command", watch, lambda: False)
    assert result.model_id == job["model_id"]
    assert first_steps[0] > 25
    found = load_network(settings.paths.models, job["model_id"])
    for name, tensor in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], tensor)
    assert [(training.state, training.reason[:7]) for training in store.trainings(2)] == [
        ("promoted", "no mode"),
        ("stopped", "cut off"),
    ]
    assert_tidy(settings, store)


def test_the_lock_is_free_again_after_a_retraining(settings: Settings, store: Store) -> None:
    with (
        training_lock(settings.paths.db),
        pytest.raises(AlreadyTraining, match=f"process {os.getpid()}, since"),
    ):
        run(settings, store)
    assert run(settings, store).state == "failed"
