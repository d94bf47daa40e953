"""The statistics as a person reads them, on 80 columns or more."""

import math
from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fxd.bootstrap import FEWEST
from fxd.insight.heard import Heard
from fxd.insight.lines import Shortened, stacked
from fxd.insight.plain import plain, short_id
from fxd.insight.sparkline import COURSE, sparkline
from fxd.insight.stats import (
    EVERY_SERIES,
    NO_RUNS,
    Series,
    Summary,
    result_json,
)
from fxd.insight.together import Together, together
from fxd.local_time import minute
from fxd.store.records import Run

NOTHING = "–"

MOST_FAILURES = 20
"""Failed runs whose reasons are told."""
WHOLE = ("n", "median", "std", "p95", "interval")
"""What is told of a measure where there is room."""
GAP = 2
"""Between two columns of a table."""
ROOM_FOR_ALL = 72
"""Columns; on fewer, what is least needed is left out, so that names and numbers stay whole."""
ROOM_FOR_WORDS = 96
"""Columns; on fewer, marks in words would leave names of files too little."""
LEAST_COURSE = 6
"""Columns that a course of values needs to say something."""


def print_stats(
    console: Console,
    runs: Sequence[Run],
    heard: Sequence[Heard] = (),
    series: Sequence[Series] = EVERY_SERIES,
    whole: Together | None = None,
) -> None:
    """Print the runs in the order given, why some of them failed, and what all of them say together.

    `heard` says of each run whether its model had trained on the sound; `whole` is what `runs` are the newest of.
    """
    if not runs:
        console.print(NO_RUNS, markup=False)
        return
    whole = whole or together(runs)
    words, narrow = console.width >= ROOM_FOR_WORDS, console.width < ROOM_FOR_ALL
    title = "Runs, newest first" if narrow else "Runs, newest first (x: times faster than real time)"
    print_section(console, title, runs_table(runs, heard, words, narrow))
    if (left := whole.done + whole.failed - len(runs)) > 0:
        console.print(
            f"and {left:,} older ones, which --csv and --json list\n",
            style="dim",
            markup=False,
            highlight=False,
        )
    if failed := [run for run in runs if run.state == "failed"]:
        print_section(console, "Failed", failures_table(failed[:MOST_FAILURES]))
        if (left := whole.failed - min(len(failed), MOST_FAILURES)) > 0:
            console.print(
                f"and {left:,} older ones, which --csv and --json list\n", style="dim", markup=False
            )
    if whole.done:
        told = " (interval: of the median, at 95 % confidence)" * (not narrow)
        title = f"Together, per engine and measure{told}"
        print_section(console, title, summary_table(console, whole, series))
    shown = [] if narrow else [whole.figures[engine][measure] for engine, measure in series]
    for note in [*intervals_told(shown), *marks_told(runs, heard, words)]:
        console.print(f"Note: {note}", style="dim", markup=False, highlight=False)


def intervals_told(summaries: Iterable[Summary]) -> list[str]:
    """Why some have no interval, where some have none for want of values."""
    if any(1 < one.n < FEWEST for one in summaries):
        return [f"fewer than {FEWEST} values have no interval: no range of theirs would be 95 % sure"]
    return []


def marks_told(runs: Sequence[Run], heard: Sequence[Heard], words: bool) -> list[str]:
    """What the marks behind the runs mean, where there are any."""
    said = []
    cold, known = ("cold", "heard") if words else ("c (cold)", "h (heard)")
    if any(run.warm_up for run in runs):
        counts = "not counted in timing"
        if all(run.warm_up for run in runs if run.state == "done"):
            counts = "counted in timing only as there is no other run"
        said.append(f"{cold}: the worker was new to this model or saturator; {counts}")
    if count := sum(one is Heard.YES for one in heard):
        what = "is of a sound that its model" if count == 1 else "are of sounds that their models"
        which = f"{count:,} of the {len(runs):,} runs listed" if len(runs) > 1 else "the run listed"
        said.append(f"{known}: {which} {what} had trained on; the error is lower there than on others")
    return said


def print_section(console: Console, title: str, table: Table) -> None:
    console.print(Text(title, style="bold"))
    console.print(table)
    console.print()


def runs_table(
    runs: Sequence[Run], heard: Sequence[Heard] = (), words: bool = True, narrow: bool = False
) -> Table:
    """A line for each run, with a column of marks where one of them has any: in words, else by their initials.

    A narrow one tells when, what and how close: 40 columns hold it.
    """
    known = heard or [Heard.UNKNOWN] * len(runs)
    marks = [mark(run, own, words) for run, own in zip(runs, known, strict=True)]
    table = new_table()
    table.add_column("finished", no_wrap=True)
    table.add_column("file")
    for heading in ("ESR dB",) if narrow else ("length", "dsp x", "tcn x", "ESR dB"):
        table.add_column(heading, justify="right", no_wrap=True)
    if not narrow:
        table.add_column("model", no_wrap=True)
    if any(marks):
        table.add_column("", no_wrap=True)
    styles = ["red" if run.state == "failed" else "" for run in runs]
    finished, files, *others = zip(*map(run_cells, runs), strict=True)
    others = [others[3]] if narrow else others
    if any(marks):
        others.append(tuple(marks))
    table.add_row(
        stacked(finished, styles),
        Shortened(*files, styles=styles),
        *(stacked(cells, styles) for cells in others),
    )
    return table


def mark(run: Run, heard: Heard, words: bool) -> str:
    """What keeps a run from being counted like the others, in a word or two, or in their initials."""
    found = ["cold"] * run.warm_up + ["heard"] * (heard is Heard.YES)
    return " ".join(found) if words else "".join(word[0] for word in found)


def run_cells(run: Run) -> tuple[str, ...]:
    results = {result.engine: result_json(result, run.seconds) for result in run.results}
    dsp, tcn = results.get("dsp", {}), results.get("tcn", {})
    model = short_id(plain(tcn["version"])) if tcn else NOTHING
    return (
        minute(run.finished_at),
        plain(run.file),
        length(run.seconds) if run.frames else NOTHING,
        figure(dsp.get("x_realtime")),
        figure(tcn.get("x_realtime")),
        decibels(run),
        "failed" if run.state == "failed" else model,
    )


def failures_table(failed: Sequence[Run]) -> Table:
    table = new_table()
    table.add_column("file", ratio=1, overflow="fold")
    table.add_column("reason", ratio=2, overflow="fold")
    for run in failed:
        table.add_row(Text(plain(run.file)), Text(plain(run.reason)))
    return table


def summary_table(console: Console, whole: Together, series: Sequence[Series]) -> Table:
    """A line for each engine and measure; 80 columns hold it. On a terminal with its course if there is room."""
    table = measures_table(whole, series, narrow=console.width < ROOM_FOR_ALL)
    if not draws_courses(console):
        return table
    room = min(COURSE, console.width - Measurement.get(console, console.options, table).maximum - GAP)
    return measures_table(whole, series, room) if room >= LEAST_COURSE else table


def draws_courses(console: Console) -> bool:
    """Whether it is a terminal, for a person, whose encoding has the blocks."""
    return console.is_terminal and not console.options.ascii_only


def measures_table(whole: Together, series: Sequence[Series], course: int = 0, narrow: bool = False) -> Table:
    table = new_table()
    table.add_column("", no_wrap=True)
    table.add_column("measure", no_wrap=True)
    for heading in WHOLE[:2] if narrow else WHOLE:
        table.add_column(heading, justify="right", no_wrap=True)
    if course:
        table.add_column("course", justify="right", no_wrap=True)
    for engine, measures in whole.figures.items():
        lines = []
        for measure, summary in measures.items():
            if (engine, measure) in series:
                line = [sparkline(whole.courses[engine, measure], course)] if course else []
                cells = summary_cells(summary)
                lines.append([engine, measure, *(cells[:2] if narrow else cells), *line])
        if lines:
            table.add_row(*(stacked(cells) for cells in zip(*lines, strict=True)))
        table.add_section()
    return table


def summary_cells(summary: Summary) -> list[str]:
    interval = " to ".join(map(figure, summary.interval)) if summary.interval else NOTHING
    return [str(summary.n), figure(summary.median), figure(summary.std), figure(summary.p95), interval]


def new_table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def length(seconds: float) -> str:
    """Minutes and seconds, with hours where there are any.

    >>> length(5.04), length(83.96), length(3600)
    ('0:05.0', '1:24.0', '1:00:00')
    """
    tenths = round(seconds * 10)
    minutes, tenths = divmod(tenths, 600)
    if minutes < 60:
        return f"{minutes}:{tenths / 10:04.1f}"
    return f"{minutes // 60}:{minutes % 60:02}:{tenths // 10:02}"


def decibels(run: Run) -> str:
    """The error of the tcn; minus infinity where there was none at all."""
    quality = next((result.quality for result in run.results if result.quality is not None), None)
    if quality is None or math.isnan(quality.esr_db):
        return NOTHING
    return f"{quality.esr_db:.1f}".replace("inf", "∞")


def figure(value: float | None) -> str:
    """Three significant digits, or all before the point, in at most nine characters.

    >>> figure(0.0123456), figure(-35.216), figure(154499.6), figure(1764044), figure(0.0), figure(None)
    ('0.0123', '-35.2', '154,500', '1.76M', '0', '–')
    >>> figure(999.4), figure(999.7), figure(999_999.7), figure(999_990_000), figure(2e12)
    ('999', '1,000', '1M', '1G', '2,000G')
    """
    if value is None:
        return NOTHING
    for unit, symbol, least in ((1e9, "G", 999.5e6), (1e6, "M", 999_999.5)):
        if abs(value) >= least:
            return f"{short(value / unit)}{symbol}"
    return short(value)


def short(value: float) -> str:
    """Three significant digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
