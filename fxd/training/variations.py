"""Variations of recordings: the same music faster or slower, louder or softer, equalised, over another.

What a network learned from a minute of sound it may know of that minute alone. A variation keeps what makes a
sound natural, and moves its pitch, its spectrum and its level; its wet side is rendered from it, so it is as true
a pair as any. Sounds are [frames] at the model's sample rate.
"""

from collections.abc import Sequence

import numpy as np

from fxd.engines.engine import Array
from fxd.engines.tcn import MODEL_SAMPLE_RATE
from fxd.store.records import Example
from fxd.training.pairs import PairSource, Part
from fxd.training.rota import Floats
from fxd.training.scenes import PEAK, Wave, between, to_full_scale

SLOWEST, FASTEST = 0.6, 1.7
EQUALISER_DB = 6.0
"""Standard deviation of the gains between which the equaliser draws its line."""
OCTAVES = 10
"""Below the highest frequency, over which the equaliser reaches."""
TRIES = 20
"""Sounds that are looked at for one that can be read."""


class Variations:
    """Variations of the training sounds, by number: the same number with the same seed is the same variation."""

    def __init__(self, examples: Sequence[Example], share: Floats, source: PairSource, seed: int) -> None:
        """`share` says how often each sound is chosen; it sums up to 1."""
        self.examples = examples
        self.bounds = np.cumsum(share)
        self.source = source
        self.seed = seed

    def __call__(self, number: int, frames: int) -> Array:
        """A variation: float32 [frames]."""
        rng = np.random.default_rng([self.seed, number, 1])
        return variation(self.excerpt(frames, rng), self.excerpt(frames, rng), frames, rng)

    def excerpt(self, frames: int, rng: np.random.Generator) -> Array:
        """Enough of one channel of a sound for `frames` at any speed; silence where none can be read."""
        seconds = int(np.ceil(FASTEST * frames / MODEL_SAMPLE_RATE)) + 1
        for _ in range(TRIES):
            index = int(np.searchsorted(self.bounds, rng.random() * self.bounds[-1], side="right"))
            example = self.examples[index]
            latest = max(0, example.frames // example.sample_rate - seconds)
            start = int(rng.integers(latest + 1))
            part = Part(start, start + seconds)
            dry = self.source.dry(example, part)
            if dry is not None:
                channel = int(rng.integers(len(dry)))
                return np.ascontiguousarray(part.cut(dry)[channel])
        return np.zeros(frames, np.float32)


def variation(sound: Array, other: Array, frames: int, rng: np.random.Generator) -> Array:
    """A variation of a sound, sometimes with another one added: float32 [frames]."""
    varied = at_speed(sound, frames, rng) if rng.random() < 0.6 else stretch(sound, frames, rng)
    if rng.random() < 0.3:
        varied = varied + 10 ** (rng.uniform(-20, 6) / 20) * stretch(other, frames, rng)
    if rng.random() < 0.6:
        varied = equalised(varied, rng)
    level = PEAK * 10 ** (-rng.exponential(8) / 20) * rng.choice([-1, 1])
    return np.asarray(level * to_full_scale(varied), np.float32)


def stretch(sound: Array, frames: int, rng: np.random.Generator) -> Wave:
    """Some of a sound, with silence after it where it is shorter."""
    start = int(rng.integers(max(1, len(sound) - frames + 1)))
    cut = sound[start : start + frames].astype(np.float64)
    return np.asarray(np.pad(cut, (0, frames - len(cut))))


def at_speed(sound: Array, frames: int, rng: np.random.Generator) -> Wave:
    """Some of a sound at another speed. Interpolation by straight lines will do: it is a new sound anyway."""
    speed = between(SLOWEST, FASTEST, rng)
    source = stretch(sound, int(frames * speed) + 2, rng)
    return np.asarray(np.interp(speed * np.arange(frames), np.arange(len(source)), source))


def equalised(sound: Wave, rng: np.random.Generator) -> Wave:
    """Through gains that lie on a line of three to six points, evenly spread over ten octaves."""
    spectrum = np.fft.rfft(sound)
    below = -np.log2(np.linspace(2.0**-OCTAVES, 1, len(spectrum)))
    points = int(rng.integers(3, 7))
    gain_db = np.interp(below, np.linspace(0, OCTAVES, points), rng.normal(0, EQUALISER_DB, points))
    return np.asarray(np.fft.irfft(spectrum * 10 ** (gain_db / 20), len(sound)))
