"""What the daemon tells a worker, and hears from it. Neither needs an engine, so that the daemon loads none."""

from dataclasses import dataclass
from pathlib import Path

from fxd.config import SaturatorSettings, Subtype
from fxd.store.records import Result

DRY_STEM = "dry"
"""Name of the dry sound in an attempt's folder, without its suffix."""


@dataclass(frozen=True)
class Job:
    """What a worker needs to know."""

    source: Path
    attempt: Path
    """The attempt's own folder."""
    saturator: SaturatorSettings
    model: Path
    """weights.safetensors of the champion."""
    subtype: Subtype
    has_spare_core: bool = False
    """Whether what surrounds the engines may run beside them; else their clocks would count its time too."""


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt; the outputs lie in its folder as `dsp.wav` and `tcn.wav`."""

    sha256: str
    content_sha256: str
    sample_rate: int
    channels: int
    frames: int
    dry_suffix: str
    settings_hash: str
    results: tuple[Result, ...]
