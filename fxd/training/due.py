"""Whether a retraining is worth its time, when the next one is scheduled, and why."""

from dataclasses import dataclass
from datetime import datetime

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.store.records import Example, Model, Training
from fxd.store.store import Store
from fxd.training.job import job_folder, read_job
from fxd.training.lock import who_trains
from fxd.training.schedule import last_fire, next_fire

LOOK_BACK = 100
"""Trainings among which the last finished one is looked for; others were stopped before their end."""


@dataclass(frozen=True)
class Due:
    """What `fxd retrain` tells, and what the daemon acts on when the schedule fires."""

    due: bool
    """Whether there is something to gain from a retraining."""
    next_at: datetime | None
    """When a daemon that starts now looks next: `now` where it has to catch up; None without a schedule."""
    reason: str
    """One plain sentence."""


def due(store: Store, settings: Settings, now: datetime) -> Due:
    """Whether the next scheduled retraining would take place, from what the store knows; `now` is aware."""
    is_due, reason = worth_it(store, settings, store.contents())
    if is_due and is_overdue(store, settings, now):
        return Due(is_due, now, reason)
    return Due(is_due, next_fire(settings.training.schedule, now), reason)


def is_overdue(store: Store, settings: Settings, now: datetime) -> bool:
    """Whether at a scheduled time since the last retraining that came to a result there was reason for another.

    A daemon catches up on it when it starts. Where none ever came to a result, the time counts since which there
    is something to learn from: a machine that is always off at night would never get its first. Sound that came
    after the last such time waits for the next: a daemon that was there may have looked, and found too little.
    """
    last = last_finished(store)
    since = last.started_at if last is not None else store.first_example_at()
    fire = last_fire(settings.training.schedule, since, now) if since is not None else None
    if fire is None:
        return False
    return worth_it(store, settings, [one for one in store.contents() if one.added_at <= fire])[0]


def worth_it(store: Store, settings: Settings, contents: list[Example]) -> tuple[bool, str]:
    """Whether a retraining is worth its time where `contents` is the set, and why.

    What one that made no model would have heard is new still: its GPU, or the disk with the set, may have been
    away, or there was nothing yet to judge a model by.
    """
    last = next((training for training in store.trainings(LOOK_BACK) if training.model_id is not None), None)
    if not contents:
        return False, "there is nothing to learn from yet: no file has been processed"
    champion = store.champion()
    if champion is None:
        return True, "no model serves yet"
    if (started_at := interrupted(store, settings)) is not None:
        return True, f"the retraining of {clock(started_at)} was interrupted"
    challenger = store.model(last.model_id) if last is not None and last.model_id else None
    if (mismatch := mismatch_of(champion, settings)) and (
        challenger is None or mismatch_of(challenger, settings) is not None
    ):
        return True, mismatch
    return enough_new(contents, settings.training.min_new_seconds, last)


def interrupted(store: Store, settings: Settings) -> datetime | None:
    """When the retraining began that can be gone on with: one that was stopped, killed, or lost its disk.

    One that was asked for by a number of steps is not meant to be gone on with by the schedule.
    """
    job = read_job(job_folder(settings.paths.db))
    if job is None or who_trains(settings.paths.db) is not None:
        return None
    left = (one for one in store.trainings(LOOK_BACK) if one.state in ("stopped", "running"))
    return next((one.started_at for one in left if one.id == job.training_id), None)


def mismatch_of(model: Model, settings: Settings) -> str | None:
    """In which way a model is not what the settings ask for, as a sentence; None where it is."""
    if model.settings_hash != settings_hash(settings.saturator):
        return f"{model.id} learned other [saturator] settings than those of today"
    if model.preset != settings.tcn.preset:
        return f"{model.id} is of the preset {model.preset}, [tcn] preset is {settings.tcn.preset}"
    return None


def enough_new(contents: list[Example], min_new_seconds: float, last: Training | None) -> tuple[bool, str]:
    """Whether enough sound came in after `last` began.

    Counted sound by sound: once [training] max_dataset_gb is reached, the set as a whole grows no longer.
    """
    new = [example for example in contents if last is None or example.added_at > last.started_at]
    seconds = sum(example.frames / example.sample_rate for example in new)
    since = f"since the retraining of {clock(last.started_at)}" if last else "and no retraining yet"
    if seconds >= min_new_seconds:
        return True, f"{seconds:.0f} s of new sound {since} ({min_new_seconds:g} s make it worth it)"
    return False, f"only {seconds:.0f} s of new sound {since}: {min_new_seconds:g} s make one worth it"


def last_finished(store: Store) -> Training | None:
    """The last retraining that came to a result, good or bad."""
    states = ("promoted", "kept", "failed")
    return next((training for training in store.trainings(LOOK_BACK) if training.state in states), None)


def clock(moment: datetime) -> str:
    return f"{moment.astimezone():%Y-%m-%d %H:%M}"
