"""Did it get better, or slower? The runs since something happened, against those from what happened before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

import numpy as np

from fxd.insight.report.logbook import Logbook, Mask
from fxd.insight.report.shift import Shift, paired, same_sounds, unpaired
from fxd.insight.report.trend import Mark
from fxd.insight.verdicts import ratio as told_ratio
from fxd.local_time import day_in_words

FEW = 5
"""Runs with which nothing is compared."""
FEWEST_PAIRS = 8
SLOWER, FASTER = 0.95, 1.05
"""A ratio of speeds between these is none that matters."""
SURE = 99.0
"""Percent of the interval of a change of speed: every mark is looked at."""


@dataclass(frozen=True)
class Turn:
    """A moment between two stretches of runs that are compared: [begin, at) and [at, end), as rows."""

    begin: int
    at: int
    end: int
    said: str
    """As in "since ..., the error is lower"."""

    def sides(self, log: Logbook) -> tuple[Mask, Mask]:
        """The rows before and after."""
        rows = np.arange(len(log))
        return (rows >= self.begin) & (rows < self.at), (rows >= self.at) & (rows < self.end)


def turns(log: Logbook, marks: Sequence[Mark]) -> list[Turn]:
    """A turn for each moment with marks, with enough runs on either side up to the next ones; newest first."""
    at: dict[int, list[Mark]] = {}
    for mark in marks:
        at.setdefault(int(np.searchsorted(log.at, mark.at.timestamp())), []).append(mark)
    edges = list(pairwise([0, *at, len(log)]))
    found = [
        Turn(begin, row, end, since(there, log.time(end) if end < len(log) else None))
        for (row, there), (begin, _), (_, end) in zip(at.items(), edges[:-1], edges[1:], strict=True)
        if row - begin >= FEW and end - row >= FEW
    ]
    return found[::-1]


def since(marks: Sequence[Mark], until: datetime | None = None) -> str:
    """What happened between two runs, in the order of time: of each kind the last, as it is what holds.

    `until` something else did.
    """
    lasting = {mark.kind: mark.text.partition(": ")[0] for mark in marks}
    ended = f" until {day_in_words(until)}" if until else ""
    return f"since {' and '.join(lasting.values())} ({day_in_words(marks[-1].at)}{ended})"


def middle(log: Logbook) -> Turn | None:
    """The newer half against the older one; None where these are too few, or of one moment."""
    half = len(log) // 2
    if half < FEW or log.at[0] == log.at[half]:
        return None
    day = day_in_words(log.time(half))
    return Turn(0, half, len(log), f"in the newer half of the runs (from {day} on)")


def error_turn(log: Logbook, marks: Sequence[Mark]) -> Turn | None:
    """Where the error is compared: the last time that another model or another saturator served."""
    decisive = [mark for mark in marks if mark.kind in ("promotion", "settings")]
    return next(iter(turns(log, decisive)), None) or middle(log)


def error_shift(log: Logbook, turn: Turn) -> Shift | None:
    """Of the error in dB: of the same sounds where enough of them came again, else of whatever came.

    Sounds that a model may have trained on are left out: it would look better than it is.
    """
    before, after = (side & log.new & np.isfinite(log.esr_db) for side in turn.sides(log))
    pairs = paired(log, log.esr_db, np.flatnonzero(before), np.flatnonzero(after))
    if len(pairs) >= FEWEST_PAIRS:
        return same_sounds(pairs)
    return unpaired(log.esr_db, log.once(before), log.once(after), FEW)


def speed_shift(log: Logbook, turn: Turn, sure: float = 95.0) -> Shift | None:
    """Of the logarithm of the network's speed, on the machine of the newest run."""
    if log.machine is None:
        return None
    x = log.x_realtime["tcn"]
    before, after = (side & log.on(log.machine) & np.isfinite(x) for side in turn.sides(log))
    return unpaired(np.log(x), before, after, FEW, sure)


def speed_turn(log: Logbook, marks: Sequence[Mark]) -> tuple[Turn, Shift] | None:
    """The newest mark with which the network surely became faster or slower; None where none did."""
    for turn in turns(log, [mark for mark in marks if mark.kind != "change"]):
        shift = speed_shift(log, turn, SURE)
        if shift is not None and (math.exp(shift.high) < SLOWER or math.exp(shift.low) > FASTER):
            return turn, shift
    return None


def told_error(shift: Shift | None) -> str:
    if shift is None:
        return "too few files that their model never heard were compared to tell whether it got better"
    on = f"on the same {shift.after:,} sounds" if shift.paired else "on other files than before"
    if shift.low == shift.high == 0:
        return f"the error is exactly the same ({on})"
    where = f"(95 % interval {shift.low:+.1f} to {shift.high:+.1f}, {on})"
    if shift.low <= 0 <= shift.high:
        return f"the error is the same within what can be told: {shift.difference:+.1f} dB {where}"
    word = "lower" if shift.difference < 0 else "higher"
    return f"the error is {abs(shift.difference):.1f} dB {word} {where}"


def told_speed(shift: Shift | None) -> str:
    if shift is None:
        return "too few were timed on one machine to tell whether it got slower"
    ratio, low, high = (math.exp(value) for value in (shift.difference, shift.low, shift.high))
    where = f"({told_ratio(ratio)} times as fast, {told_ratio(low)} to {told_ratio(high)})"
    if low > FASTER:
        return f"the network is faster {where}"
    if high < SLOWER:
        return f"the network is slower {where}"
    if low >= SLOWER and high <= FASTER:
        return f"the speed is about the same {where}"
    if low <= 1 <= high:
        return f"the speed is the same within what can be told {where}"
    return f"the network is {'faster' if ratio > 1 else 'slower'}, by how much is open {where}"
