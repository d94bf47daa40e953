"""What a step and a validation take on this machine, and the plan that fills a budget because of it."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from fxd.engines.tcn import MODEL_SAMPLE_RATE, Architecture, TcnModel
from fxd.training.course import ValidationPair, validation_esr
from fxd.training.learner import Learner, Segments, choose_device, one_thread
from fxd.training.plan import Costs, Plan, plan_within

MEASURED_ROUNDS = 6
ROUND_STEPS = 5
"""In each round the optimiser refreshes its bases once."""
TRIAL_FRAMES = 5 * MODEL_SAMPLE_RATE
"""What the cost of validation is measured on."""


def plan_for(
    architecture: Architecture,
    segments: Segments,
    validation: Sequence[ValidationPair],
    seconds: float,
    seed: int = 0,
    device: str = "auto",
    known_steps: int = 0,
    threads: int = 1,
    last_validation: bool = True,
) -> Plan:
    """The plan for a training that begins now and ends within `seconds`, validations and measuring included.

    It will start from weights that have taken `known_steps`; 0 is from zero. `threads` are for it as well.
    Without `last_validation` the time of the last one is no part of these seconds.
    """
    began = time.monotonic()
    with one_thread():
        costs = measure(architecture, segments, validation, choose_device(device), threads)
    return plan_within(seconds - (time.monotonic() - began), costs, seed, known_steps, last_validation)


def measure(
    architecture: Architecture,
    segments: Segments,
    validation: Sequence[ValidationPair],
    device: torch.device,
    threads: int,
) -> Costs:
    """What a step and a validation take here when nothing disturbs them; this takes a second or two itself.

    The fastest round counts: a plan with too many steps is led to its end by the clock, one with too few
    leaves time unused.
    """
    shape = Plan(steps=1, validate_every=1)
    learner = Learner(architecture, 0, device, threads)

    def learn() -> None:
        # Every round draws the same: sounds that are made when they are first drawn are there in the next one,
        # for what it costs to make them is upkeep.
        rng = np.random.default_rng(0)
        for _ in range(ROUND_STEPS):
            batch = segments.sample(rng, shape.batch, shape.frames, architecture.receptive_field - 1, step=0)
            learner.step(*batch, shape.learning_rate)

    step_seconds = min(seconds_of(learn) for _ in range(MEASURED_ROUNDS)) / ROUND_STEPS
    step_seconds += segments.upkeep_seconds(shape.batch * shape.frames)
    frames = sum(len(pair.dry) for pair in validation)
    if not frames:
        return Costs(step_seconds, 0.0)
    silence = np.zeros(min(frames, TRIAL_FRAMES), np.float32)
    model = TcnModel("measured", architecture, "", learner.network.weights())
    trial = [ValidationPair("silence", silence, silence)] * min(threads, len(validation))
    # The first one compiles the kernel.
    validation_seconds = min(seconds_of(lambda: validation_esr(model, trial, threads)) for _ in range(3))
    return Costs(step_seconds, validation_seconds * frames / (len(silence) * len(trial)))


def seconds_of(work: Callable[[], object]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began
