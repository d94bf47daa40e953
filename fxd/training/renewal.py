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
SOUNDS = 40
"""In the pool at a time."""
HEARD_TIMES = 10
"""How often each second of a sound is heard, on the average: to make it takes a few percent of its length."""

Maker = Callable[[int, int], Array]
"""The dry sound of a number, so many frames long: float32 [frames]."""


class Renewed:
    """Segments of made sounds, each of which begins at rest: `Segments` for the trainer.

    Which sounds are in the pool depends on the number of steps before, and on nothing else. One is made when it
    is drawn for the first time, so that a training begins at once.
    """

    def __init__(self, make: Maker, saturator: Saturator) -> None:
        self.make = make
        self.saturator = saturator
        self.window = range(SOUNDS)
        """The numbers of the sounds in the pool."""
        self.pieces: dict[int, Piece] = {}
        """Those that were made, by number."""
        self.making_seconds = 0.0
        self.made = 0

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
        a_second = self.making_seconds / (max(self.made, 1) * SOUND_SECONDS)
        return a_second * frames / MODEL_SAMPLE_RATE / HEARD_TIMES

    def draw(self, rng: np.random.Generator, frames: int, context: int) -> tuple[Array, Array]:
        for _ in range(DRAWS):
            piece = self.piece(int(rng.integers(self.window.start, self.window.stop)))
            start = int(rng.integers(max(1, len(piece.dry) - frames + 1)))
            dry, wet = segment(piece, start, frames, context)
            if not is_silent(wet):
                break
        return dry, wet

    def exchange(self, first: int) -> None:
        """Have the sounds from number `first` on in the pool."""
        if first != self.window.start:
            self.window = range(first, first + SOUNDS)
            self.pieces = {number: piece for number, piece in self.pieces.items() if number in self.window}

    def piece(self, number: int) -> Piece:
        if number not in self.pieces:
            began = time.monotonic()
            dry = self.make(number, SOUND_SECONDS * MODEL_SAMPLE_RATE)
            wet = render(self.saturator, dry[None], MODEL_SAMPLE_RATE)[0]
            self.pieces[number] = Piece(dry, wet, from_start=True)
            self.making_seconds += time.monotonic() - began
            self.made += 1
        return self.pieces[number]
