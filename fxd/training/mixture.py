"""What a training hears in all: recordings, variations of them, and probe signals, in fixed parts of each batch.

of four segments     recordings . variations . probes . probes

Of each, two segments are drawn, and the louder one is heard.
"""

from collections.abc import Sequence, Set

import numpy as np

from fxd.engines.engine import Array
from fxd.store.records import Example
from fxd.training.learner import Segments
from fxd.training.pairs import PairSource
from fxd.training.pool import TrainingSet
from fxd.training.renewal import Renewed
from fxd.training.scenes import Scenes
from fxd.training.variations import Variations

VARIATION_SHARE = 0.25
PROBE_SHARE = 0.5
"""Of the segments of a batch; the others are recordings."""
DRAWN = 2
"""Segments of one kind, of which the one with the loudest wet side is heard: there the saturator does most, and
what is loud counts for most in the error. It costs no step, only the drawing."""


class Mixture:
    """Recordings, variations and probes: `Segments` for the trainer."""

    def __init__(
        self, examples: Sequence[Example], source: PairSource, seed: int, heard: Set[str] = frozenset()
    ) -> None:
        """See `TrainingSet`; it raises NothingToLearn."""
        self.shares = (VARIATION_SHARE, PROBE_SHARE)
        self.drawn = DRAWN
        self.recordings = TrainingSet(examples, source, seed, heard)
        variations = Variations(self.recordings.examples, self.recordings.share, source, seed)
        self.variations = Renewed(variations, source.saturator)
        self.probes = Renewed(Scenes(seed), source.saturator)

    def parts(self, whole: int) -> list[tuple[Segments, int]]:
        """How many of `whole` are of which kind."""
        varied, probing = (round(whole * share) for share in self.shares)
        every = (
            (self.recordings, whole - varied - probing),
            (self.variations, varied),
            (self.probes, probing),
        )
        return [(segments, count) for segments, count in every if count]

    def sample(
        self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
    ) -> tuple[Array, Array]:
        """A batch of segments: dry [batch, context + frames] and wet [batch, frames]; see `Segments`."""
        parts = self.parts(batch)
        dry, wet = self.draw(parts, rng, frames, context, step)
        for _ in range(1, self.drawn):
            other_dry, other_wet = self.draw(parts, rng, frames, context, step)
            louder = np.square(other_wet).sum(axis=1) > np.square(wet).sum(axis=1)
            dry[louder], wet[louder] = other_dry[louder], other_wet[louder]
        return dry, wet

    def draw(
        self,
        parts: list[tuple[Segments, int]],
        rng: np.random.Generator,
        frames: int,
        context: int,
        step: int,
    ) -> tuple[Array, Array]:
        """One segment for each place of a batch."""
        drawn = [segments.sample(rng, count, frames, context, step) for segments, count in parts]
        return np.concatenate([dry for dry, _ in drawn]), np.concatenate([wet for _, wet in drawn])

    def upkeep_seconds(self, frames: int) -> float:
        """See `Segments`."""
        return sum(one.upkeep_seconds(count) for one, count in self.parts(frames))
