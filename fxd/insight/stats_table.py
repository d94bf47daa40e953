"""The statistics as a person reads them, on 80 columns or more."""

import math
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fxd.insight.stats import NO_RUNS, Summary, result_json, summaries
from fxd.store.records import Run

NOTHING = "–"
ELLIPSIS = "…"


def print_stats(console: Console, runs: Sequence[Run]) -> None:
    """Print the runs in the order given, why some of them failed, and what all of them say together."""
    if not runs:
        console.print(NO_RUNS, markup=False)
        return
    print_section(console, "Runs, newest first (x: times faster than real time)", runs_table(runs))
    if failed := [run for run in runs if run.state == "failed"]:
        print_section(console, "Failed", failures_table(failed))
    if len(failed) < len(runs):
        title = "Together, per engine and measure (interval: of the median, at 95 % confidence)"
        print_section(console, title, summary_table(runs))


def print_section(console: Console, title: str, table: Table) -> None:
    console.print(Text(title, style="bold"))
    console.print(table)
    console.print()


class Shortened:
    """Text that gives way where the table is too wide, and loses its middle then.

    The end says more about a file than the middle does.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shorten(self.text, options.max_width), no_wrap=True)

    def __rich_measure__(self, _console: Console, _options: ConsoleOptions) -> Measurement:
        width = cell_len(self.text)
        return Measurement(min(width, 8), width)


def runs_table(runs: Sequence[Run]) -> Table:
    """A line for each run."""
    table = new_table()
    table.add_column("finished", no_wrap=True)
    table.add_column("file")
    for heading in ("length", "dsp x", "tcn x", "ESR dB"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("model", no_wrap=True)
    for run in runs:
        table.add_row(*run_cells(run), style="red" if run.state == "failed" else "")
    return table


def run_cells(run: Run) -> list[RenderableType]:
    results = {result.engine: result_json(result, run.seconds) for result in run.results}
    dsp, tcn = results.get("dsp", {}), results.get("tcn", {})
    model = short_id(plain(tcn["version"])) if tcn else NOTHING
    return [
        run.finished_at.astimezone().strftime("%Y-%m-%d %H:%M"),
        Shortened(plain(run.file)),
        length(run.seconds) if run.frames else NOTHING,
        figure(dsp.get("x_realtime")),
        figure(tcn.get("x_realtime")),
        decibels(run),
        Text("failed" if run.state == "failed" else model),
    ]


def short_id(model_id: str) -> str:
    """A model's id without its date and time: enough to tell models apart, and `fxd models show` takes it.

    >>> short_id("20261124-031502-compact-ab12")
    'compact-ab12'
    """
    return model_id.split("-", 2)[-1]


def failures_table(failed: Sequence[Run]) -> Table:
    table = new_table()
    table.add_column("file", ratio=1, overflow="fold")
    table.add_column("reason", ratio=2, overflow="fold")
    for run in failed:
        table.add_row(Text(plain(run.file)), Text(plain(run.reason)))
    return table


def summary_table(runs: Sequence[Run]) -> Table:
    """A line for each engine and measure; 80 columns hold it."""
    table = new_table()
    table.add_column("", no_wrap=True)
    table.add_column("measure", no_wrap=True)
    for heading in ("n", "median", "std", "p95", "interval"):
        table.add_column(heading, justify="right", no_wrap=True)
    for engine, measures in summaries(runs).items():
        for measure, summary in measures.items():
            table.add_row(engine, measure, *summary_cells(summary))
        table.add_section()
    return table


def summary_cells(summary: Summary) -> list[str]:
    low, high = summary.ci95
    interval = NOTHING if low is None else f"{figure(low)} to {figure(high)}"
    return [str(summary.n), figure(summary.median), figure(summary.std), figure(summary.p95), interval]


def new_table() -> Table:
    return Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))


def plain(text: str) -> str:
    r"""The text in one line, with everything that could steer a terminal written out.

    >>> plain("a\x1b[31m\n")
    'a\\x1b[31m\\x0a'
    """
    return "".join(character if character.isprintable() else escape(ord(character)) for character in text)


def escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def shorten(text: str, width: int) -> str:
    """The text in at most `width` terminal cells; what is too long loses its middle.

    >>> shorten("session/drums/take 12.wav", 16)
    'session…e 12.wav'
    """
    if cell_len(text) <= width:
        return text
    room = width - cell_len(ELLIPSIS)
    tail = fitting(text[::-1], room - room // 2)[::-1]
    return fitting(text, room - cell_len(tail)) + ELLIPSIS + tail


def fitting(text: str, width: int) -> str:
    """As much of the beginning as `width` cells hold; a wide character takes two."""
    used = 0
    for position, character in enumerate(text):
        used += cell_len(character)
        if used > width:
            return text[:position]
    return text


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
    """
    if value is None:
        return NOTHING
    for unit, symbol in ((1e9, "G"), (1e6, "M")):
        if abs(value) >= unit:
            return f"{value / unit:.3g}{symbol}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
