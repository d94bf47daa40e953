"""How well a model imitates steady sines, and those among them to which its dilations are blind.

    python -m experiments.tones fxd/factory/standard

To a layer with dilation d a tone of a multiple of 48,000 / d Hz has the same phase at each tap: it cannot tell it
from 0 Hz. Each such frequency is compared with one a quarter of a tone above.
"""

import argparse
from pathlib import Path

import numpy as np

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import MODEL_SAMPLE_RATE, Tcn, load_weights
from fxd.metrics import decibels, esr
from fxd.training.models import WEIGHTS_NAME

BLIND_HZ = (750, 1_500, 2_250, 3_000, 4_500, 6_000, 6_750, 9_000)
LEVELS = (0.25, 0.5, 0.8)
QUARTER_TONE = 2 ** (1 / 24)
SECONDS = 0.5
SETTLED_SECONDS = 0.1
"""Longer than the fade-in and the receptive field."""


def sine(hz: float, level: float) -> Array:
    """float32 [1, frames], faded in within 10 ms."""
    time = np.arange(int(SECONDS * MODEL_SAMPLE_RATE)) / MODEL_SAMPLE_RATE
    return (level * np.minimum(time / 0.01, 1) * np.sin(2 * np.pi * hz * time)).astype(np.float32)[None]


def esr_db(tcn: Tcn, hz: float, level: float) -> float:
    """The error on a sine, once the network remembers nothing of how it began."""
    dry, settled = sine(hz, level), int(SETTLED_SECONDS * MODEL_SAMPLE_RATE)
    wet = render(Saturator(SaturatorSettings()), dry, MODEL_SAMPLE_RATE)
    estimate = render(tcn, dry, MODEL_SAMPLE_RATE)
    return decibels(esr(wet[:, settled:], estimate[:, settled:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model's folder")
    tcn = Tcn(load_weights(parser.parse_args().model / WEIGHTS_NAME))
    print(
        f"ESR in dB of sines with peaks of {', '.join(map(str, LEVELS))}: blind, and a quarter of a tone above"
    )
    for hz in BLIND_HZ:
        columns = []
        for tone in (hz, hz * QUARTER_TONE):
            scores = [esr_db(tcn, tone, level) for level in LEVELS]
            columns.append(f"{tone:>6.0f} Hz" + "".join(f"{score:7.1f}" for score in scores))
        print("   ".join(columns))


if __name__ == "__main__":
    main()
