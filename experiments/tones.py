"""How well a model imitates bells and steady sines, and those among them to which its dilations are blind.

    python -m experiments.tones fxd/factory/standard

To a layer with dilation d a tone of a multiple of 48,000 / d Hz has the same phase at each tap: it cannot tell it
from 0 Hz. Each such frequency is compared with one a quarter of a tone above. A bell is one to five sines from
300 Hz to 9 kHz that die away within a second or two.
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
from fxd.training.scenes import between, to_full_scale

BLIND_HZ = (750, 1_500, 2_250, 3_000, 4_500, 6_000, 6_750, 9_000)
LEVELS = (0.25, 0.5, 0.8)
QUARTER_TONE = 2 ** (1 / 24)
SECONDS = 0.5
SETTLED_SECONDS = 0.1
"""Longer than the fade-in and the receptive field."""
BELLS = 200


def bell(seed: int) -> Array:
    """float32 [1, frames]"""
    rng, time = np.random.default_rng(seed), np.arange(MODEL_SAMPLE_RATE) / MODEL_SAMPLE_RATE
    sound = np.zeros(len(time))
    for _ in range(rng.integers(1, 6)):
        tone = between(0.1, 1, rng) * np.sin(2 * np.pi * (between(300, 9_000, rng) * time + rng.random()))
        sound += tone * np.exp(-time / between(0.05, 1.5, rng))
    sound *= np.minimum(time / 0.002, 1)
    return (rng.uniform(0.3, 1) * to_full_scale(sound)).astype(np.float32)[None]


def sine(hz: float, level: float) -> Array:
    """float32 [1, frames], faded in within 10 ms."""
    time = np.arange(int(SECONDS * MODEL_SAMPLE_RATE)) / MODEL_SAMPLE_RATE
    return (level * np.minimum(time / 0.01, 1) * np.sin(2 * np.pi * hz * time)).astype(np.float32)[None]


def esr_db(tcn: Tcn, dry: Array, first: int = 0) -> float:
    """The error on a sound, float32 [1, frames], from a frame on."""
    wet = render(Saturator(SaturatorSettings()), dry, MODEL_SAMPLE_RATE)
    estimate = render(tcn, dry, MODEL_SAMPLE_RATE)
    return decibels(esr(wet[:, first:], estimate[:, first:]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model's folder")
    tcn = Tcn(load_weights(parser.parse_args().model / WEIGHTS_NAME))
    print(
        f"ESR in dB of sines with peaks of {', '.join(map(str, LEVELS))}: blind, and a quarter of a tone above"
    )
    settled = int(SETTLED_SECONDS * MODEL_SAMPLE_RATE)
    for hz in BLIND_HZ:
        columns = []
        for tone in (hz, hz * QUARTER_TONE):
            scores = [esr_db(tcn, sine(tone, level), settled) for level in LEVELS]
            columns.append(f"{tone:>6.0f} Hz" + "".join(f"{score:7.1f}" for score in scores))
        print("   ".join(columns))
    bells = [esr_db(tcn, bell(seed)) for seed in range(BELLS)]
    median, tenth, worst = np.percentile(bells, [50, 90, 100])
    print(f"{BELLS} bells: median {median:.1f}, worst tenth {tenth:.1f}, worst {worst:.1f} dB")


if __name__ == "__main__":
    main()
