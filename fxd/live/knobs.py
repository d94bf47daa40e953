"""The saturator's knobs while playing: drive, tone and output, a step at a time."""

from typing import Literal

from fxd.config import SaturatorSettings

Knob = Literal["drive", "tone_hz", "output_gain"]

STEP = 2 ** (1 / 12)
"""A semitone of the tone, half a decibel of drive and output."""
LIMITS: dict[Knob, tuple[float, float]] = {
    "drive": (0.1, 1000.0),
    "tone_hz": (20.0, 20_000.0),
    "output_gain": (0.001, 10.0),
}


def turned(settings: SaturatorSettings, knob: Knob, steps: int) -> SaturatorSettings:
    """The settings with a knob turned by so many steps, no further than it goes.

    >>> round(turned(SaturatorSettings(), "drive", 12).drive, 6)
    10.0
    >>> turned(SaturatorSettings(), "tone_hz", 1000).tone_hz
    20000.0
    """
    low, high = LIMITS[knob]
    value = getattr(settings, knob)
    # A value from config.toml may lie beyond; a knob never jumps back from there.
    low, high = min(low, value), max(high, value)
    return settings.model_copy(update={knob: min(max(value * STEP**steps, low), high)})
