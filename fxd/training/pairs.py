"""Training pairs from dry sounds: resampled to the model's rate, the wet rendered from that.

The wet sound is rendered at the model's rate, not resampled from a wet file: what the network has to learn is
then exactly what the saturator does at that rate. Both are aligned with the dry file, frame for frame.

A part of a long file begins where the file, and with it the saturator, is in full swing. Therefore a second
before and after it is rendered too and cut off, far longer than anything rings: the DC blocker, a pole at
20 Hz, loses 1,090 dB in that second. What is left is the rounding of float32, below -120 dB. Nothing else of
the file is read. The part from second 20 to second 40:

    file        0 ......... 19 20 ......... 40 41 .....
    read                     |  |            |  |
    pair                        |............|           as if the whole file had been rendered
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from loguru import logger

from fxd.audio import AudioError, open_reader
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.resampler import Resampler
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import MODEL_SAMPLE_RATE
from fxd.store.records import Example

BLOCK_FRAMES = 65_536
LOUDEST_PEAK = 16.0
"""+24 dBFS. Beyond is no take that is somewhat hot, but integers in a file of floats, say: the saturator makes a
square wave of it, and a network that learned from one second of it in a minute lost 6 dB on everything else."""
SILENT_PEAK = 1e-4
"""-80 dBFS: a wet sound that stays below is nothing to learn from, and its error ratio would mean nothing."""
MARGIN = 1
"""Seconds that are rendered on either side of a part."""


class PairError(Exception):
    """A dry sound cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class Part:
    """A stretch of a file, in whole seconds: these fall on a frame at every sample rate."""

    start: int = 0
    stop: int | None = None
    """None is the end of the file."""

    @property
    def first(self) -> int:
        """Where reading begins, in seconds."""
        return max(0, self.start - MARGIN)

    @property
    def last(self) -> int | None:
        """Where reading ends, in seconds."""
        return None if self.stop is None else self.stop + MARGIN

    def cut(self, sound: Array) -> Array:
        """The part alone, from what was read for it at the model's sample rate: [channels, frames]."""
        begin = (self.start - self.first) * MODEL_SAMPLE_RATE
        end = None if self.stop is None else begin + (self.stop - self.start) * MODEL_SAMPLE_RATE
        return sound[:, begin:end]


class PairSource:
    """Renders pairs from the dry sounds in a folder; one that cannot be used is skipped with a warning."""

    def __init__(self, dataset: Path, settings: SaturatorSettings) -> None:
        self.dataset = dataset
        self.saturator = Saturator(settings)
        self.skipped: dict[str, str] = {}
        """Content hash to reason, of those that are broken."""
        self.too_loud: dict[str, str] = {}
        """Content hash to reason, of those with a part that is far too loud."""

    def pair(self, example: Example, part: Part = Part()) -> tuple[Array, Array] | None:
        """A part of a sound, dry and wet, both float32 [channels, frames] at the model's sample rate.

        None where the file is missing or broken (nan and inf are that too); it is not read again. None where
        this part is far too loud.
        """
        dry = self.dry(example, part)
        if dry is None:
            return None
        return part.cut(dry), part.cut(render(self.saturator, dry, MODEL_SAMPLE_RATE))

    def pair_at_rest(self, example: Example, part: Part) -> tuple[Array, Array] | None:
        """The same, but as if the part were a file of its own, with silence before it."""
        dry = self.dry(example, part)
        if dry is None:
            return None
        return part.cut(dry), render(self.saturator, part.cut(dry), MODEL_SAMPLE_RATE)

    def dry(self, example: Example, part: Part) -> Array | None:
        if example.content_sha256 in self.skipped:
            return None
        path = self.dataset / example.path
        try:
            dry = read_dry(path, part)
        except PairError as error:
            self.skipped[example.content_sha256] = str(error)
            logger.warning("a training example is skipped: {}", error)
            return None
        peak = float(np.abs(dry).max(initial=0.0))
        if peak <= LOUDEST_PEAK:
            return dry
        # Each part by itself, or what is heard would depend on which of them came first.
        if example.content_sha256 not in self.too_loud:
            reason = (
                f"{path}: its peak is {20 * math.log10(peak):+.0f} dBFS, and more than +24 is nothing to learn "
                "from; if it holds integers as floats, export it again"
            )
            self.too_loud[example.content_sha256] = reason
            logger.warning("a training example is left out: {}", reason)
        return None

    @property
    def left_out(self) -> dict[str, str]:
        """Content hash to reason, of all that are not heard, or not as a whole."""
        return self.skipped | self.too_loud


def is_silent(wet: Array) -> bool:
    """Whether a wet sound of any shape has nothing to learn from."""
    return not wet.size or float(np.abs(wet).max()) < SILENT_PEAK


def read_dry(path: Path, part: Part) -> Array:
    """What `part` needs of a file, margins included: float32 [channels, frames] at the model's sample rate.

    Raises PairError where the file is missing or broken.
    """
    try:
        with open_reader(path) as reader:
            rate = reader.sample_rate
            reader.skip(part.first * rate)
            frames = None if part.last is None else (part.last - part.first) * rate
            return resampled(beginning(reader.blocks(BLOCK_FRAMES), frames), rate, reader.channels)
    except AudioError as error:
        raise PairError(f"{path}: {error}") from error
    except OSError as error:
        raise PairError(f"{path}: {error.strerror}") from error


def beginning(blocks: Iterable[Array], frames: int | None) -> Iterator[Array]:
    """The first `frames` of a sound that comes in blocks; None is all of it."""
    for block in blocks:
        yield block[:, :frames]
        if frames is not None:
            frames -= block.shape[1]
            if frames <= 0:
                return


def resampled(blocks: Iterable[Array], rate: int, channels: int) -> Array:
    """A sound at the model's sample rate, aligned with what came in at `rate`: float32 [channels, frames]."""
    if rate == MODEL_SAMPLE_RATE:
        return np.concatenate([np.empty((channels, 0), np.float32), *blocks], axis=1)
    resampler = Resampler(rate, MODEL_SAMPLE_RATE, channels, whole_at="target")
    frames, ready = 0, []
    for block in blocks:
        frames += block.shape[1]
        ready.append(resampler.process(block))
    # Silence pushes out what the filter still holds back.
    tail = -(-resampler.latency * rate // MODEL_SAMPLE_RATE) + 1
    ready.append(resampler.process(np.zeros((channels, tail), np.float32)))
    length = -(-frames * MODEL_SAMPLE_RATE // rate)
    return np.concatenate(ready, axis=1)[:, resampler.latency :][:, :length]
