"""A retraining from the lock to the record.

The order lets the old champion serve until all is done, wherever a kill comes:

    training recorded as running      the next retraining notes that it was stopped
    job and checkpoint in db          the next retraining goes on from there
    models/<id> appears, whole        nobody knows it yet; it is removed, and made again under the same id
    model recorded                    it is known, but does not serve
    model promoted                    it serves; the next retraining notes that this one came to its end
    training recorded as ended        the job is out of date
    job and checkpoint removed
"""

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Literal
from uuid import uuid4

import numpy as np
import torch
from loguru import logger

from fxd.config import Settings
from fxd.engines.engine import render
from fxd.engines.saturator import Saturator
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import MODEL_SAMPLE_RATE, PRESETS, Architecture, Tcn, TcnModel
from fxd.store.records import Training, TrainingState
from fxd.store.store import Store
from fxd.training.card import card_of
from fxd.training.champion import Champion, NoChampion, load_champion
from fxd.training.contest import Material, Player, contest, judged, score
from fxd.training.dataset import trim_dataset
from fxd.training.evidence import fewest_files
from fxd.training.job import CHECKPOINT_NAME, Job, drop_job, job_folder, read_job, take_up
from fxd.training.lock import AlreadyTraining, training_lock
from fxd.training.models import model_folder, new_model_id, remove_leftovers, write_model
from fxd.training.pairs import PairSource, resampled
from fxd.training.pool import NothingToLearn, TrainingSet
from fxd.training.promotion import Contender, Decision, Night, decide
from fxd.training.review import review
from fxd.training.succession import tonight
from fxd.training.trainer import (
    Progress,
    Trained,
    TrainingFailed,
    ValidationPair,
    plan_for,
    prepare,
    saved_plan,
    train,
)
from fxd.training.validation import factory_pairs, validation_pairs

__all__ = ["AlreadyTraining", "Retrained", "retrain"]

SINES_SECONDS = 8
"""Of sound in which aliases are looked for."""
CLIPS_SECONDS = 90
"""Of sound in the clips that fxd brings along."""
FINISH_SECONDS = 0.5
"""Of the budget, for writing the model and its records."""
LOOK_BACK = 100
"""Trainings among which the one that a job belongs to is looked for."""


@dataclass(frozen=True)
class Retrained:
    """What came of a retraining, as the store has it too."""

    state: TrainingState
    reason: str
    """One plain sentence."""
    model_id: str | None = None
    """The challenger, where there is one."""
    decision: Decision | None = None


def retrain(
    settings: Settings,
    store: Store,
    trigger: Literal["schedule", "command"],
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
) -> Retrained:
    """Train a challenger on all examples within [training] max_minutes, and promote it if it is better.

    Whatever goes wrong with it, the champion goes on serving, and the reason is recorded. When `should_stop`
    says so it ends as `stopped`, and the next retraining goes on with it. Raises AlreadyTraining where another
    process retrains in this home.
    """
    with training_lock(settings.paths.db):
        tidy_up(settings, store)
        training = Training(
            uuid4().hex, datetime.now(UTC), trigger, "running", dataset_seconds=store.dataset_seconds()
        )
        store.begin_training(training)
        try:
            warm_up(settings)
            result = Retraining(settings, store, training.id, on_progress, should_stop).run()
        except Stopped as stop:
            result = Retrained("stopped", f"{stop}; the next retraining goes on with it")
        except (NothingToLearn, TrainingFailed, OSError) as error:
            result = Retrained("failed", str(error))
        store.finish_training(training.id, result.state, result.model_id, result.reason, datetime.now(UTC))
        if result.state != "stopped":
            drop_job(job_folder(settings.paths.db))
        logger.info("retraining: {}, {}", result.state, result.reason)
        return result


def tidy_up(settings: Settings, store: Store) -> None:
    """Put in order what a retraining that was killed left behind. The caller holds the lock."""
    remove_leftovers(settings.paths.models)
    now = datetime.now(UTC)
    for killed in store.mark_stopped("killed; the next retraining goes on with it", now):
        logger.warning("the retraining of {:%Y-%m-%d %H:%M} was killed", killed.started_at.astimezone())
    folder = job_folder(settings.paths.db)
    job = read_job(folder)
    if job is None:
        return
    champion = store.champion()
    states = {training.id: training.state for training in store.trainings(LOOK_BACK)}
    if champion is not None and champion.id == job.model_id:
        if job.training_id in states:
            store.finish_training(job.training_id, "promoted", champion.id, champion.reason, now)
        drop_job(folder)
    elif states.get(job.training_id) != "stopped":
        drop_job(folder)
    if store.model(job.model_id) is None:
        shutil.rmtree(model_folder(settings.paths.models, job.model_id), ignore_errors=True)


class Stopped(Exception):
    """Somebody asked for an end; the text says how far it had come."""


class Retraining:
    """One retraining at work, within its budget of time."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        training_id: str,
        on_progress: Callable[[Progress], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self.settings = settings
        self.store = store
        self.training_id = training_id
        self.on_progress = on_progress
        self.should_stop = should_stop
        self.folder = job_folder(settings.paths.db)
        self.deadline = time.monotonic() + 60 * settings.training.max_minutes

    def run(self) -> Retrained:
        """Raises NothingToLearn, TrainingFailed, OSError, or Stopped."""
        settings = self.settings
        trim_dataset(self.store, settings.dataset, settings.training.max_dataset_gb)
        source = PairSource(settings.dataset, settings.saturator)
        # First, so that a model which is rolled back is not what the next one begins with.
        review(settings, self.store, source, self.check_judging)
        examples = self.store.contents()
        start = self.start()
        heard = frozenset(start.card.trained_on if start else ())
        training_set = TrainingSet(examples, source, settings.training.seed, heard)
        self.check("asked to stop while it loaded")
        pairs = validation_pairs(examples, source)
        self.check("asked to stop while it loaded")
        if not pairs:
            return Retrained(
                "kept",
                "there is no validation sound to judge a new model by; about one "
                "processed file in five is for that, so more files are needed",
            )
        job = self.take_up(training_set, start)
        trained = self.train(job, training_set, pairs, start)
        sample_rates = {example.content_sha256: example.sample_rate for example in examples}
        material = Material(pairs, sample_rates, partial(factory_pairs, source))
        return self.conclude(job, trained, material, start)

    def check(self, moment: str) -> None:
        if self.should_stop():
            raise Stopped(moment)

    def start(self) -> Champion | None:
        """The champion, where the new model can begin with its weights."""
        champion = load_champion(self.settings, self.store)
        wanted = (PRESETS[self.settings.tcn.preset], settings_hash(self.settings.saturator))
        if isinstance(champion, Champion) and wanted == (
            champion.network.architecture,
            champion.network.settings_hash,
        ):
            return champion
        return None

    def take_up(self, training_set: TrainingSet, start: Champion | None) -> Job:
        settings = self.settings
        wanted = Job(
            training_id=self.training_id,
            model_id=new_model_id(settings.paths.models, settings.tcn.preset, datetime.now(UTC)),
            preset=settings.tcn.preset,
            settings_hash=settings_hash(settings.saturator),
            seed=settings.training.seed,
            max_minutes=settings.training.max_minutes,
            parent=start.card.id if start else None,
            contents=tuple(training_set.contents),
        )
        seconds = {e.content_sha256: e.frames / e.sample_rate for e in training_set.examples}
        return take_up(self.folder, wanted, seconds)

    def train(
        self, job: Job, training_set: TrainingSet, pairs: Sequence[ValidationPair], start: Champion | None
    ) -> Trained:
        architecture, device = PRESETS[job.preset], self.settings.tcn.device
        checkpoint = self.folder / CHECKPOINT_NAME
        plan = saved_plan(checkpoint)
        if plan is None:
            # Both contenders are judged at the end.
            reserve = 2 * judging_seconds(architecture, pairs, tonight(self.settings, self.store))
            reserve += FINISH_SECONDS
            seconds = self.deadline - reserve - time.monotonic()
            plan = plan_for(
                architecture, training_set, pairs, seconds, job.seed, device, warm=start is not None
            )
        trained = train(
            architecture,
            training_set,
            pairs,
            plan,
            model_id=job.model_id,
            settings_hash=job.settings_hash,
            checkpoint=checkpoint,
            start=start.network if start else None,
            device=device,
            on_progress=self.on_progress,
            should_stop=self.should_stop,
        )
        if trained.steps == 0 and not trained.stopped_early:
            raise TrainingFailed("there was no time for a single step: raise [training] max_minutes")
        if trained.stopped_early:
            raise Stopped(f"asked to stop after {trained.steps} of {trained.plan.steps} steps")
        return trained

    def conclude(self, job: Job, trained: Trained, material: Material, start: Champion | None) -> Retrained:
        """Judge, decide, and record, in the order at the top of this file."""
        store = self.store
        heard = set(job.contents) | set(start.card.trained_on if start else ())
        player = Player(trained.model, frozenset(heard))
        if start is not None and trained.best_step == 0:
            challenger = self.judge(player, material)
            reason = f"{trained.steps} steps from the weights of {start.card.id} brought nothing better"
            decision = Decision(False, reason, start.card.id)
        else:
            challenger, decision = self.decide(player, material)
        own = {pair.content_sha256 for pair in material.pairs}
        scores = [one for one in challenger.scores if one.content_sha256 in own]
        threads = torch.get_num_threads()
        card = card_of(self.settings, job, trained, sorted(heard), scores, decision, threads)
        write_model(model_folder(self.settings.paths.models, card.id), trained.model, card)
        model = card.record()
        if not store.add_model(model):
            store.update_model(model.id, model.reason, model.details)
        if decision.promoted:
            store.promote(model.id, model.reason, datetime.now(UTC))
        return Retrained("promoted" if decision.promoted else "kept", model.reason, model.id, decision)

    def decide(self, player: Player, material: Material) -> tuple[Contender, Decision]:
        # Looked up again: somebody may have promoted another model meanwhile.
        champion = load_champion(self.settings, self.store)
        if isinstance(champion, NoChampion):
            challenger = self.judge(player, material)
            return challenger, decide(challenger, None, champion.reason)
        other = Player(champion.network, frozenset(champion.card.trained_on))
        return contest(player, other, material, tonight(self.settings, self.store), self.check_judging)

    def judge(self, player: Player, material: Material) -> Contender:
        return judged(player, material.pairs, material.sample_rates, self.check_judging)

    def check_judging(self) -> None:
        self.check("asked to stop while it was judged")


def silent_network(architecture: Architecture) -> TcnModel:
    weights = {name: np.zeros(shape, np.float32) for name, shape in architecture.shapes().items()}
    return TcnModel("silent", architecture, "", weights)


def warm_up(settings: Settings) -> None:
    """Have the machine compile what it compiles on first use: half a minute that is not the training's.

    Raises TrainingFailed where the saturator cannot work at the model's sample rate.
    """
    moment = resampled([np.zeros((1, 441), np.float32)], 44_100, 1)
    try:
        render(Saturator(settings.saturator), moment, MODEL_SAMPLE_RATE)
    except ValueError as error:
        raise TrainingFailed(f"at {MODEL_SAMPLE_RATE} Hz, the network's sample rate, {error}") from error
    render(Tcn(silent_network(PRESETS[settings.tcn.preset])), moment, MODEL_SAMPLE_RATE)
    prepare(PRESETS[settings.tcn.preset], settings.tcn.device)


def judging_seconds(architecture: Architecture, pairs: Sequence[ValidationPair], night: Night) -> float:
    """How long a network of this shape will take to be judged, measured with one that is silent."""
    frames = sum(len(pair.dry) for pair in pairs) + SINES_SECONDS * MODEL_SAMPLE_RATE
    if len(pairs) < fewest_files(night.number):
        frames += CLIPS_SECONDS * MODEL_SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.1, min(frames, 2 * MODEL_SAMPLE_RATE)).astype(np.float32)
    trial = ValidationPair("noise", noise, noise)
    network = silent_network(architecture)
    score(network, trial)  # the first one may have to compile
    began = time.monotonic()
    score(network, trial)
    return (time.monotonic() - began) * frames / len(noise)
