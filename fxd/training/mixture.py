"""What a training hears in all: recordings, variations of them, and probe signals, in fixed parts of each batch.

of four segments     recordings . variations . probes . probes

For each, two candidates of its kind are drawn, and the louder one is heard.
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
CANDIDATES = 2
"""Segments that are drawn for one that is heard, the one whose wet side is loudest.

There the saturator does most, and what is loud counts for most in the error. It costs a second drawing, but no
second step.
"""


class Mixture:
    """Recordings, variations and probes: `Segments` for the trainer."""

    def __init__(
        self,
        examples: Sequence[Example],
        source: PairSource,
        seed: int,
        heard: Set[str] = frozenset(),
        threads: int = 1,
    ) -> None:
        """See `TrainingSet`; it raises NothingToLearn."""
        self.shares = (VARIATION_SHARE, PROBE_SHARE)
        self.candidates = CANDIDATES
        self.recordings = TrainingSet(examples, source, seed, heard, threads=threads)
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
        dry, wet = self.draw(rng, batch, frames, context, step)
        for _ in range(1, self.candidates):
            other_dry, other_wet = self.draw(rng, batch, frames, context, step)
            louder = np.square(other_wet).sum(axis=1) > np.square(wet).sum(axis=1)
            dry[louder], wet[louder] = other_dry[louder], other_wet[louder]
        return dry, wet

    def draw(
        self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
    ) -> tuple[Array, Array]:
        """A candidate for each place of a batch."""
        drawn = [one.sample(rng, count, frames, context, step) for one, count in self.parts(batch)]
        return np.concatenate([dry for dry, _ in drawn]), np.concatenate([wet for _, wet in drawn])

    def upkeep_seconds(self, frames: int) -> float:
        """See `Segments`."""
        return sum(one.upkeep_seconds(count) for one, count in self.parts(frames))
