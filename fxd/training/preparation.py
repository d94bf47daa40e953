"""What is done before a training, so that compiling does not eat into its budget."""

import numpy as np
from loguru import logger

from fxd.config import Settings
from fxd.engines.engine import render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import MODEL_SAMPLE_RATE, PRESETS, Architecture, TcnModel
from fxd.training.contest import score
from fxd.training.course import ValidationPair
from fxd.training.learner import Learner, TrainingFailed, choose_device, one_thread
from fxd.training.pairs import resampled


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
