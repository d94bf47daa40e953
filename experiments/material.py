"""What experiments train on and are judged by: the clips in three thirds, and folders of other sounds.

The clips, sorted by name, are dealt like cards: third i holds those whose number leaves a remainder of i. Whoever
trains on two thirds is judged by the last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from fxd.audio import AudioError
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.tcn import MODEL_SAMPLE_RATE, Tcn, TcnModel
from fxd.factory.clips import described
from fxd.metrics import ErrorSums, decibels
from fxd.store.records import Example
from fxd.training.pairs import PairSource

CLIPS = sorted((Path(__file__).parents[1] / "tests" / "audio").glob("*.flac"))
SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".aiff"}
LONGEST_SECONDS = 20
"""Of a sound from elsewhere that judges."""

Pairs = Mapping[str, tuple[Array, Array]]
"""Dry and wet [channels, frames] at the model's sample rate, by name."""


def two_thirds(third: int) -> list[Path]:
    return [clip for number, clip in enumerate(CLIPS) if number % 3 != third]


def one_third(third: int) -> list[Path]:
    return [clip for number, clip in enumerate(CLIPS) if number % 3 == third]


def sounds(folder: Path, count: int) -> list[Path]:
    """`count` sound files in and below a folder, evenly chosen from all in the order of their paths."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not found:
        raise SystemExit(f"{folder}: there is no sound file in or below it")
    return [found[index] for index in sorted({int(n) for n in np.linspace(0, len(found) - 1, count)})]


def source() -> PairSource:
    """Renders with the saturator at its default settings."""
    return PairSource(Path("/"), SaturatorSettings())


def examples(files: Iterable[Path]) -> list[Example]:
    """The files as training sounds."""
    return [replace(described(file), subset="training", path=str(file.absolute())) for file in files]


def pairs_of(files: Sequence[Path]) -> Pairs:
    """What judges: every channel, up to 20 seconds; silent and unreadable files are left out."""
    own = source()
    pairs: dict[str, tuple[Array, Array]] = {}
    for file in files:
        try:
            example = described(file)
        except AudioError:
            continue
        pair = own.pair(replace(example, path=str(file.absolute())))
        if pair is not None:
            dry, wet = (side[:, : LONGEST_SECONDS * MODEL_SAMPLE_RATE] for side in pair)
            if np.abs(wet).max() > 1e-3:
                pairs[file.stem] = dry, wet
    return pairs


def judge(model: TcnModel, pairs: Pairs) -> dict[str, float]:
    """ESR in dB by name."""
    engine = Tcn(model)
    scores = {}
    for name, (dry, wet) in pairs.items():
        sums = ErrorSums()
        sums.add(np.ascontiguousarray(wet), render(engine, np.ascontiguousarray(dry), MODEL_SAMPLE_RATE))
        scores[name] = decibels(sums.esr)
    return scores


def summary(scores: Mapping[str, float]) -> str:
    """Median, mean, the worst tenth's best and the worst, in dB."""
    values = np.array(list(scores.values()))
    return (
        f"median {np.median(values):.1f}, mean {values.mean():.1f}, "
        f"one in ten above {np.percentile(values, 90):.1f}, worst {values.max():.1f} dB"
    )
