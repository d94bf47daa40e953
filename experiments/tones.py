"""How well a model imitates sines that stand still, and those to which its dilations are blind.

    python -m experiments.tones fxd/factory/standard

To a layer with dilation d a tone of a multiple of 48,000 / d Hz has the same phase at each tap: it cannot tell it
from one that does not move. Each such frequency is compared with one a quarter of a tone above.
"""

import argparse
from pathlib import Path

import numpy as np

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import MODEL_SAMPLE_RATE, Tcn, load_weights
from fxd.metrics import ErrorSums, decibels
from fxd.training.models import WEIGHTS_NAME

BLIND_HZ = (750, 1_500, 2_250, 3_000, 4_500, 6_000, 6_750, 9_000)
LEVELS = (0.25, 0.5, 0.8)
QUARTER_TONE = 2 ** (1 / 24)
SECONDS = 0.5
SETTLED_SECONDS = 0.1
"""The receptive field, and some more."""


def sine(hz: float, level: float) -> Array:
    """float32 [1, frames], faded in within 10 ms."""
    time = np.arange(int(SECONDS * MODEL_SAMPLE_RATE)) / MODEL_SAMPLE_RATE
    return (level * np.minimum(time / 0.01, 1) * np.sin(2 * np.pi * hz * time)).astype(np.float32)[None]


def esr_db(tcn: Tcn, hz: float, level: float) -> float:
    """Once the tone stands still."""
    sums, settled = ErrorSums(), slice(int(SETTLED_SECONDS * MODEL_SAMPLE_RATE), None)
    dry = sine(hz, level)
    wet, estimate = (
        render(engine, dry, MODEL_SAMPLE_RATE)[:, settled] for engine in (Saturator(SaturatorSettings()), tcn)
    )
    sums.add(wet, estimate)
    return decibels(sums.esr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model's folder")
    tcn = Tcn(load_weights(parser.parse_args().model / WEIGHTS_NAME))
    print("ESR in dB of sines with peaks of " + ", ".join(map(str, LEVELS)))
    for hz in BLIND_HZ:
        own, other = ([esr_db(tcn, tone, level) for level in LEVELS] for tone in (hz, hz * QUARTER_TONE))
        columns = ["".join(f"{score:7.1f}" for score in scores) for scores in (own, other)]
        print(f"{hz:>6} Hz {columns[0]}   {hz * QUARTER_TONE:>6.0f} Hz {columns[1]}")


if __name__ == "__main__":
    main()
