"""The board: the memory that the callback and whoever steers it share, and what stands where in it.

Words are 64-bit integers, [BOARD]; the meters are floats of 64 bits, [METERS]. A request is made by writing what
is wanted and counting ASKED up; the callback has taken it once DONE is as far.
"""

from enum import IntEnum

LANES = 4
CAPACITY = 4096
"""Frames that are worked on at once; a longer block is cut."""
BINS = 5001
"""Of the load's histogram, a thousandth of the block's own time each; what is beyond stands in the last."""


class Cell(IntEnum):
    """The words of the board, all that the callback knows."""

    # What it is told once.
    CHANNELS = 0
    SAMPLE_RATE = 1
    INPUTS = 2
    FIRST_INPUT = 3
    OUTPUTS = 4
    CLOCK = 5
    CLOCK_ID = 6
    TICKS = 7
    DRY = 8
    HEARD = 9
    WET = 10
    LINES = 11
    LONGEST = 12
    FADE = 13
    FADE_FRAMES = 14
    HISTOGRAM = 15
    METERS = 16
    RING = 17
    RING_FRAMES = 18
    # A request, which is made by counting ASKED up, and done once DONE is as far.
    ASKED = 20
    WANTED_ON = 21
    WANTED_NEXT = 22
    WANTED_AFTER = 23
    WANTED_THEN = 24
    DONE = 25
    # Where it is.
    TAKEN = 30
    ON = 31
    NOW = 32
    NEXT = 33
    WAIT = 34
    FADED = 35
    # What it counts.
    CALLS = 40
    FRAMES = 41
    FAULTS = 42
    BAD = 43
    CLIPPED = 44
    LATE = 45
    BLOCK = 46
    # The ring: frames that were written and read so far, and those for which there was no room.
    RECORDING = 50
    WRITTEN = 51
    READ = 52
    LOST = 53
    # Room for what the clock writes.
    TIME = 60
    # Four words for each lane: RENDER, STATE, DELAY, and one that is free.
    LANE = 64


LANE_CELLS = 4
RENDER, STATE, DELAY = range(3)
BOARD = Cell.LANE + LANES * LANE_CELLS


class Meter(IntEnum):
    """The numbers of the meters."""

    INPUT_PEAK = 0
    OUTPUT_PEAK = 1
    WORST = 2
    GAIN = 8
    """One for each lane, as the next ones."""
    DRY_ENERGY = GAIN + LANES
    WET_ENERGY = DRY_ENERGY + LANES
    HEARD_SECONDS = WET_ENERGY + LANES


METERS = Meter.HEARD_SECONDS + LANES
