"""Training of one network: restore, then step by step: learn, now and then validate, and keep what was reached.

It knows neither files of sound nor the database: segments and validation pairs are handed in, trained weights
come out. A training that was killed goes on from its checkpoint, at most `CHECKPOINT_SECONDS` and a validation
back, and with a plan that the clock does not cut ends with the weights that it would have had.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loguru import logger

from fxd.engines.tcn import Architecture, TcnModel
from fxd.metrics import decibels
from fxd.store.records import CurvePoint
from fxd.training.checkpoint import Best, Checkpoint
from fxd.training.course import Course, ValidationPair, validation_esr
from fxd.training.learner import Energy, Learner, Segments, TrainingFailed, choose_device, one_thread
from fxd.training.plan import Plan
from fxd.training.progress import Progress

__all__ = [
    "Plan",
    "Progress",
    "Segments",
    "Trained",
    "TrainingFailed",
    "ValidationPair",
    "saved_plan",
    "train",
    "validation_esr",
]

CHECKPOINT_SECONDS = 20.0
PROGRESS_SECONDS = 0.2


@dataclass(frozen=True)
class Trained:
    """What a training came to."""

    model: TcnModel
    plan: Plan
    """As it was at the end."""
    steps: int
    """Taken in all."""
    best_step: int
    """After which the weights of `model` were the network's."""
    best_esr_db: float
    """Of `model` over the validation pairs; nan where there was none yet: then the last weights were taken."""
    seconds: float
    curve: tuple[CurvePoint, ...]
    device: str
    compiled: bool
    """Steps ran in compiled kernels, not in PyTorch."""
    stopped_early: bool
    """Somebody asked for it, and another training goes on from the checkpoint."""
    cut_short: bool
    """Somebody asked for an end before all steps were taken, and for the best weights so far."""
    cut_by_clock: bool
    """The machine was slower than planned, or became so; not all steps were taken, so none can be like it."""


def how(learner: Learner, threads: int) -> str:
    if learner.compiled:
        return f"in compiled kernels on {threads} thread{'s' if threads > 1 else ''}"
    return f"in PyTorch on {learner.device.type}"


def saved_plan(checkpoint: Path) -> Plan | None:
    """The plan of the training whose checkpoint this is, to go on with; None where there is none to go on."""
    saved = usable_checkpoint(checkpoint)
    return saved.plan if saved else None


def usable_checkpoint(path: Path) -> Checkpoint | None:
    try:
        return Checkpoint.load(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        # Another version of fxd may have written it; a training begun anew costs time, one refused costs more.
        logger.warning("training starts from the beginning: {}", error)
        return None


def train(
    architecture: Architecture,
    segments: Segments,
    validation: Sequence[ValidationPair],
    plan: Plan,
    *,
    model_id: str,
    settings_hash: str,
    checkpoint: Path,
    start: TcnModel | None = None,
    device: str = "auto",
    threads: int = 1,
    on_progress: Callable[[Progress], None] = lambda _: None,
    on_point: Callable[[CurvePoint], None] = lambda _: None,
    judge: Callable[[TcnModel], float] | None = None,
    interlude: Callable[[float], float] = lambda _: 0.0,
    should_stop: Callable[[], bool] = lambda: False,
    should_end: Callable[[], bool] = lambda: False,
) -> Trained:
    """Train a network as planned and return the weights that came of it (see `outcome`).

    `checkpoint` is written every 20 seconds, before whatever is no step, and at the end; where it is of this very
    training (same model id, settings, architecture and plan) it is gone on from, else it is replaced. `start`
    gives the first weights. Without a validation the score is nan. `on_point` is told every point of the learning
    curve, those of before an interruption again.

    `judge` gives the error-to-signal ratio of the last weights, in place of a validation; it may raise, and a
    training that is gone on with comes there again. `interlude` is called now and then by a training whose plan
    has an end in time, with the share of it that is over, and returns how many seconds more than at first the
    plan is to have. The time that these two take is not the training's. `should_stop` interrupts the training, so
    that it is gone on with later; `should_end` ends it, and the weights that it has come to are judged too.
    `threads` are for the compiled kernels; they change nothing but the speed.
    Raises TrainingFailed where the network broke, ValueError where `start` has another architecture.
    """
    course = Course(
        architecture,
        plan,
        model_id=model_id,
        settings_hash=settings_hash,
        device=choose_device(device),
        on_point=on_point,
        threads=threads,
    )
    logger.info("training runs {}", how(course.learner, threads))
    with one_thread():
        saved = usable_checkpoint(checkpoint)
        if saved is not None and course.restore(saved):
            logger.info("the training goes on after {:,} of {:,} steps", course.step, course.plan.steps)
        elif start is not None:
            begin_from(course, start, validation)
        stopped = run(
            course, segments, validation, checkpoint, on_progress, interlude, should_stop, should_end
        )
        cut_short = not (stopped or course.finished)
        # First: to go on from here is as if nothing had happened, and a validation takes a while.
        keep(course, checkpoint)
        # Whoever asked for a stop wants it now; a validation may take many seconds.
        if judge and course.step and not (stopped or cut_short):
            with course.stopped_clock():
                course.judge(judge)
        elif not stopped:
            course.validate(validation)
        if not (stopped or cut_short):
            keep(course, checkpoint)
    best = outcome(course, complete=not (stopped or cut_short))
    return Trained(
        model=course.model(best.weights),
        plan=course.plan,
        steps=course.step,
        best_step=best.step,
        best_esr_db=decibels(best.esr),
        seconds=course.seconds,
        curve=tuple(course.curve),
        device=course.learner.device.type,
        compiled=course.learner.compiled,
        stopped_early=stopped,
        cut_short=cut_short,
        cut_by_clock=course.step < course.plan.steps and not (stopped or cut_short),
    )


def outcome(course: Course, complete: bool) -> Best:
    """The weights that come of a training.

    Of a complete one the last: at the end of its decay they are as good as any, and to choose the best of many
    validations would flatter it before the contest, which has the same files. Whether they are better than what
    it started from is for the contest to say, file by file. One that was cut short in full swing gives its best
    so far; one in which nothing was better by then gives what it started from.
    """
    last = Best(course.step, math.nan, course.learner.network.weights())
    if course.best is None:
        return last
    return replace(last, esr=10 ** (course.validation_esr_db / 10)) if complete else course.best


def keep(course: Course, checkpoint: Path) -> None:
    """Write the checkpoint; where the disk does not take it, the one before stays, and training goes on."""
    try:
        course.save(checkpoint)
        course.unsaved = ""
    except OSError as error:
        if str(error) != course.unsaved:  # it is tried every few seconds
            logger.warning("the checkpoint of the training cannot be written: {}", error)
        course.unsaved = str(error)


def begin_from(course: Course, start: TcnModel, validation: Sequence[ValidationPair]) -> None:
    """Take over the weights of a model, and remember how good they are: cut short, it never ends with worse."""
    if start.architecture != course.architecture:
        raise ValueError(f"model {start.id} has another architecture: a training cannot start from it")
    course.learner.network.load(start.weights)
    course.validate(validation)


def run(
    course: Course,
    segments: Segments,
    validation: Sequence[ValidationPair],
    checkpoint: Path,
    on_progress: Callable[[Progress], None],
    interlude: Callable[[float], float],
    should_stop: Callable[[], bool],
    should_end: Callable[[], bool],
) -> bool:
    """All steps that are left, or those until `should_end`; True where `should_stop` interrupted it."""
    saved_at = reported_at = time.monotonic()
    unreported = Energy(0.0, 0.0)
    if course.step and course.validation_is_due:
        course.validate(validation)  # it was killed before it had been
    while not (course.finished or should_end()):
        if should_stop():
            return True
        unreported = unreported.plus(course.learn(segments))
        now = time.monotonic()
        # A validation may take longer than what may be lost, and so may an interlude. Not at the end of a plan
        # that may be lengthened now: whoever went on from there would take it for the end.
        pausing = course.validation_is_due or (course.look_is_due and not course.finished)
        if pausing or now - saved_at >= CHECKPOINT_SECONDS:
            keep(course, checkpoint)
            saved_at = now
        if course.validation_is_due:
            course.validate(validation)
        if course.look_is_due:
            course.look_at_the_clock(interlude)
        if now - reported_at >= PROGRESS_SECONDS or course.finished:
            on_progress(
                Progress(
                    course.step,
                    course.plan.steps,
                    unreported.ratio_db,
                    course.validation_esr_db,
                    course.seconds_left,
                    course.plan.share(course.step, course.seconds),
                )
            )
            unreported, reported_at = Energy(0.0, 0.0), now
    return False
