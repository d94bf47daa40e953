"""A pool of sounds that are made for the training: they come and go as it proceeds."""

import time
from collections.abc import Callable

import numpy as np

from fxd.engines.engine import Array, render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import MODEL_SAMPLE_RATE
from fxd.training.pairs import is_silent
from fxd.training.pool import DRAWS, Piece, segment

SOUND_SECONDS = 2
SOUNDS = 24
"""In memory at a time."""
HEARD_TIMES = 10
"""How often each second of a sound is heard, on the average: to make it takes a few percent of its length."""

Maker = Callable[[int, int], Array]
"""The dry sound of a number, so many frames long: float32 [frames]."""


class Renewed:
    """Segments of made sounds, each of which begins at rest: `Segments` for the trainer.

    Which sounds are in memory depends on the number of steps before, and on nothing else.
    """

    def __init__(self, make: Maker, saturator: Saturator) -> None:
        self.make = make
        self.saturator = saturator
        self.window = range(0)
        """The numbers of the sounds in memory."""
        self.pieces: list[Piece] = []
        self.making_seconds = 0.0
        self.made = 0
        self.exchange(0)

    def sample(
        self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
    ) -> tuple[Array, Array]:
        """A batch of segments: dry [batch, context + frames] and wet [batch, frames].

        `step` counts the batches of this size that were heard before.
        """
        heard = step * batch * frames / MODEL_SAMPLE_RATE
        self.exchange(int(heard / HEARD_TIMES / SOUND_SECONDS))
        segments = [self.draw(rng, frames, context) for _ in range(batch)]
        return np.stack([dry for dry, _ in segments]), np.stack([wet for _, wet in segments])

    def upkeep_seconds(self, frames: int) -> float:
        """What new sounds cost, on the average, for each batch of so many frames in all."""
        a_second = self.making_seconds / (self.made * SOUND_SECONDS)
        return a_second * frames / MODEL_SAMPLE_RATE / HEARD_TIMES

    def draw(self, rng: np.random.Generator, frames: int, context: int) -> tuple[Array, Array]:
        for _ in range(DRAWS):
            piece = self.pieces[int(rng.integers(len(self.pieces)))]
            start = int(rng.integers(max(1, len(piece.dry) - frames + 1)))
            dry, wet = segment(piece, start, frames, context)
            if not is_silent(wet):
                break
        return dry, wet

    def exchange(self, first: int) -> None:
        """Have the sounds from number `first` on in memory."""
        wanted = range(first, first + SOUNDS)
        if wanted == self.window:
            return
        kept = dict(zip(self.window, self.pieces, strict=True))
        self.pieces = [kept[number] if number in kept else self.made_piece(number) for number in wanted]
        self.window = wanted

    def made_piece(self, number: int) -> Piece:
        began = time.monotonic()
        dry = self.make(number, SOUND_SECONDS * MODEL_SAMPLE_RATE)
        wet = render(self.saturator, dry[None], MODEL_SAMPLE_RATE)[0]
        self.making_seconds += time.monotonic() - began
        self.made += 1
        return Piece(dry, wet, from_start=True)
