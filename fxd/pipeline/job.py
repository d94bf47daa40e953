"""What the daemon tells a worker, and hears from it: no engine is needed for that, and the daemon loads none."""

from dataclasses import dataclass
from datetime import datetime
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
    profile: str
    """What the dry sound is like (`fxd.sound_profile`)."""
    dry_suffix: str
    settings_hash: str
    results: tuple[Result, ...]
    warm_up: bool = False
    """Whether the worker had not used these engines before."""


@dataclass(frozen=True)
class Ready:
    """The worker has its engines loaded and compiled."""


@dataclass(frozen=True)
class Begun:
    """The worker has turned to the next of its jobs."""

    at: datetime


@dataclass(frozen=True)
class Reached:
    seconds: float
    """Of audio that is done."""
    length_seconds: float | None
    """Of so many, where the header says it; it may be wrong."""


@dataclass(frozen=True)
class Done:
    outcome: Outcome


@dataclass(frozen=True)
class Fault:
    """The file is to blame."""

    reason: str
    cut_off: bool = False


@dataclass(frozen=True)
class Trouble:
    """The machine is to blame: a disk, a share, a model that cannot be read. The file waits."""

    reason: str


@dataclass(frozen=True)
class Death:
    """The worker died or was ended, or hit a bug: a second try tells whether the file is to blame."""

    reason: str


Ending = Done | Fault | Trouble | Death
Message = Ready | Begun | Reached | Ending
