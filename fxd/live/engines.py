"""The engines of a session, as paths: made in any thread, compiled and warm before anybody hears them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path as FilePath
from typing import Literal

import numpy as np

from fxd.audio import AudioError, open_reader
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array
from fxd.engines.saturator import Saturator
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import Tcn, TcnModel
from fxd.factory.clips import factory_clips
from fxd.live.board import CAPACITY
from fxd.live.desk import Desk, Load
from fxd.live.errors import LiveError
from fxd.live.paths import Path, bypass_path, path_of
from fxd.live.ports import Ports

Role = Literal["bypass", "dsp", "tcn"]
"""What a lane is for."""

REHEARSAL_CLIP = "guit_e_fifths"
REHEARSAL_SECONDS = 2.0
SETTLE_SECONDS = 0.1
"""In which a new path forgets that it began in silence: the DC blocker's state falls by 109 dB."""
TOO_MUCH = 0.8
"""Of a block's time: more, and the next hiccup of the machine is heard."""
BLOCKS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)


@dataclass(frozen=True)
class Shape:
    """What every path of a session has in common."""

    sample_rate: int
    channels: int


@dataclass(frozen=True)
class Cast:
    """What is to be heard: the dry sound, and one engine or both."""

    saturator: SaturatorSettings | None
    model: TcnModel | None

    def paths(self, shape: Shape) -> dict[Role, Path]:
        """New ones, at rest. Raises LiveError where an engine cannot work at that rate."""
        made: dict[Role, Path] = {"bypass": bypass_path(shape.channels)}
        if self.saturator is not None:
            made["dsp"] = dsp_path(self.saturator, shape)
        if self.model is not None:
            made["tcn"] = tcn_path(self.model, shape)
        return made

    @property
    def is_alike(self) -> bool:
        """Whether the network learned just this saturator: both are then equally loud without any help."""
        if self.saturator is None or self.model is None:
            return True
        return self.model.settings_hash == settings_hash(self.saturator)


def dsp_path(settings: SaturatorSettings, shape: Shape) -> Path:
    try:
        stream = Saturator(settings).stream(shape.sample_rate, shape.channels)
    except ValueError as error:
        raise LiveError(str(error)) from None
    return path_of(stream, shape.channels, CAPACITY)


def tcn_path(model: TcnModel, shape: Shape) -> Path:
    return path_of(Tcn(model).stream(shape.sample_rate, shape.channels), shape.channels, CAPACITY)


def settle_frames(model: TcnModel | None, sample_rate: int) -> int:
    """Frames after which a new path gives what it would have given, had it always been there."""
    frames = round(SETTLE_SECONDS * sample_rate)
    if model is None:
        return frames
    return max(frames, math.ceil(model.architecture.receptive_field * sample_rate / model.sample_rate))


@dataclass(frozen=True)
class Rehearsal:
    """What the engines did with a recording before anybody played."""

    levels: Mapping[Role, float]
    """Of each path over the dry sound."""
    load: Load


def rehearse(cast: Cast, shape: Shape, block: int) -> Rehearsal:
    """Play a recording through paths of their own: then all is compiled, and levels and load are known."""
    paths = cast.paths(shape)
    longest = max(path.latency for path in paths.values())
    desk = Desk(shape.sample_rate, shape.channels, Ports(shape.channels, 0, shape.channels), longest)
    for lane, path in enumerate(paths.values()):
        desk.place(lane, path)
    desk.begin(set(range(len(paths))), 0)
    sound = np.repeat(rehearsal_sound(shape.sample_rate), shape.channels, axis=1)
    for start in range(0, len(sound) - block + 1, block):
        desk.run(sound[start : start + block])
    levels = {role: desk.level(lane) or 1.0 for lane, role in enumerate(paths)}
    return Rehearsal(levels, desk.load())


@lru_cache(maxsize=1)
def rehearsal_sound(sample_rate: int) -> Array:
    """[frames, 1]: a guitar, or noise where fxd's own clips were removed."""
    frames = round(REHEARSAL_SECONDS * sample_rate)
    clip = next((one for one in factory_clips() if one.stem == REHEARSAL_CLIP), None)
    sound = clip_sound(clip, frames) if clip is not None else None
    if sound is None:
        sound = 0.1 * np.random.default_rng(0).standard_normal(frames).astype(np.float32)
    return np.resize(sound, (frames, 1))


def clip_sound(clip: FilePath, frames: int) -> Array | None:
    """The first channel of the beginning of a clip; None where it cannot be read."""
    try:
        with open_reader(clip) as reader:
            sound: Array = next(reader.blocks(frames))[0]
            return sound
    except (AudioError, OSError):
        return None


def check_load(load: Load, cast: Cast, shape: Shape, block: int, option: str = "--block") -> None:
    """Raise LiveError where the engines cannot keep up with such blocks, naming a size with which they can.

    `option` is what a person writes before that size.
    """
    if load.median <= TOO_MUCH:
        return
    told = (
        f"blocks of {block} at {shape.sample_rate} Hz take {percent(load.median)} of the time that they play"
    )
    for larger in (other for other in BLOCKS if other > block):
        if (median := rehearse(cast, shape, larger).load.median) <= TOO_MUCH:
            raise LiveError(f"{told}: use {option} {larger}, which takes {percent(median)}")
    remedy = "use a smaller model (`fxd models`), --engine dsp, or a lower --rate"
    raise LiveError(f"{told}, and larger blocks are no better: {remedy}")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"
