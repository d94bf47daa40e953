"""Which of a device's channels are used."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ports:
    """How the device's frames are laid out: numbers for every input, of which some are listened to."""

    inputs: int
    first_input: int
    """From 0."""
    outputs: int
