"""One training under way: all that its checkpoint holds, and its clock."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from loguru import logger

from fxd.engines.engine import Array
from fxd.engines.inference import TcnStream
from fxd.engines.tcn import MODEL_SAMPLE_RATE, Architecture, TcnModel
from fxd.metrics import ErrorSums, decibels
from fxd.store.records import CurvePoint
from fxd.training.checkpoint import Best, Checkpoint
from fxd.training.learner import ANEW, Energy, Learner, Segments, Tensors, TrainingFailed
from fxd.training.plan import LOOKS, Costs, Plan

BLOCK_FRAMES = 65_536
FIRST_STEPS = 5
"""In a process, in which what is drawn is made for the first time."""


@dataclass(frozen=True)
class ValidationPair:
    """A whole mono sound at the model's sample rate, with silence before it; both sides [frames]."""

    content_sha256: str
    dry: Array
    wet: Array


def validation_esr(model: TcnModel, pairs: Sequence[ValidationPair], threads: int = 1) -> float:
    """Total error energy over total target energy of all pairs; nan where there is no target.

    The network is heard through the engine's own inference, which is faster than PyTorch by far. `threads` change
    nothing but the speed.
    """

    def errors(pair: ValidationPair) -> ErrorSums:
        stream, sums = TcnStream(model, MODEL_SAMPLE_RATE, 1), ErrorSums()
        for start in range(0, len(pair.dry), BLOCK_FRAMES):
            block = slice(start, start + BLOCK_FRAMES)
            sums.add(pair.wet[block], stream.process(pair.dry[None, block])[0])
        return sums

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(errors, pairs))
    target = sum(sums.target_energy for sums in found)
    return sum(sums.error_energy for sums in found) / target if target else math.nan


class Course:
    """A training from its first step to its last, over as many processes as it takes."""

    def __init__(
        self,
        architecture: Architecture,
        plan: Plan,
        *,
        model_id: str,
        settings_hash: str,
        device: torch.device,
        on_point: Callable[[CurvePoint], None] = lambda _: None,
        threads: int = 1,
    ) -> None:
        self.on_point = on_point
        self.architecture = architecture
        self.plan = plan
        self.model_id = model_id
        self.settings_hash = settings_hash
        self.threads = threads
        self.learner = Learner(architecture, plan.seed, device, threads)
        self.rng = np.random.default_rng(plan.seed)
        self.step = 0
        self.curve: list[CurvePoint] = []
        self.best: Best | None = None
        self.recent = Energy(0.0, 0.0)
        """Of all batches since the latest point of the curve."""
        self.unsaved = ""
        """Why the latest checkpoint could not be written."""
        self.began = time.monotonic()
        self.validation_seconds = self.validating_seconds = 0.0
        """What the latest validation took, and what all did, in this process."""
        self.learned = 0
        """Steps taken in this process."""
        self.paced_from = (0, 0.0)
        """The step and the seconds after its first ones."""
        self.gained = 0.0
        """Seconds that the plan has more than at first, in this process."""
        self.looked_at = (0, 0.0, 0.0)
        """Step, seconds and seconds of validations at which the plan was held against the clock last."""

    @property
    def seconds(self) -> float:
        """Spent so far, before an interruption too."""
        return time.monotonic() - self.began

    @property
    def seconds_left(self) -> float:
        """As it looks now; inf where the first steps, which are slower, are all there is to judge by."""
        (step, seconds), planned = self.paced_from, math.inf
        if self.step > step:
            planned = (self.seconds - seconds) / (self.step - step) * (self.plan.steps - self.step)
        return max(0.0, min(planned, self.plan.seconds - self.seconds))

    @property
    def finished(self) -> bool:
        return self.step >= self.plan.steps or self.seconds >= self.plan.seconds

    @property
    def validation_esr_db(self) -> float:
        """The latest; nan before the first."""
        return self.curve[-1].validation_esr_db if self.curve else math.nan

    @property
    def validation_is_due(self) -> bool:
        """Before the last step: after it there is one anyway."""
        return self.step % self.plan.validate_every == 0 and not self.finished

    @property
    def look_is_due(self) -> bool:
        """At the clock: now and then, and at the end of the plan."""
        if self.plan.seconds == math.inf:
            return False
        ended = self.step >= self.plan.steps
        return ended or self.seconds - self.looked_at[1] >= self.plan.seconds / LOOKS

    def learn(self, segments: Segments) -> Energy:
        """One step. Raises TrainingFailed where the network has come to grief."""
        context = self.architecture.receptive_field - 1
        dry, wet = segments.sample(self.rng, self.plan.batch, self.plan.frames, context, self.step)
        try:
            energy = self.learner.step(dry, wet, self.plan.learning_rate_at(self.step, self.seconds))
        except TrainingFailed as error:
            raise TrainingFailed(f"after {self.step} steps {error}") from error
        self.step += 1
        self.learned += 1
        if self.learned <= FIRST_STEPS:
            self.paced_from = (self.step, self.seconds)
        self.recent = self.recent.plus(energy)
        return energy

    @contextmanager
    def stopped_clock(self) -> Iterator[None]:
        """What is done meanwhile is no part of the training's time."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.began += time.monotonic() - began

    def allow(self, gained: float) -> None:
        """Have the plan's time be longer by so much than it was at first, or shorter.

        At least half of what is left stays: what looks bad now may be better at the next look.
        """
        now, at_first = self.seconds, self.plan.seconds - self.gained
        least = now + max(0.0, self.plan.seconds - now) / 2
        self.plan = replace(self.plan, seconds=max(least, at_first + gained))
        self.gained = self.plan.seconds - at_first

    def look_at_the_clock(self, interlude: Callable[[float], float]) -> None:
        """Lengthen the plan where else time would stay unused.

        First the clock stands still for `interlude`, which is told which share of the time is over, and returns
        how much more there is than planned, in seconds.
        """
        with self.stopped_clock():
            gained = interlude(self.seconds / self.plan.seconds)
        self.allow(gained)
        (step, seconds, validating), now = self.looked_at, self.seconds
        learning = max(1e-6, now - seconds - (self.validating_seconds - validating))
        costs = Costs(learning / (self.step - step), self.validation_seconds)
        self.plan = self.plan.lengthened(self.step, now, costs)
        self.looked_at = (self.step, now, self.validating_seconds)

    def validate(self, pairs: Sequence[ValidationPair]) -> None:
        """Judge the network as it is now by these pairs; see `judge`."""
        self.judge(lambda model: validation_esr(model, pairs, self.threads))

    def judge(self, esr_of: Callable[[TcnModel], float]) -> None:
        """Judge the network as it is now, once a step, and keep it if it is the best so far."""
        if self.curve and self.curve[-1].step == self.step:
            return
        began, seconds = time.monotonic(), self.seconds
        weights = self.learner.network.weights()
        esr = esr_of(self.model(weights))
        self.validation_seconds = time.monotonic() - began
        self.validating_seconds += self.validation_seconds
        if math.isinf(esr):
            raise TrainingFailed(
                f"after {self.step} steps the network's output is beyond all numbers; {ANEW}"
            )
        self.curve.append(CurvePoint(self.step, seconds, self.recent.ratio_db, decibels(esr)))
        self.recent = Energy(0.0, 0.0)
        if self.best is None or esr < self.best.esr:
            self.best = Best(self.step, esr, weights) if not math.isnan(esr) else None
        self.on_point(self.curve[-1])

    def model(self, weights: Tensors) -> TcnModel:
        """Raises TrainingFailed where a weight is nan or inf."""
        try:
            return TcnModel(self.model_id, self.architecture, self.settings_hash, weights)
        except ValueError as error:
            raise TrainingFailed(f"after {self.step} steps {error}") from error

    def save(self, path: Path) -> None:
        """Write the checkpoint, whole or not at all.

        In it the plan has the time that it had at first, while there is any of that left: whoever goes on with it
        finds out anew how much there is beside.
        """
        at_first = self.plan.seconds - self.gained
        keeps = self.finished or self.seconds >= at_first
        Checkpoint(
            model_id=self.model_id,
            settings_hash=self.settings_hash,
            architecture=self.architecture,
            plan=self.plan if keeps else replace(self.plan, seconds=at_first),
            seconds=self.seconds,
            step=self.step,
            learner=self.learner.state(),
            random_state=dict(self.rng.bit_generator.state),
            recent=self.recent,
            curve=tuple(self.curve),
            best=self.best,
        ).save(path)

    def restore(self, saved: Checkpoint) -> bool:
        """Go on where `saved` was written; False, and nothing changes, where that was another training."""
        mine = (self.model_id, self.settings_hash, self.architecture, self.plan)
        if (saved.model_id, saved.settings_hash, saved.architecture, saved.plan) != mine:
            return False
        try:
            self.learner.restore(saved.learner)
        except (KeyError, RuntimeError, ValueError) as error:
            logger.warning("training starts from the beginning: the checkpoint does not fit: {!r}", error)
            self.learner = Learner(self.architecture, self.plan.seed, self.learner.device, self.threads)
            return False
        self.rng.bit_generator.state = saved.random_state
        self.step, self.recent = saved.step, saved.recent
        self.curve, self.best = list(saved.curve), saved.best
        self.began = time.monotonic() - saved.seconds
        self.looked_at = (saved.step, saved.seconds, 0.0)
        self.paced_from = (saved.step, saved.seconds)
        for point in self.curve:
            self.on_point(point)
        return True
