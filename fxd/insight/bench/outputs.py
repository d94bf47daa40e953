"""What the engines make of the files: how near the network comes, how large the outputs are, how they alias."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from fxd.aliasing import alias_levels
from fxd.audio_writer import open_writer
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, Engine, render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn
from fxd.insight.bench.figures import finite
from fxd.insight.bench.material import Material, Sound
from fxd.insight.bench.progress import OnStep
from fxd.insight.bench.subjects import Subject
from fxd.metrics import Comparison, decibels
from fxd.spectral import MIN_FRAMES

FORMATS = {"wav": ("WAV", "FLOAT"), "flac": ("FLAC", "PCM_24")}
"""WAV as fxd writes it unless told otherwise; FLAC of 24 bits, in which peaks above full scale are clipped."""


@dataclass
class Nearness:
    """How near an engine came to the reference over some sounds."""

    energy: float = 0.0
    error: float = 0.0
    mrstft: list[float] = field(default_factory=list)
    sounds: int = 0

    def add(self, reference: Array, wet: Array) -> None:
        """One sound more. Silence as reference has neither error nor distance."""
        comparison = Comparison(len(reference))
        comparison.update(reference, wet)
        quality = comparison.result()
        self.sounds += 1
        if energy := float(np.square(reference, dtype=np.float64).sum()):
            self.energy += energy
            self.error += quality.esr * energy
            if reference.shape[1] >= MIN_FRAMES:
                self.mrstft.append(quality.mrstft)

    def json(self) -> dict[str, Any]:
        """ESR: total energy of the errors over total energy of the references; MR-STFT: median over sounds."""
        return {
            "files": self.sounds,
            "esr_db": finite(decibels(self.error / self.energy)) if self.energy else None,
            "mrstft": finite(median(self.mrstft)) if self.mrstft else None,
        }


@dataclass
class Tally:
    """One engine over all sounds."""

    name: str
    engine: Engine
    learned_from: frozenset[str] = frozenset()
    sizes: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(FORMATS, 0))
    """Bytes of all outputs, by suffix; None where a format cannot hold one of them."""
    unsupported: list[str] = field(default_factory=list)
    """Files whose sample rate it cannot work at."""
    heard: Nearness = field(default_factory=Nearness)
    unheard: Nearness = field(default_factory=Nearness)

    def add(self, sound: Sound, reference: Array, folder: Path) -> None:
        try:
            wet = render(self.engine, sound.dry, sound.sample_rate)
        except ValueError:
            self.unsupported.append(sound.file)
            return
        for suffix, size in self.sizes.items():
            written = written_bytes(folder, suffix, wet, sound.sample_rate)
            self.sizes[suffix] = None if size is None or written is None else size + written
        known = sound.content_sha256 in self.learned_from
        (self.heard if known else self.unheard).add(reference, wet)


def measure_outputs(
    material: Material, saturator: SaturatorSettings, subjects: Sequence[Subject], on_step: OnStep
) -> list[dict[str, Any]]:
    """A row for the saturator as it is set, for its other antialiasing, and for each trained network.

    All are compared with the saturator as it is set, whose own row has no error.
    """
    own = Saturator(saturator)
    other = "none" if saturator.antialias == "on" else "on"
    contrast = Saturator(saturator.model_copy(update={"antialias": other}))
    tallies = [Tally(f"dsp {saturator.antialias}", own), Tally(f"dsp {other}", contrast)]
    trained = [subject for subject in subjects if subject.origin != "random"]
    tallies += [
        Tally(f"tcn {subject.network.id}", Tcn(subject.network), subject.trained_on) for subject in trained
    ]
    with tempfile.TemporaryDirectory() as folder:
        for sound in material.sounds:
            on_step(f"outputs: {sound.file}")
            reference = render(own, sound.dry, sound.sample_rate)
            for tally in tallies:
                tally.add(sound, reference, Path(folder))
    rows = []
    for tally in tallies:
        on_step(f"aliases: {tally.name}")
        rows.append(output_row(tally, is_reference=tally.engine is own))
    return rows


def output_row(tally: Tally, is_reference: bool) -> dict[str, Any]:
    nearness: Mapping[str, Any] = {"heard": tally.heard.json(), "unheard": tally.unheard.json()}
    return {
        "engine": tally.engine.name,
        "name": tally.name.partition(" ")[2],
        "version": tally.engine.version,
        "quality": None if is_reference else dict(nearness),
        "wav_bytes": tally.sizes["wav"],
        "flac_bytes": tally.sizes["flac"],
        "unsupported": tally.unsupported,
        "alias": alias_levels(tally.engine),
    }


def written_bytes(folder: Path, suffix: str, wet: Array, sample_rate: int) -> int | None:
    """Size of the file that holds `wet`, [channels, frames]; None where FLAC knows no such sample rate.

    Raises OSError where the disk is full.
    """
    container, subtype = FORMATS[suffix]
    if container == "FLAC" and sample_rate > 65_535 and sample_rate % 10:
        return None
    path = folder / f"output.{suffix}"
    with open_writer(path, sample_rate, len(wet), subtype, wet.shape[1], container) as writer:
        writer.write(np.ascontiguousarray(wet))
    return path.stat().st_size
