"""The three questions of whoever let fxd run for weeks, each answered in one sentence with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from fxd.insight.hints import counted
from fxd.insight.plain import short_id
from fxd.insight.report.logbook import Logbook
from fxd.insight.report.material import FileRow, Material
from fxd.insight.report.shift import Shift, paired, same_sounds, unpaired
from fxd.insight.report.traits import Trait
from fxd.insight.report.traits import told as told_trait
from fxd.insight.stats import Summary, summarise
from fxd.insight.stats_table import figure
from fxd.store.records import Promotion

Tone = Literal["good", "fair", "poor", "unknown"]

GOOD_DB = -40.0
"""An error of a ten-thousandth of the energy. The best published median of networks that imitate amplifiers
is -24.8 dB (Neural Amp Modeler), and fxd's own saturator differs by -33 to -66 dB from itself at another sample
rate where it is not oversampled."""
POOR_DB = -25.0
"""That published median."""
FEW = 5
"""Files or runs with which nothing is compared."""
FEWEST_PAIRS = 8
SLOWER, FASTER = 0.95, 1.05
"""A ratio of speeds between these is none that matters."""


@dataclass(frozen=True)
class Sentence:
    """An answer."""

    question: str
    text: str
    tone: Tone


def verdict(
    log: Logbook,
    material: Material,
    worst: Sequence[FileRow],
    hardest: Trait | None,
    promotions: Sequence[Promotion],
    failed: int,
) -> tuple[Sentence, Sentence, Sentence]:
    return (
        good_enough(log, material),
        fails_on(log, material, worst, hardest, failed),
        better_or_slower(log, promotions),
    )


def good_enough(log: Logbook, material: Material) -> Sentence:
    question = "Is it good enough?"
    new = log.new[material.rows]
    values = log.esr_db[material.rows]
    if not len(material):
        return Sentence(question, "No run compares the two engines yet, so nobody can tell.", "unknown")
    known_only = not new.any()
    summary = summarise((values if known_only else values[new]).tolist())
    tone = tone_of(summary)
    answer = {"good": "Yes", "fair": "Nearly", "poor": "No", "unknown": "Too early to tell"}[tone]
    which = counted(summary.n, "file") + (
        ", all of which its model was trained on or may have been,"
        if known_only
        else " that its model never heard"
    )
    text = (
        f"{answer}: the error of the imitation is {db(summary.median)} in the median of {which}"
        f"{interval(summary)}; below {db(GOOD_DB)}, a ten-thousandth of the energy, counts as good."
    )
    return Sentence(question, text, "fair" if known_only and tone == "good" else tone)


def tone_of(summary: Summary) -> Tone:
    if summary.n < FEW or summary.median is None:
        return "unknown"
    if summary.median <= GOOD_DB:
        return "good"
    return "fair" if summary.median <= POOR_DB else "poor"


def fails_on(
    log: Logbook, material: Material, worst: Sequence[FileRow], hardest: Trait | None, failed: int
) -> Sentence:
    question = "On which material does it fail?"
    unprocessed = f"; {counted(failed, 'file')} could not be processed at all" if failed else ""
    material_told = f"; {told_trait(hardest)}" if hardest else ""
    if not worst:
        return Sentence(question, f"Nothing was compared yet{unprocessed}.", "unknown")
    beyond = int((log.esr_db[material.rows] > GOOD_DB).sum())
    first = worst[0]
    named = f"{first.file} with {db(first.esr_db)}"
    if not beyond:
        text = f"On none of {counted(len(material), 'file')}: the worst is {named}"
        return Sentence(question, f"{text}{material_told}{unprocessed}.", "good")
    share = beyond / len(material)
    text = (
        f"{counted(beyond, 'file')} of {len(material):,} ({percent(share)}) "
        f"{'is' if beyond == 1 else 'are'} worse than {db(GOOD_DB)}, and the worst is {named}"
    )
    return Sentence(question, f"{text}{material_told}{unprocessed}.", "poor" if share > 0.5 else "fair")


def better_or_slower(log: Logbook, promotions: Sequence[Promotion]) -> Sentence:
    question = "Did it get better, or slower?"
    since = turning_point(log, promotions)
    if since is None:
        few = counted(len(log), "run")
        return Sentence(question, f"{few} cannot tell yet: it takes {2 * FEW} at different times.", "unknown")
    moment, why = since
    error, pace = error_shift(log, moment), speed_shift(log, moment)
    parts = [told_error(error), told_speed(pace)]
    tone: Tone = "good"
    if error is not None and error.low > 0:
        tone = "poor"
    elif pace is not None and math.exp(pace.high) < SLOWER:
        tone = "fair"
    elif error is None and pace is None:
        tone = "unknown"
    return Sentence(question, f"{why}, {' and '.join(parts)}.", tone)


def turning_point(log: Logbook, promotions: Sequence[Promotion]) -> tuple[datetime, str] | None:
    """Since when things are compared: the last promotion with enough runs on either side, else the middle."""
    for promotion in promotions:
        row = int(np.searchsorted(log.at, promotion.at.timestamp()))
        if FEW <= row <= len(log) - FEW:
            day = f"{promotion.at.astimezone():%-d %B %Y}"
            return promotion.at, f"Since {short_id(promotion.model_id)} serves ({day})"
    middle = len(log) // 2
    if middle < FEW or log.at[0] == log.at[middle]:
        return None
    return log.time(
        middle
    ), f"In the newer half of the runs (from {log.time(middle).astimezone():%-d %B %Y on})"


def error_shift(log: Logbook, since: datetime) -> Shift | None:
    """Of the error in dB: of the same sounds where enough of them came again, else of whatever came."""
    compared = np.isfinite(log.esr_db)
    after = log.at >= since.timestamp()
    pairs = paired(log, log.esr_db, np.flatnonzero(compared & ~after), np.flatnonzero(compared & after))
    if len(pairs) >= FEWEST_PAIRS:
        return same_sounds(pairs)
    return unpaired(log.esr_db, compared & ~after & log.new, compared & after & log.new, FEW)


def speed_shift(log: Logbook, since: datetime) -> Shift | None:
    """Of the logarithm of the network's speed, on the machine of the newest run."""
    if log.machine is None:
        return None
    x = log.x_realtime["tcn"]
    known, after = log.on(log.machine) & np.isfinite(x), log.at >= since.timestamp()
    with np.errstate(invalid="ignore"):
        return unpaired(np.log(x), known & ~after, known & after, FEW)


def told_error(shift: Shift | None) -> str:
    if shift is None:
        return "too few files were compared to tell whether it got better"
    on = f"on the same {shift.after} sounds" if shift.paired else "on other files than before"
    if shift.low == shift.high == 0:
        return f"the error is exactly the same ({on})"
    where = f"(95 % interval {shift.low:+.1f} to {shift.high:+.1f}, {on})"
    if shift.low <= 0 <= shift.high:
        return f"the error is the same within what can be told: {signed(shift.difference)} dB {where}"
    word = "lower" if shift.difference < 0 else "higher"
    return f"the error is {abs(shift.difference):.1f} dB {word} {where}"


def told_speed(shift: Shift | None) -> str:
    if shift is None:
        return "too few were timed on one machine to tell whether it got slower"
    ratio, low, high = (math.exp(value) for value in (shift.difference, shift.low, shift.high))
    where = f"({ratio:.2f} times as fast, {low:.2f} to {high:.2f})"
    if low > FASTER:
        return f"it got faster {where}"
    if high < SLOWER:
        return f"it got slower {where}"
    return f"the speed is about the same {where}"


def interval(summary: Summary) -> str:
    low, high = summary.ci95
    return "" if low is None or high is None else f" (95 % interval {low:.1f} to {high:.1f})"


def db(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} dB"


def signed(value: float) -> str:
    return f"{value:+.1f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{figure(100 * share)} %"
