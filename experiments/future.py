"""What no causal network can know: `python -m experiments.future SOUND... [--model MODEL] [--lookahead FRAMES]`.

The saturator interpolates, so a wet frame depends on dry frames that follow it, and a network answers before it
has heard them. What it can come to is what the saturator itself gives when these frames are made up:

    dry        . . . . . . n | . . . . .       what is known ends with frame n
    silence    . . . . . . n | 0 0 0 0 0
    predicted  . . . . . . n | p p p p p       linear prediction from the last 2,048 frames

The errors are of 300 wet frames of each sound, drawn by their energy. There are better predictions, so a network
may be ahead of this one; where it is far behind, there is something left to learn.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.linalg import solve_toeplitz

from experiments.material import Pairs, judge, pairs_of
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.oversampling import REACH
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import MODEL_SAMPLE_RATE, load_weights
from fxd.factory import FACTORY
from fxd.metrics import decibels
from fxd.training.models import WEIGHTS_NAME

FRAMES = 300
"""Of each sound that are drawn."""
PAST = 6000
"""Frames before one that are rendered: the saturator has long come to rest."""
FUTURE = 2 * REACH
PREDICTED = 16
ORDER = 24
HEARD = 2048
"""Frames from which the prediction learns."""

Continuation = Callable[[Array], Array]
"""What follows a sound [frames]: [FUTURE]."""


def silence(_known: Array) -> Array:
    return np.zeros(FUTURE, np.float32)


def prediction(known: Array) -> Array:
    """By the coefficients that the autocorrelation of the end of the sound gives, then silence."""
    end = np.pad(known.astype(np.float64), (HEARD, 0))[-HEARD:]
    lags = np.correlate(end, end, "full")[len(end) - 1 : len(end) + ORDER]
    lags[0] = lags[0] * 1.0001 or 1.0
    coefficients = solve_toeplitz(lags[:ORDER], lags[1 : ORDER + 1])
    frames = list(end[-ORDER:])
    for _ in range(PREDICTED):
        frames.append(float(coefficients @ frames[: -ORDER - 1 : -1]))
    return np.pad(np.array(frames[ORDER:], np.float32), (0, FUTURE - PREDICTED))


def esr(dry: Array, wet: Array, lookahead: int, goes_on: Continuation) -> float:
    """The error of dry [frames], known up to `lookahead` frames after each frame, over the energy of wet."""
    energy = np.square(wet, dtype=np.float64)
    drawn = np.random.default_rng(0).choice(len(wet), FRAMES, p=energy / energy.sum())
    saturator, ratios = Saturator(SaturatorSettings()), []
    for frame in drawn:
        known = dry[max(0, frame - PAST) : frame + 1 + lookahead]
        sound = np.concatenate([known, goes_on(known)])[None]
        at = min(frame, PAST)
        ratios.append((render(saturator, sound, MODEL_SAMPLE_RATE)[0, at] - wet[frame]) ** 2 / energy[frame])
    # Drawn by their energy, so the mean of the ratios is the ratio of the sums.
    return float(np.mean(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sounds", type=Path, nargs="+")
    parser.add_argument("--model", type=Path, default=FACTORY / "standard", help="a model's folder")
    parser.add_argument("--lookahead", type=int, default=0, help="frames that are known beyond each (0)")
    options = parser.parse_args()
    pairs: Pairs = pairs_of(options.sounds)
    scores = judge(load_weights(options.model / WEIGHTS_NAME), pairs)
    print("| sound | followed by silence | as predicted | the model |")
    print("|---|--:|--:|--:|")
    for name, (dry, wet) in pairs.items():
        bounds = (esr(dry[0], wet[0], options.lookahead, goes_on) for goes_on in (silence, prediction))
        cells = " | ".join(f"{decibels(one):.1f}" for one in bounds)
        print(f"| {name} | {cells} | {scores[name]:.1f} |", flush=True)


if __name__ == "__main__":
    main()
