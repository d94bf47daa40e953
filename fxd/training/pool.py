"""The sound that a training hears: a pool of rendered pairs whose size does not grow with the set.

A quarter of an hour of mono sound at 48 kHz is in memory, dry and wet (346 MB). A set that fits is in it
as a whole, and does not change. Of a larger set the pool holds parts of 20 seconds; while training runs, the
oldest part gives way to the next one: all parts of the set are gone through in a shuffled order, then in
another one, and so on, so that old and new, rare and frequent material gets its share of the time in
proportion to its length.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from fxd.engines.engine import Array
from fxd.engines.tcn import MODEL_SAMPLE_RATE
from fxd.store.records import Example
from fxd.training.pairs import PairSource, Part, is_silent

POOL_SECONDS = 900
PART_SECONDS = 20
ROTATION_SECONDS = 60
"""What is heard between two changes of the pool: rendering the next part takes a few percent of that time."""
DRAWS = 50
"""Silent segments are drawn again, up to this often, for a set could be all but silent."""


class NothingToLearn(Exception):
    """The training set has no sound in it; the message says why."""


@dataclass(frozen=True)
class Piece:
    """One channel of a part of a sound."""

    dry: Array
    """[frames]"""
    wet: Array
    from_start: bool
    """Whether silence comes before it: then context before its first frame is zeros."""


class TrainingSet:
    """Segments of the training sounds: `Segments` for the trainer.

    A segment is chosen in proportion to length: every position in the pool is as likely as any other. One
    whose wet side is silent is drawn again. Channels are signals of their own. As long as the pool does not
    change, what is drawn depends on the random generator alone, so a training that goes on from a checkpoint
    hears what it would have heard; of a larger set it hears the first parts again.
    """

    def __init__(
        self, examples: Sequence[Example], source: PairSource, seed: int, pool_seconds: float = POOL_SECONDS
    ) -> None:
        """The training sounds among `examples`. Raises NothingToLearn where there is nothing but silence."""
        self.examples = [example for example in examples if example.subset == "training"]
        self.source = source
        self.seed = seed
        self.capacity = round(pool_seconds * MODEL_SAMPLE_RATE)
        self.fits = sum(map(mono_frames, self.examples)) <= self.capacity
        self.pieces: list[Piece] = []
        self.ends: list[int] = []
        self.heard = 0
        """Frames since the pool changed."""
        self.parts = self.endless_parts()
        self.fill()

    @property
    def contents(self) -> list[str]:
        """The content hashes of what may be heard, sorted."""
        return sorted({example.content_sha256 for example in self.examples} - self.source.skipped.keys())

    def sample(self, rng: np.random.Generator, batch: int, frames: int, context: int) -> tuple[Array, Array]:
        """A batch of segments: dry [batch, context + frames] and wet [batch, frames]; see the class.

        Raises ValueError where a segment is longer than a part.
        """
        if context + frames > PART_SECONDS * MODEL_SAMPLE_RATE:
            raise ValueError(f"{context} + {frames} frames do not fit into a part of {PART_SECONDS} seconds")
        self.heard += batch * frames
        if not self.fits and self.heard > ROTATION_SECONDS * MODEL_SAMPLE_RATE:
            self.rotate()
            self.heard = 0
        segments = [self.draw(rng, frames, context) for _ in range(batch)]
        return np.stack([dry for dry, _ in segments]), np.stack([wet for _, wet in segments])

    def draw(self, rng: np.random.Generator, frames: int, context: int) -> tuple[Array, Array]:
        for _ in range(DRAWS):
            position = int(rng.integers(self.ends[-1]))
            index = bisect_right(self.ends, position)
            piece = self.pieces[index]
            length = len(piece.dry)
            first, last = (0 if piece.from_start else context), length - frames
            start = first + (position - self.ends[index] + length) * (last - first + 1) // length
            dry, wet = segment(piece, start if last >= first else last, frames, context)
            if not is_silent(wet):
                break
        return dry, wet

    def fill(self) -> None:
        """Load the pool; all of a set that fits, else as many parts as it holds."""
        for _ in range(self.part_count()):
            self.load(*next(self.parts))
            if not self.fits and self.ends and self.ends[-1] >= self.capacity:
                break
        if not self.pieces:
            raise NothingToLearn(self.why_nothing())

    def rotate(self) -> None:
        """The next part that has something in it comes into the pool; the oldest leave it."""
        before = len(self.pieces)
        for _ in range(self.part_count()):
            self.load(*next(self.parts))
            if len(self.pieces) > before:
                break
        while self.ends[-1] - self.ends[0] >= self.capacity:
            self.pieces.pop(0)
            self.ends = [end - self.ends[0] for end in self.ends[1:]]

    def load(self, example: Example, part: Part) -> None:
        pair = self.source.pair(example, part)
        for dry, wet in zip(*pair, strict=True) if pair else ():
            # A file that is shorter than it was may end within a part, too early for a whole segment.
            long_enough = part.start == 0 or len(dry) >= PART_SECONDS * MODEL_SAMPLE_RATE
            if long_enough and not is_silent(wet):
                self.pieces.append(Piece(dry.copy(), wet.copy(), part.start == 0))
                self.ends.append(len(dry) + (self.ends[-1] if self.ends else 0))

    def part_count(self) -> int:
        return sum(1 for example in self.examples for _ in self.parts_of(example))

    def endless_parts(self) -> Iterator[tuple[Example, Part]]:
        """Every part of the set in an order that the seed decides, then again in another one, for ever."""
        for turn in count():
            parts = [(example, part) for example in self.examples for part in self.parts_of(example)]
            for index in np.random.default_rng((self.seed, turn)).permutation(len(parts)):
                yield parts[index]

    def parts_of(self, example: Example) -> Iterator[Part]:
        """A sound in parts of at least PART_SECONDS; as a whole where the set fits or the sound is short."""
        whole = 1 if self.fits else max(1, example.frames // (example.sample_rate * PART_SECONDS))
        for number in range(whole):
            end = None if number == whole - 1 else (number + 1) * PART_SECONDS
            yield Part(number * PART_SECONDS, end)

    def why_nothing(self) -> str:
        if not self.examples:
            return "the training set is empty: no file has been processed that is for training"
        reasons = [reason for e in self.examples if (reason := self.source.skipped.get(e.content_sha256))]
        if len(reasons) == len(self.examples):
            return f"no training sound can be read; the first: {reasons[0]}"
        return "the training set holds nothing but silence"


def mono_frames(example: Example) -> int:
    """How long a sound is at the model's sample rate, its channels one after the other."""
    return -(-example.frames * example.channels * MODEL_SAMPLE_RATE // example.sample_rate)


def segment(piece: Piece, start: int, frames: int, context: int) -> tuple[Array, Array]:
    """Dry [context + frames] and wet [frames] of a piece from `start`, which may lie before its beginning.

    With context 2 and 4 frames, from -1 of the piece 1 2 3 (a sound shorter than a segment), wet a b c:

        dry   0 0 0 1 2 3
        wet       0 a b c
    """
    dry = np.zeros(context + frames, np.float32)
    wet = np.zeros(frames, np.float32)
    heard = piece.dry[max(0, start - context) : start + frames]
    dry[len(dry) - len(heard) :] = heard
    target = piece.wet[max(0, start) : start + frames]
    wet[len(wet) - len(target) :] = target
    return dry, wet
