"""The chain of pedalboard (of the extra `fxd[bench]`) that comes nearest to the saturator.

Distortion is tanh(drive x), without bias and without antialiasing; HighpassFilter is of first order at the
corner of the DC blocker; two LowpassFilters of first order stand where the saturator has a Butterworth of
order 4. It is not the same sound: its error against the saturator is given beside its time.
"""

import math

import numpy as np
import pedalboard

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array
from fxd.insight.bench.rivals import DC_BLOCK_HZ

LONGEST = 8_192
"""Frames that pedalboard works on at once unless told otherwise; longer blocks it splits."""


class PedalboardChain:
    """An engine: Distortion, HighpassFilter, two LowpassFilters, Gain."""

    name = "dsp"
    version = "pedalboard"

    def __init__(self, settings: SaturatorSettings) -> None:
        self.settings = settings

    @property
    def path(self) -> str:
        return f"pedalboard {pedalboard.__version__}, no antialiasing"

    def stream(self, sample_rate: int, channels: int) -> "PedalboardStream":
        """A new chain, at rest in silence."""
        return PedalboardStream(self.settings, sample_rate, channels)


class PedalboardStream:
    """One chain, with its state kept from block to block."""

    latency = 0

    def __init__(self, settings: SaturatorSettings, sample_rate: int, channels: int) -> None:
        self.sample_rate = sample_rate
        self.board = pedalboard.Pedalboard(
            [
                pedalboard.Distortion(drive_db=20 * math.log10(settings.drive)),
                pedalboard.HighpassFilter(cutoff_frequency_hz=DC_BLOCK_HZ),
                pedalboard.LowpassFilter(cutoff_frequency_hz=settings.tone_hz),
                pedalboard.LowpassFilter(cutoff_frequency_hz=settings.tone_hz),
                pedalboard.Gain(gain_db=20 * math.log10(settings.output_gain)),
            ]
        )
        # It guesses which axis is time, and cannot from a square; and it forgets its state when a block is
        # longer than all before. So its first is the longest that it works on at once; silence changes nothing.
        self.process(np.zeros((channels, LONGEST), np.float32))

    def process(self, block: Array) -> Array:
        """The next output for the next input, both float32 [channels, frames]."""
        if block.shape[1] == 0:
            return block.copy()
        wet: Array = self.board.process(block, self.sample_rate, reset=False)
        return wet
