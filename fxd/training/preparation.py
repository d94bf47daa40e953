"""What is done and measured before a training, so that compiling and judging do not eat into its budget."""

from collections.abc import Sequence

import numpy as np
from loguru import logger

from fxd.config import Settings
from fxd.engines.engine import render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import MODEL_SAMPLE_RATE, PRESETS, Architecture, TcnModel
from fxd.training.contest import score
from fxd.training.course import ValidationPair
from fxd.training.learner import Learner, TrainingFailed, choose_device, one_thread
from fxd.training.measuring import seconds_of
from fxd.training.pairs import resampled
from fxd.training.promotion import Night

SINES_SECONDS = 8
"""Of sound in which aliases are looked for."""
CLIPS_SECONDS = 90
"""Of sound in the clips that fxd brings along."""
JUDGED_TIMES = 25
"""To measure how long it takes; half a second in all. In a tenth of one a busy machine may stall throughout."""
IN_EARNEST = 1.1
"""What judging takes in all, where the fastest of these measurements is 1."""


def silent_network(architecture: Architecture) -> TcnModel:
    weights = {name: np.zeros(shape, np.float32) for name, shape in architecture.shapes().items()}
    return TcnModel("silent", architecture, "", weights)


def warm_up(settings: Settings, serving: Architecture | None = None) -> None:
    """Have the machine compile what it compiles on first use: half a minute that is not the training's.

    The challenger is judged, and so is the model that serves, whose shape may be another. Raises TrainingFailed
    where the saturator cannot work at the model's sample rate.
    """
    moment = resampled([np.zeros((1, 44_100), np.float32)], 44_100, 1)
    try:
        wet = render(Saturator(settings.saturator), moment, MODEL_SAMPLE_RATE)
    except ValueError as error:
        raise TrainingFailed(f"at {MODEL_SAMPLE_RATE} Hz, the network's sample rate, {error}") from error
    preset = PRESETS[settings.tcn.preset]
    for architecture in {preset, serving or preset}:
        score(silent_network(architecture), ValidationPair("moment", moment[0], wet[0]))
    prepare(PRESETS[settings.tcn.preset], settings.tcn.device)


def prepare(architecture: Architecture, device: str = "auto") -> None:
    """Have a step compiled, so that no training pays for it; on a machine that has done it before, load it."""
    learner = Learner(architecture, 0, choose_device(device))
    if learner.compiled:
        logger.info("loading the training step; where it is not compiled yet, this takes half a minute")
        dry = np.zeros((1, architecture.receptive_field), np.float32)
        with one_thread():
            for _ in range(2):  # the optimiser compiles its own step at the second
                learner.step(dry, np.zeros((1, 1), np.float32), 0.0)


def judging_seconds(architecture: Architecture, pairs: Sequence[ValidationPair], night: Night) -> float:
    """How long a network of this shape will take to be judged, measured with one that is silent."""
    frames = sum(len(pair.dry) for pair in pairs) + SINES_SECONDS * MODEL_SAMPLE_RATE
    if len(pairs) < night.fewest_files:
        frames += CLIPS_SECONDS * MODEL_SAMPLE_RATE
    noise = np.random.default_rng(0).normal(0, 0.1, min(frames, 2 * MODEL_SAMPLE_RATE)).astype(np.float32)
    trial = ValidationPair("noise", noise, noise)
    network = silent_network(architecture)
    # The first one may have to compile; of the others the fastest is the one that nothing disturbed.
    seconds = min(seconds_of(lambda: score(network, trial)) for _ in range(JUDGED_TIMES))
    return IN_EARNEST * seconds * frames / len(noise)
