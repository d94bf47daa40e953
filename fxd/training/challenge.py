"""One challenge: a challenger is trained on all examples, judged beside the champion, and recorded."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from zlib import crc32

from loguru import logger

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import PRESETS
from fxd.store.errors import StoreUnavailable
from fxd.store.records import CurvePoint, TrainingState
from fxd.store.store import Store
from fxd.training.card import card_of
from fxd.training.champion import Champion, load_champion
from fxd.training.contest import Material
from fxd.training.dataset import trim_dataset
from fxd.training.job import CHECKPOINT_NAME, Job, job_folder, night_of, take_up
from fxd.training.judging import Judging, Stopped
from fxd.training.measuring import plan_for
from fxd.training.mixture import Mixture
from fxd.training.models import model_folder, new_model_id, write_model
from fxd.training.pairs import PairSource
from fxd.training.plan import RECIPE, Plan, plan_of
from fxd.training.pool import TrainingSet
from fxd.training.progress import Progress
from fxd.training.promotion import Decision, counted
from fxd.training.review import review
from fxd.training.succession import heard_night
from fxd.training.trainer import Trained, TrainingFailed, saved_plan, train
from fxd.training.validation import factory_pairs, validation_pairs


@dataclass(frozen=True)
class Retrained:
    """What came of a retraining, as the store has it too."""

    state: TrainingState
    reason: str
    """One plain sentence."""
    model_id: str | None = None
    """The challenger, where there is one."""
    decision: Decision | None = None


@dataclass
class Challenge:
    """One retraining at work, within its budget of time."""

    settings: Settings
    store: Store
    training_id: str
    threads: int
    on_progress: Callable[[Progress], None]
    should_stop: Callable[[], bool]
    should_end: Callable[[], bool]
    steps: int | None
    unrecorded: list[CurvePoint] = field(default_factory=list, init=False)
    """Points of the learning curve that the store could not take yet."""
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        self.deadline = time.monotonic() + 60 * self.settings.training.max_minutes

    @property
    def folder(self) -> Path:
        return job_folder(self.settings.paths.db, by_steps=self.steps is not None)

    def run(self) -> Retrained:
        """Raises NothingToLearn, TrainingFailed, OSError, or Stopped."""
        settings = self.settings
        trim_dataset(self.store, settings.dataset, settings.training.max_dataset_gb)
        source = PairSource(settings.dataset, settings.saturator)
        # First, so that a model which is rolled back is not what the next one begins with.
        review(settings, self.store, source, lambda: self.check("asked to stop before it began"))
        examples = self.store.contents()
        start = self.start()
        heard = frozenset(start.card.trained_on if start else ())
        wanted = self.wanted(start)
        wanted = replace(wanted, night=night_of(self.folder, wanted))
        mixture = Mixture(examples, source, wanted.drawn_seed, heard, self.threads)
        self.check("asked to stop while it loaded")
        pairs = validation_pairs(examples, source, self.threads)
        self.check("asked to stop while it loaded")
        if not pairs:
            return Retrained(
                "kept",
                "there is no validation sound to judge a new model by; about one "
                "processed file in five is for that, so more files are needed"
                + without(source.left_out, self.store),
            )
        job = self.take_up(wanted, mixture.recordings)
        sample_rates = {example.content_sha256: example.sample_rate for example in examples}
        judging = Judging(
            settings,
            self.store,
            Material(pairs, sample_rates, cache(partial(factory_pairs, source))),
            heard | set(job.contents),
            PRESETS[job.preset],
            self.should_stop,
        )
        trained = self.train(job, mixture, judging, start)
        result = self.conclude(job, trained, judging, start)
        return replace(result, reason=result.reason + without(source.left_out, self.store))

    def check(self, moment: str) -> None:
        """Where nothing is learned yet there is nothing to keep: to end is then the same as to stop."""
        if self.should_stop() or self.should_end():
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

    def wanted(self, start: Champion | None) -> Job:
        """What this retraining would do if nothing was begun before; it does not know the sounds yet."""
        settings = self.settings
        return Job(
            training_id=self.training_id,
            model_id=new_model_id(settings.paths.models, settings.tcn.preset, datetime.now(UTC)),
            preset=settings.tcn.preset,
            settings_hash=settings_hash(settings.saturator),
            seed=seed_of(settings.training.seed, start),
            max_minutes=settings.training.max_minutes,
            parent=start.card.id if start else None,
            contents=(),
            steps=self.steps,
            night=heard_night(settings, self.store) if self.steps is None else 1,
            recipe=RECIPE,
        )

    def take_up(self, wanted: Job, recordings: TrainingSet) -> Job:
        seconds = {e.content_sha256: e.frames / e.sample_rate for e in recordings.examples}
        return take_up(self.folder, replace(wanted, contents=tuple(recordings.contents)), seconds)

    def train(self, job: Job, mixture: Mixture, judging: Judging, start: Champion | None) -> Trained:
        architecture, device = PRESETS[job.preset], self.settings.tcn.device
        pairs = judging.material.pairs
        checkpoint = self.folder / CHECKPOINT_NAME
        known_steps = start.steps if start else 0

        def plan() -> Plan:
            if job.steps is not None:
                return plan_of(job.steps, job.drawn_seed, known_steps)
            seconds = self.deadline - judging.seconds - time.monotonic()
            return plan_for(
                architecture,
                mixture,
                pairs,
                seconds,
                job.drawn_seed,
                device,
                known_steps=known_steps,
                threads=self.threads,
                last_validation=False,
            )

        trained = train(
            architecture,
            mixture,
            pairs,
            saved_plan(checkpoint) or plan(),
            model_id=job.model_id,
            settings_hash=job.settings_hash,
            checkpoint=checkpoint,
            start=start.network if start else None,
            device=device,
            threads=self.threads,
            on_progress=lambda progress: self.on_progress(
                replace(progress, seconds_left=progress.seconds_left + judging.seconds)
            ),
            on_point=self.record,
            judge=judging.judge_last,
            interlude=judging.judge_champion,
            should_stop=self.should_stop,
            should_end=self.should_end,
        )
        if trained.stopped_early or (trained.cut_short and not trained.steps):
            raise Stopped(f"asked to stop after {trained.steps} of {trained.plan.steps} steps")
        if trained.steps == 0:
            raise TrainingFailed("there was no time for a single step: raise [training] max_minutes")
        return trained

    def record(self, point: CurvePoint) -> None:
        """Add to the learning curve. A store that is out of reach for a moment must not end a training."""
        self.unrecorded.append(point)
        try:
            self.store.add_points(self.training_id, self.unrecorded)
            self.unrecorded.clear()
        except StoreUnavailable as error:
            logger.warning("the learning curve is not up to date: {}", error)

    def conclude(self, job: Job, trained: Trained, judging: Judging, start: Champion | None) -> Retrained:
        """Judge, decide, and record, in the order at the top of `fxd.training.retrain`."""
        store = self.store
        if start is not None and trained.best_step == 0:
            challenger = judging.judge_alone(trained.model)
            reason = f"{trained.steps} steps from the weights of {start.card.id} brought nothing better"
            decision = Decision(False, reason, start.card.id)
        else:
            challenger, decision = judging.decide(trained.model)
        if trained.cut_short:
            short = f"its training was ended by hand after {trained.steps} of {trained.plan.steps} steps"
            decision = replace(decision, reason=f"{decision.reason}; {short}")
        own = {pair.content_sha256 for pair in judging.material.pairs}
        scores = [one for one in challenger.scores if one.content_sha256 in own]
        card = card_of(self.settings, job, trained, sorted(judging.heard), scores, decision, self.threads)
        write_model(model_folder(self.settings.paths.models, card.id), trained.model, card)
        model = card.record()
        store.add_points(self.training_id, self.unrecorded)
        if not store.add_model(model):
            store.replace_model(model)
        if decision.promoted:
            store.promote(model.id, model.reason, datetime.now(UTC))
        return Retrained("promoted" if decision.promoted else "kept", model.reason, model.id, decision)


def seed_of(setting: int, start: Champion | None) -> int:
    """Of the model to start from too, or each would hear the probes of the one before.

    >>> seed_of(7, None)
    7
    """
    return setting + (crc32(start.card.id.encode()) if start else 0)


def without(skipped: Mapping[str, str], store: Store) -> str:
    """What to add to a reason where sounds had to be left out, by content hash and reason.

    The reason names fxd's own copy; which file of the inbox that was, the store knows.
    """
    if not skipped:
        return ""
    first = skipped[min(skipped)]
    with suppress(StoreUnavailable):
        if name := store.files_of([min(skipped)]).get(min(skipped)):
            first = f"{name} ({first})"
    return f"; {counted(len(skipped))} of the training set left out: {first}" + ", ..." * (len(skipped) > 1)
