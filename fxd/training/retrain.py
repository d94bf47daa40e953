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
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

import torch
from loguru import logger

from fxd.config import Settings
from fxd.cores import usable_cores
from fxd.store.errors import StoreUnavailable
from fxd.store.records import Model, Training
from fxd.store.store import Store
from fxd.training.challenge import Challenge, Retrained
from fxd.training.champion import Champion, load_champion
from fxd.training.job import CHECKPOINT_NAME, drop_job, job_folder, read_job
from fxd.training.judging import Stopped
from fxd.training.lock import AlreadyTraining, training_lock
from fxd.training.models import model_folder, remove_leftovers
from fxd.training.plan import BATCH
from fxd.training.pool import EMPTY_SET, NothingToLearn
from fxd.training.preparation import warm_up
from fxd.training.progress import Progress
from fxd.training.trainer import TrainingFailed, saved_plan

__all__ = ["AlreadyTraining", "Retrained", "retrain"]

FOREIGN = timedelta(days=2)
"""After which a retraining that another home began in a shared database was killed."""
LOOK_BACK = 100
"""Trainings among which the one that a job belongs to is looked for."""


def retrain(
    settings: Settings,
    store: Store,
    trigger: Literal["schedule", "command"],
    on_progress: Callable[[Progress], None],
    should_stop: Callable[[], bool],
    should_end: Callable[[], bool] = lambda: False,
    steps: int | None = None,
) -> Retrained:
    """Train a challenger on all examples within [training] max_minutes, and promote it if it is better.

    With `steps` it takes as many, whatever time that is. Whatever goes wrong, the champion goes on serving, and
    the reason is recorded, but for bugs, whose traceback is all there is. When `should_stop` says so it ends as
    `stopped`, and the next retraining goes on with it; so it does where the disk or the GPU's memory is full or
    the database away. When `should_end` says so the training ends, and the best weights so far are the
    challenger. A KeyboardInterrupt is recorded, and raised. Raises AlreadyTraining where another process
    retrains in this home.
    """
    with training_lock(settings.paths.db) as lock:
        tidy_up(settings, store)
        training = Training(
            uuid4().hex, datetime.now(UTC), trigger, "running", dataset_seconds=store.dataset_seconds()
        )
        store.begin_training(training)

        def show(progress: Progress) -> None:
            lock.tell(progress)
            on_progress(progress)

        def then() -> str:
            """What becomes of the work of one that ends as `stopped`."""
            folder = job_folder(settings.paths.db, by_steps=steps is not None)
            job = read_job(folder)
            if job is None:
                return "nothing was learned yet"
            return goes_on(steps) if saved_plan(folder / CHECKPOINT_NAME) else "nothing of it is kept"

        try:
            if not training.dataset_seconds:
                raise NothingToLearn(EMPTY_SET)
            champion = load_champion(settings, store)
            # Before the budget begins.
            warm_up(settings, champion.network.architecture if isinstance(champion, Champion) else None)
            threads = threads_for(trigger)
            result = Challenge(
                settings, store, training.id, threads, show, should_stop, should_end, steps
            ).run()
        except Stopped as stop:
            result = Retrained("stopped", f"{stop}; {then()}")
        except OSError as error:
            result = Retrained("stopped", f"{told(error)}; {then()}")
        except StoreUnavailable as error:
            result = Retrained("stopped", f"{error}; {then()}")
        except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
            # Another program may have the GPU's memory now, and not the next time.
            said = str(error).partition("\n")[0].rstrip(".")
            result = Retrained("stopped", f'{said}; {then()}; [tcn] device = "cpu" leaves the GPU alone')
        except (NothingToLearn, TrainingFailed) as error:
            result = Retrained("failed", str(error))
        except KeyboardInterrupt:
            reason = f"ended at once; {then()}"
            store.finish_training(training.id, "stopped", None, reason, datetime.now(UTC))
            raise
        try:
            store.finish_training(
                training.id, result.state, result.model_id, result.reason, datetime.now(UTC)
            )
        except StoreUnavailable as error:
            # The next one finds the job, and puts that in order.
            told_of = f"{result.state}, {result.reason}"
            logger.error("the end of the retraining ({}) is not recorded yet: {}", told_of, error)
            return result
        if result.state != "stopped":
            folder = job_folder(settings.paths.db, by_steps=steps is not None)
            job = read_job(folder)
            # Where it failed before it took up what an earlier one had left, the next one goes on with that.
            if job is None or job.training_id == training.id:
                drop_job(folder)
        return result


def threads_for(trigger: Literal["schedule", "command"]) -> int:
    """A core for each segment of a batch where somebody waits; one beside a daemon that has files to process."""
    return min(len(usable_cores()), BATCH) if trigger == "command" else 1


def told(error: OSError) -> str:
    """What the system refused, and for which file."""
    name = f"{error.filename}: " if error.filename else ""
    return f"{name}{error.strerror or error}"


def goes_on(steps: int | None) -> str:
    return f"the next {f'one with --steps {steps}' if steps else 'retraining'} goes on with it"


def was_ended_by_hand(model: Model) -> bool:
    return bool(model.details.get("recipe", {}).get("cut_short"))


def tidy_up(settings: Settings, store: Store) -> None:
    """Put in order what retrainings that were killed left behind. The caller holds the lock."""
    remove_leftovers(settings.paths.models)
    now = datetime.now(UTC)
    folders = [job_folder(settings.paths.db, by_steps) for by_steps in (False, True)]
    jobs = [(folder, job) for folder in folders if (job := read_job(folder)) is not None]
    steps = {job.training_id: job.steps for _, job in jobs}
    is_shared = Path(store.name).parent != settings.paths.db
    for training in store.trainings(LOOK_BACK):
        # Another home's may run still: of those only such as are long over, whatever their budget.
        others = is_shared and training.id not in steps and now - training.started_at < FOREIGN
        if training.state == "running" and not others:
            reason = f"cut off; {goes_on(steps.get(training.id))}"
            store.finish_training(training.id, "stopped", None, reason, now)
            logger.warning(
                "the retraining of {:%Y-%m-%d %H:%M} was cut off", training.started_at.astimezone()
            )
    states = {training.id: training.state for training in store.trainings(LOOK_BACK)}
    for folder, job in jobs:
        # Not only the newest: it may have been rolled back since, and must not be promoted again by itself.
        promotion = next((one for one in store.promotions() if one.model_id == job.model_id), None)
        if promotion is not None:
            if job.training_id in states:
                store.finish_training(job.training_id, "promoted", job.model_id, promotion.reason, now)
            drop_job(folder)
        elif states.get(job.training_id) != "stopped":
            drop_job(folder)
        elif (model := store.model(job.model_id)) is not None and was_ended_by_hand(model):
            # Gone on with, it would replace the model that Ctrl-C came to.
            store.finish_training(job.training_id, "kept", model.id, model.reason, now)
            drop_job(folder)
        if store.model(job.model_id) is None:
            shutil.rmtree(model_folder(settings.paths.models, job.model_id), ignore_errors=True)
