"""The axes of a report's pictures: their ticks, their legend, and what happened at some moment of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from fxd.insight.report.svg import DIFFERENCE, DSP, MUTED, TCN
from fxd.insight.report.trend import Mark
from fxd.local_time import minute

FIRST_DAY, LAST_DAY = datetime(1, 1, 5, tzinfo=UTC), datetime(9999, 12, 27, tzinfo=UTC)
ROOM_FOR_NUMBER = 0.025
"""Of the width of the axes."""
MARK_COLOURS = {"promotion": TCN, "change": DIFFERENCE, "settings": DSP, "environment": MUTED}


def few_ticks(axis: Any, low: float, high: float) -> None:
    """On a logarithmic axis: also between the powers of ten, where there are few of them."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 100 else (1.0,), numticks=9))
    axis.set_minor_locator(NullLocator())


def time_axis(axes: Any) -> None:
    from dateutil.tz import tzlocal
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num

    here: tzinfo = tzlocal()  # summer time where a run was in summer
    # A wrong clock can have stamped a run with the year 1 or 9999: ticks and margins beside it have no date.
    low, high = axes.get_xlim()
    first, last = date2num(FIRST_DAY), date2num(LAST_DAY)
    if low <= first or high >= last:
        axes.set_xlim(max(low, first), min(high, last))
        here = UTC
    # With one less there are spans, 60 to 72 hours among them, for which it knows no step, and warns.
    locator = AutoDateLocator(tz=here, minticks=3, maxticks=7)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(
        ConciseDateFormatter(
            locator,
            tz=here,
            # Each tick by itself: a bare 15 beside a later Nov is easily taken for one of November.
            formats=["%Y", "%b", "%-d %b", "%H:%M", "%H:%M", "%S.%f"],
            zero_formats=["", "%b", "%-d %b", "%-d %b", "%H:%M", "%H:%M"],
            offset_formats=["", "%Y", "%Y", "%-d %B %Y", "%-d %B %Y", "%-d %B %Y %H:%M"],
        )
    )


def draw_marks(axes: Any, marks: Sequence[Mark], of: str, titles: dict[str, list[str]]) -> None:
    """A line for each thing that happened to what is drawn, numbered as in the list below the pictures."""
    from matplotlib.dates import date2num

    shown = {number: mark for number, mark in enumerate(marks, 1) if mark.of in ("", of)}
    if not shown:
        return
    times = date2num([mark.at for mark in shown.values()])
    colours = [MARK_COLOURS[mark.kind] for mark in shown.values()]
    for time, colour in zip(times, colours, strict=True):
        axes.axvline(time, color=colour, linewidth=1, linestyle=(0, (3, 3)))
    bottom = axes.get_xaxis_transform()
    axes.scatter(
        times,
        [0] * len(times),
        marker="^",
        s=46,
        color=colours,
        transform=bottom,
        clip_on=False,
        zorder=4,
        gid="marks",
    )
    titles["marks"] = [f"{number}: {mark.text}, {minute(mark.at)}" for number, mark in shown.items()]
    low, high = axes.get_xlim()
    for time, text in numbered(list(shown), times, ROOM_FOR_NUMBER * (high - low)):
        axes.annotate(
            text,
            (time, 1),
            xycoords=bottom,
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            va="bottom",
            fontsize=8,
        )


def numbered(numbers: Sequence[int], times: Sequence[float], room: float) -> list[tuple[float, str]]:
    """Where numbers stand above an axis: those that would cover each other as one text over the first of them.

    >>> numbered([1, 2, 4, 5], [0.0, 10.0, 10.4, 20.0], room=1.0)
    [(0.0, '1'), (10.0, '2, 4'), (20.0, '5')]
    >>> numbered([1, 2, 3, 4], [0.0, 0.5, 0.9, 1.2], room=1.0)
    [(0.0, '1–4')]
    """
    groups: list[tuple[float, list[int]]] = []
    end = -math.inf
    for number, time in zip(numbers, times, strict=True):
        if time < end:
            groups[-1][1].append(number)
        else:
            groups.append((time, [number]))
        # A second number makes the text about twice as wide.
        end = groups[-1][0] + room * (1 if len(groups[-1][1]) == 1 else 2)
    return [
        (time, ", ".join(map(str, group)) if len(group) < 3 else f"{group[0]}–{group[-1]}")
        for time, group in groups
    ]


def legend_above(axes: Any) -> None:
    """Where no mark can be."""
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=9, borderaxespad=0.2)


def whole_numbers(axes: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))


def kilo(value: float, _position: int | None = None) -> str:
    """A label of an axis, short enough for a picture on a phone.

    >>> kilo(500), kilo(2000), kilo(20000)
    ('500', '2k', '20k')
    """
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"
