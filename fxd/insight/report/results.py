"""Whether a file of the outbox is still what its run made: then it may be played as that run's."""

from __future__ import annotations

import math
import stat
from pathlib import Path

import numpy as np

from fxd.audio import AudioError, open_reader
from fxd.store.records import Result, Run
from fxd.store.store import Store

BLOCK = 65_536
STEP = 2.0**-15
"""Of 16 bits."""
ALIKE_LU = 0.1


def is_made_by(store: Store, run: Run, result: Result, output: Path) -> bool:
    try:
        found = output.lstat()
    except (OSError, ValueError):
        return False
    # fxd makes no links: where one leads is none of its results, even if it is as large.
    return stat.S_ISREG(found.st_mode) and store.maker_of(result.output, found.st_size) == run.id


def sounds_as_made(result: Result, output: Path) -> bool:
    """Whether the file's peak is what the run measured, and its loudness where clipping has levelled the peak.

    Reads all of it. Another sound that is as large in bytes hardly ever has the same peak to one step of 16 bits.
    """
    from fxd.loudness import Loudness

    peak = 0.0
    try:
        with open_reader(output) as reader:
            loudness = Loudness(reader.sample_rate, reader.channels)
            for block in reader.blocks(BLOCK):
                peak = max(peak, float(np.abs(block).max()))
                if result.clipped_frames:
                    loudness.update(block)
    except (AudioError, OSError):
        return False
    if not result.clipped_frames:
        return abs(peak - 10 ** (result.peak_dbfs / 20)) <= 1.5 * STEP + 1e-4 * peak
    # What was measured before it was clipped may be a little louder.
    measured = loudness.result()
    return not math.isfinite(measured) or measured - ALIKE_LU <= result.loudness_lufs <= measured + 3
