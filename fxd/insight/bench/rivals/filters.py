"""The saturator without antialiasing, as SciPy's users write it: the formula in float64, filter by filter."""

from math import pi

import numpy as np
import scipy
from scipy.signal import butter, lfilter, sosfilt

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array
from fxd.insight.bench.rivals import DC_BLOCK_HZ


class ScipySaturator:
    """An engine: `fxd.engines.saturator`'s formula at the signal's own rate."""

    name = "dsp"
    version = "scipy"

    def __init__(self, settings: SaturatorSettings) -> None:
        self.settings = settings

    @property
    def path(self) -> str:
        return f"SciPy {scipy.__version__}, float64"

    def stream(self, sample_rate: int, channels: int) -> "ScipyStream":
        """A new stream, at rest in silence."""
        return ScipyStream(self.settings, sample_rate, channels)


class ScipyStream:
    """Both filters with their state carried from block to block."""

    latency = 0

    def __init__(self, settings: SaturatorSettings, sample_rate: int, channels: int) -> None:
        self.settings = settings
        self.pole = 1 - 2 * pi * DC_BLOCK_HZ / sample_rate
        self.tone = butter(4, settings.tone_hz, fs=sample_rate, output="sos")
        self.dc_state = np.zeros((channels, 1))
        self.tone_state = np.zeros((len(self.tone), channels, 2))

    def process(self, block: Array) -> Array:
        """The next output for the next input, both float32 [channels, frames]."""
        if block.shape[1] == 0:
            return block.copy()
        own = self.settings
        wet = np.tanh(own.drive * block.astype(np.float64) + own.asymmetry) - np.tanh(own.asymmetry)
        wet, self.dc_state = lfilter([1, -1], [1, -self.pole], wet, zi=self.dc_state)
        wet, self.tone_state = sosfilt(self.tone, wet, zi=self.tone_state)
        scaled: Array = (own.output_gain * wet).astype(np.float32)
        return scaled
