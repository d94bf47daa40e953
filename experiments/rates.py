"""Whether a model is as good at other sample rates: the clips at 44.1, 48 and 96 kHz, each against the DSP.

    python -m experiments.rates fxd/factory/standard

The clips are resampled to each rate; then both engines work at that rate, as they do on a file.
"""

import argparse
from pathlib import Path

import numpy as np
import soxr

from experiments.material import CLIPS
from fxd.audio import open_reader
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn, load_weights
from fxd.metrics import ErrorSums, decibels
from fxd.training.models import WEIGHTS_NAME

RATES = (44_100, 48_000, 96_000)


def sound_at(path: Path, rate: int) -> Array:
    """A sound at another rate: float32 [channels, frames]."""
    with open_reader(path) as reader:
        sound = np.concatenate(list(reader.blocks()), axis=1)
        own = reader.sample_rate
    resampled = sound.T if own == rate else soxr.resample(sound.T, own, rate, quality="VHQ")
    return np.ascontiguousarray(resampled.T, np.float32)


def esr_db(tcn: Tcn, sound: Array, rate: int) -> float:
    sums = ErrorSums()
    sums.add(render(Saturator(SaturatorSettings()), sound, rate), render(tcn, sound, rate))
    return decibels(sums.esr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path, help="a model's folder")
    tcn = Tcn(load_weights(parser.parse_args().model / WEIGHTS_NAME))
    print(f"{'':<20}" + "".join(f"{rate:>8}" for rate in RATES) + "   differ by")
    spreads = []
    for clip in CLIPS:
        scores = [esr_db(tcn, sound_at(clip, rate), rate) for rate in RATES]
        spreads.append(max(scores) - min(scores))
        print(f"{clip.stem:<20}" + "".join(f"{score:8.1f}" for score in scores) + f"{spreads[-1]:8.2f} dB")
    print(f"median {np.median(spreads):.2f} dB, most {max(spreads):.2f} dB")


if __name__ == "__main__":
    main()
