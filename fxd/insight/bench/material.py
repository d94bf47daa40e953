"""The sound that is measured with: the files that were named, else what came in last, else a generated one."""

import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.signal

from fxd.audio import AudioError, open_reader
from fxd.config import Settings
from fxd.engines.engine import Array
from fxd.hashes import ContentHash
from fxd.insight.bench.contenders import RATE

Origin = Literal["given", "inbox/done", "generated"]

GENERATED_SECONDS = 20
LEAST_SECONDS = 0.1
"""A file of which less would be kept is left out."""
SEED = 0


@dataclass(frozen=True)
class Sound:
    """A file, or the beginning of it."""

    file: str
    sample_rate: int
    dry: Array
    """[channels, frames]"""
    content_sha256: str
    """Of all of the file, as `fxd.audio` hashes it: it tells whether a model learned from it."""

    @property
    def seconds(self) -> float:
        return float(self.dry.shape[1] / self.sample_rate)


@dataclass(frozen=True)
class Material:
    """All sounds, and where they are from."""

    origin: Origin
    sounds: tuple[Sound, ...]


def gather(settings: Settings, files: Sequence[Path], most_seconds: float) -> Material:
    """Read `files`; without any, the newest of inbox/done; without those, a generated signal.

    At most `most_seconds` of all together are kept, in their order; of a file that does not fit, its beginning.
    Raises AudioError for a file that cannot be read as sound, OSError for one that cannot be read at all.
    """
    origin: Origin = "given"
    if not files:
        origin, files = "inbox/done", newest_first(settings.paths.inbox / "done")
    sounds: list[Sound] = []
    for path in files:
        room = most_seconds - sum(sound.seconds for sound in sounds)
        if room < LEAST_SECONDS:
            break
        sounds.append(read(path, room))
    return Material(origin, tuple(sounds)) if sounds else Material("generated", (plucked(),))


def newest_first(folder: Path) -> list[Path]:
    """The files in a folder and its sub-folders, hidden ones left out."""
    found = []
    for path in folder.rglob("*") if folder.is_dir() else ():
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and stat.S_ISREG(path.lstat().st_mode):
            found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found, reverse=True)]


def read(path: Path, most_seconds: float) -> Sound:
    """The beginning of a file; all of it is decoded, for its hash."""
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name audio files")
    try:
        with open_reader(path) as reader:
            hashed = ContentHash(reader.sample_rate, reader.channels)
            room = max(1, int(most_seconds * reader.sample_rate))
            kept = []
            for block in reader.blocks():
                hashed.update(block)
                kept.append(block[:, :room])
                room -= kept[-1].shape[1]
            dry = np.concatenate(kept, axis=1)
            return Sound(path.name, reader.sample_rate, dry, hashed.hexdigest())
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: there is no such file") from error
    except AudioError as error:
        raise AudioError(f"{path}: {error}", error.cut_off) from error


def plucked() -> Sound:
    """A plucked string twice a second, each of some partials that die away, in stereo; always the same."""
    rng = np.random.default_rng(SEED)
    frames = RATE // 2
    time = np.arange(frames) / RATE
    notes = []
    for _ in range(2 * GENERATED_SECONDS):
        order, hz = np.arange(1, 9)[:, None], rng.uniform(60, 600)
        partials = np.sin(2 * np.pi * order * hz * time) * np.exp(-3 * order * time) / order
        notes.append(np.outer(rng.uniform(0.2, 0.6, 2), partials.sum(axis=0)))
    dry = np.concatenate(notes, axis=1).astype(np.float32)
    return Sound("generated", RATE, dry, "")


def timed_sound(material: Material, seconds: float) -> Array:
    """What the contenders are timed on: float32 [2, frames] at RATE; repeated where there is too little."""
    wanted = round(seconds * RATE)
    parts: list[Array] = []
    for sound in material.sounds:
        missing = wanted - sum(part.shape[1] for part in parts)
        if missing <= 0:
            break
        needed = -(-missing * sound.sample_rate // RATE)
        parts.append(in_stereo(at_rate(sound.dry[:2, :needed], sound.sample_rate)))
    joined = np.concatenate(parts, axis=1)
    copies = -(-wanted // joined.shape[1])
    return np.ascontiguousarray(np.tile(joined, (1, copies))[:, :wanted])


def at_rate(dry: Array, sample_rate: int) -> Array:
    """Resampled to RATE: for timing, so by SciPy, whose filter stays the same whatever fxd's become."""
    if sample_rate == RATE:
        return dry
    common = np.gcd(sample_rate, RATE)
    resampled = scipy.signal.resample_poly(dry, RATE // common, sample_rate // common, axis=1)
    return np.asarray(resampled, np.float32)


def in_stereo(dry: Array) -> Array:
    return np.repeat(dry, 2, axis=0) if len(dry) == 1 else dry
