"""The sound that a training hears: a pool of rendered pairs whose size does not grow with the set.

A quarter of an hour of mono sound at 48 kHz is in memory, dry and wet (346 MB). A set that fits is in it as a
whole, does not change, and every position in it is drawn as often as any other. A larger set passes through it in
parts of 20 seconds, in the order and with the shares that `fxd.training.rota` states: for each minute that is
heard, 20 seconds leave the pool and as many enter.

    rota    a b c d e f g h i ...
    pool    [- - - - -]              at the first step
                [- - - - -]          some steps later

What the pool holds depends on the set, the seed and the number of steps before, and on nothing else. So a
training that goes on from a checkpoint hears what it would have heard.
"""

import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

import numpy as np

from fxd.engines.engine import Array
from fxd.engines.tcn import MODEL_SAMPLE_RATE
from fxd.store.records import Example
from fxd.training.pairs import PairSource, Part, is_silent
from fxd.training.rota import PART_SECONDS, Turn, length_of, mono_seconds, rota, shares

POOL_SECONDS = 900.0
EXCHANGE = 20 / 60
"""Seconds that enter the pool for each second that is heard; to render them takes a few percent of the time."""
DRAWS = 50
"""Silent segments are drawn again, up to this often, for a set could be all but silent."""
SEARCHED = 300
"""Parts that are looked at beyond a pool with nothing but silence in it."""


EMPTY_SET = (
    "the training set is empty: no file has been processed that is for training; process some more, as about "
    "four in five are"
)


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

    Every position in the pool is as likely as any other, and channels are signals of their own; a segment whose
    wet side is silent is drawn again. Loud ones are preferred by `Mixture`.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        source: PairSource,
        seed: int,
        heard: Set[str] = frozenset(),
        pool_seconds: float = POOL_SECONDS,
        threads: int = 1,
    ) -> None:
        """The training sounds among `examples`; `heard` are the contents that the model to start from knows.

        `threads` render them, each sound in one: with two a pool of many sounds is full in half the time.
        Raises NothingToLearn where there is nothing but silence.
        """
        self.examples = [example for example in examples if example.subset == "training"]
        self.source = source
        self.pool_seconds = pool_seconds
        self.threads = threads
        self.fits = sum(map(mono_seconds, self.examples)) <= pool_seconds
        self.turns: list[Turn] = (
            [Turn(0.0, example, Part()) for example in self.examples] if self.fits else []
        )
        """Of the rota, up to the end of the pool."""
        self.rota: Iterator[Turn] = iter(())
        seconds = np.array([mono_seconds(example) for example in self.examples])
        self.share = (
            seconds / (seconds.sum() or 1) if self.fits else shares(self.examples, heard, pool_seconds)
        )
        """Of each sound among all that is heard."""
        if not self.fits:
            self.rota = rota(self.examples, self.share, seed)
        self.window = range(0)
        """The turns that are in the pool."""
        self.loaded: dict[int, list[Piece]] = {}
        """By the number of their turn; silent ones are left out."""
        self.pieces: list[Piece] = []
        self.ends: list[int] = []
        self.costs: list[tuple[float, float]] = []
        """Of each part that was rendered: the seconds that it took, and those that it lasts."""
        self.exchange(0.0)
        if not self.pieces:
            raise NothingToLearn(self.why_nothing())

    @property
    def contents(self) -> list[str]:
        """The content hashes of what may be heard, sorted."""
        return sorted({example.content_sha256 for example in self.examples} - self.source.skipped.keys())

    def sample(
        self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
    ) -> tuple[Array, Array]:
        """A batch of segments: dry [batch, context + frames] and wet [batch, frames]; see the class.

        `step` counts the batches of this size that were heard before. Raises ValueError where a segment is
        longer than a part.
        """
        if context + frames > PART_SECONDS * MODEL_SAMPLE_RATE:
            raise ValueError(f"{context} + {frames} frames do not fit into a part of {PART_SECONDS} seconds")
        self.exchange(step * batch * frames / MODEL_SAMPLE_RATE * EXCHANGE)
        segments = [self.draw(rng, frames, context) for _ in range(batch)]
        return np.stack([dry for dry, _ in segments]), np.stack([wet for _, wet in segments])

    def upkeep_seconds(self, frames: int) -> float:
        """What the exchange costs, on the average, for each batch of so many frames in all."""
        if self.fits:
            return 0.0
        exchanged = frames / MODEL_SAMPLE_RATE * EXCHANGE
        loading, loaded = map(sum, zip(*self.costs, strict=True))
        return exchanged * loading / max(loaded, 1.0)

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

    def exchange(self, position: float) -> None:
        """Have the pool hold what stands in the rota from `position` on, in seconds."""
        window = self.window_at(position)
        if window == self.window:
            return
        self.window = window
        # By sounds, whose parts come one after the other: in one that breaks, those behind are not tried.
        new: dict[str, list[int]] = defaultdict(list)
        for number in window:
            if number not in self.loaded:
                new[self.turns[number].example.content_sha256].append(number)
        before = dict(self.loaded)
        for numbers, rendered in zip(new.values(), self.rendered(list(new.values())), strict=True):
            before.update(zip(numbers, rendered, strict=True))
        self.loaded = {number: before[number] for number in window}
        beyond = range(window.stop, window.stop + (0 if self.fits else SEARCHED))
        for number in beyond:
            if any(self.loaded.values()):
                break
            self.loaded[number] = before[number] if number in before else self.render(number)
        pieces = list(chain.from_iterable(self.loaded.values()))
        # In a set that is all but silent, what was there before is better than nothing.
        if pieces:
            self.pieces = pieces
            self.ends = np.cumsum([len(piece.dry) for piece in pieces]).tolist()

    def window_at(self, position: float) -> range:
        if self.fits:
            return range(len(self.turns))
        end = position + self.pool_seconds
        while not self.turns or self.turns[-1].start < end:
            self.turns.append(next(self.rota))
        first = bisect_right(self.turns, position, key=attrgetter("start")) - 1
        return range(first, bisect_left(self.turns, end, key=attrgetter("start")))

    def rendered(self, sounds: Sequence[Sequence[int]]) -> list[list[list[Piece]]]:
        """The pieces of each part of each sound."""
        if len(sounds) < 2:  # as it is on the way
            return [self.render_all(numbers) for numbers in sounds]
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(self.render_all, sounds))

    def render_all(self, numbers: Sequence[int]) -> list[list[Piece]]:
        return [self.render(number) for number in numbers]

    def render(self, number: int) -> list[Piece]:
        while number >= len(self.turns):
            self.turns.append(next(self.rota))
        turn = self.turns[number]
        began = time.monotonic()
        pieces = list(self.load(turn.example, turn.part))
        self.costs.append((time.monotonic() - began, length_of(turn.example, turn.part)))
        return pieces

    def load(self, example: Example, part: Part) -> Iterator[Piece]:
        pair = self.source.pair(example, part)
        for dry, wet in zip(*pair, strict=True) if pair else ():
            # A file that is shorter than it was may end within a part, too early for a whole segment.
            long_enough = part.start == 0 or len(dry) >= PART_SECONDS * MODEL_SAMPLE_RATE
            if long_enough and not is_silent(wet):
                yield Piece(dry.copy(), wet.copy(), part.start == 0)

    def why_nothing(self) -> str:
        if not self.examples:
            return EMPTY_SET
        left_out = self.source.left_out
        reasons = [reason for e in self.examples if (reason := left_out.get(e.content_sha256))]
        if len(reasons) == len(self.examples):
            return f"no training sound can be used; the first: {reasons[0]}"
        where = "" if self.fits else ", wherever it was heard"
        return f"the training set holds nothing but silence{where}; process sounds above -80 dBFS"


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
