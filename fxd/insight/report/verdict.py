"""The three questions of whoever let fxd run for weeks, each answered in one sentence with its numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fxd.bootstrap import FEWEST
from fxd.insight.comparing import LEVEL, chance
from fxd.insight.hints import counted
from fxd.insight.plain import short_id
from fxd.insight.report.logbook import Floats, Logbook, Rows
from fxd.insight.report.material import FileRow, Material
from fxd.insight.report.shift import Shift
from fxd.insight.report.then_and_now import (
    FEW,
    SLOWER,
    error_shift,
    error_turn,
    speed_shift,
    speed_turn,
    told_error,
    told_speed,
)
from fxd.insight.report.traits import Trait
from fxd.insight.report.traits import told as told_trait
from fxd.insight.report.trend import Mark
from fxd.insight.stats import Summary, summarise
from fxd.insight.stats_table import figure

Tone = Literal["good", "fair", "poor", "unknown"]

GOOD_DB = -40.0
"""An error of a ten-thousandth of the energy. The best published median of networks that imitate amplifiers
is -24.8 dB (Neural Amp Modeler), and fxd's own saturator differs by -33 to -66 dB from itself at another sample
rate where it is not oversampled."""
POOR_DB = -25.0
"""That published median."""


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
    marks: Sequence[Mark],
    failed: int,
) -> tuple[Sentence, Sentence, Sentence]:
    return (
        good_enough(log, material),
        fails_on(log, material, worst, hardest, failed),
        better_or_slower(log, marks),
    )


def good_enough(log: Logbook, material: Material) -> Sentence:
    question = "Is it good enough?"
    if not len(material):
        return Sentence(question, "No run compares the two engines yet, so nobody can tell.", "unknown")
    rows = material.rows
    now = rows[log.as_now[rows]]
    judges = int(log.new[now].sum())
    if len(now) < len(rows) and judges < FEWEST:
        return Sentence(question, too_early(log, rows, judges), "unknown")
    known_only = not judges
    values = log.esr_db[now if known_only else now[log.new[now]]]
    summary = summarise(values.tolist())
    tone, doubt = tone_of(summary), doubt_of(summary, values - GOOD_DB)
    answer = {"good": "Probably" if doubt else "Yes", "fair": "Nearly", "poor": "No"}.get(
        tone, "Too early to tell"
    )
    which = counted(summary.n, "file") + (
        ", all of which its model was trained on or may have been, which flatters it,"
        if known_only
        else " that its model never heard"
    )
    text = (
        f"{answer}: the error of the imitation is {db(summary.median)} in the median of {which}"
        f"{interval(summary)}; below {GOOD_DB:.0f} dB, a ten-thousandth of the energy, counts as good{doubt}."
    )
    return Sentence(question, text, "fair" if tone == "good" and (known_only or doubt) else tone)


def too_early(log: Logbook, rows: Rows, judges: int) -> str:
    """What can be said of `rows` where other models or settings made most of them; `judges` are the new ones."""
    name = short_id(log.models[log.model[np.flatnonzero(log.as_now)[-1]]])
    before = rows[~log.as_now[rows]]
    new = before[log.new[before]]
    summary = summarise(log.esr_db[new if len(new) else before].tolist())
    which = counted(summary.n, "file") + " that their models never heard" * bool(len(new))
    return (
        f"Too early to tell: by model {name}, as it serves now, {counted(judges, 'file')} that it never heard "
        f"came out, and it takes {FEWEST}; before, the error of the imitation was {db(summary.median)} "
        f"in the median of {which}{interval(summary)}."
    )


def tone_of(summary: Summary) -> Tone:
    if summary.n < FEWEST or summary.median is None:
        return "unknown"
    if summary.median <= GOOD_DB:
        return "good"
    return "fair" if summary.median <= POOR_DB else "poor"


def doubt_of(summary: Summary, above: Floats) -> str:
    """What leaves it open on which side of GOOD_DB the median is; `above` are the errors less that, [files]."""
    if summary.median is None or summary.interval is None:
        return ""
    low, high = summary.interval
    if summary.median <= GOOD_DB < high:
        return f"; that is not certain, as the interval reaches above {GOOD_DB:.0f} dB"
    if low <= GOOD_DB < summary.median:
        return f"; it may be good, as the interval reaches below {GOOD_DB:.0f} dB"
    if chance(above) > LEVEL:
        side = "below" if summary.median <= GOOD_DB else "above"
        return f"; that is not certain, as of so few files as many would be {side} by chance"
    return ""


def fails_on(
    log: Logbook, material: Material, worst: Sequence[FileRow], hardest: Trait | None, failed: int
) -> Sentence:
    question = "On which material does it fail?"
    unprocessed = f"; {counted(failed, 'run')} failed" if failed else ""
    material_told = f"; {told_trait(hardest)}" if hardest else ""
    if not worst:
        return Sentence(question, f"Nothing was compared yet{unprocessed}.", "unknown")
    beyond = int((log.esr_db[material.rows] > GOOD_DB).sum())
    first = worst[0]
    named = f"“{first.file}” with {db(first.esr_db)}"
    if not beyond:
        text = f"On none of {counted(len(material), 'file')}: the worst is {named}"
        return Sentence(question, f"{text}{material_told}{unprocessed}.", "good")
    share = beyond / len(material)
    text = (
        f"{counted(beyond, 'file')} of {len(material):,} ({percent(share)}) "
        f"{'is' if beyond == 1 else 'are'} worse than {GOOD_DB:.0f} dB, and the worst is {named}"
    )
    return Sentence(question, f"{text}{material_told}{unprocessed}.", "poor" if share > 0.5 else "fair")


def better_or_slower(log: Logbook, marks: Sequence[Mark]) -> Sentence:
    question = "Did it get better, or slower?"
    turn = error_turn(log, marks)
    if turn is None:
        few = counted(len(log), "run")
        return Sentence(question, f"{few} cannot tell yet: it takes {2 * FEW} at different times.", "unknown")
    error, changed = error_shift(log, turn), speed_turn(log, marks)
    at, pace = changed or (turn, speed_shift(log, turn))
    text = f"{turn.said}, {told_error(error)}"
    text += f", and {told_speed(pace)}" if at == turn else f"; {at.said}, {told_speed(pace)}"
    tone = tone_of_shifts(error, pace)
    if turn.end < len(log):
        left = counted(len(log) - turn.end, "run")
        text += f"; what came after that has {left}, too few to tell"
        tone = "fair" if tone == "good" else tone
    return Sentence(question, f"{text[0].upper()}{text[1:]}.", tone)


def tone_of_shifts(error: Shift | None, pace: Shift | None) -> Tone:
    if error is None and pace is None:
        return "unknown"
    if error is not None and error.low > 0:
        return "poor"
    return "fair" if pace is not None and math.exp(pace.high) < SLOWER else "good"


def interval(summary: Summary) -> str:
    return " (95 % interval {:.1f} to {:.1f})".format(*summary.interval) if summary.interval else ""


def db(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f} dB"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %" if share >= 0.01 else f"{figure(100 * share)} %"
