"""What a person sees while playing: one calm screen that redraws in place; without a terminal, lines."""

import math
import time
from contextlib import suppress

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fxd.live.desk import Load
from fxd.live.session import View

REDRAWS = 10
"""A second."""
LINE_SECONDS = 10.0
LEAST_DBFS = -60.0
METER_WIDTH = 40
LOUD_DBFS = -6.0
KEYS = "1 dsp  2 tcn  3 bypass  space back   q/a drive  w/s tone  e/d output  r as configured   x end"


class Screen:
    """Shows views until it is closed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self.shown = -math.inf
        if self.live is not None:
            self.live.start()

    def show(self, view: View) -> None:
        """Show a view, if it is time for the next one. Raises OSError where nobody can see it any more."""
        now = time.monotonic()
        if now - self.shown < (LINE_SECONDS if self.live is None else 1 / REDRAWS):
            return
        self.shown = now
        if self.live is None:
            print(line(view), flush=True)
        else:
            self.live.update(picture(view), refresh=True)

    def close(self) -> None:
        if self.live is not None:
            with suppress(OSError):  # the terminal was closed
                self.live.stop()


def picture(view: View) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    table.add_row("hear", heard(view))
    table.add_row("in", meter(view.reading.input_dbfs))
    table.add_row("out", meter(view.reading.output_dbfs))
    if view.saturator is not None:
        knobs = view.saturator
        text = f"drive {knobs.drive:.2f}   tone {knobs.tone_hz:.0f} Hz   output {knobs.output_gain:.2f}"
        table.add_row("dsp", Text(text))
    if view.model:
        table.add_row("tcn", Text(view.model))
    table.add_row("load", Text(load(view.reading.load)))
    table.add_row("troubles", troubles(view))
    table.add_row("latency", Text(latency(view)))
    table.add_row("device", Text(f"{view.device}, {view.sample_rate} Hz, blocks of {view.block}"))
    if view.recording:
        table.add_row("records", Text(view.recording))
    return Group(table, Text(view.note, style="yellow"), Text(KEYS, style="dim"))


def heard(view: View) -> Text:
    text = Text()
    for role in view.roles:
        text.append(f" {role} ", style="reverse bold" if role == view.heard else "dim")
        text.append(" ")
    return text


def meter(level_dbfs: float) -> Text:
    """A bar from LEAST_DBFS to 0, and the number."""
    share = min(max(1 - level_dbfs / LEAST_DBFS, 0), 1)
    filled = round(share * METER_WIDTH)
    style = "red" if level_dbfs > 0 else "yellow" if level_dbfs > LOUD_DBFS else "green"
    text = Text("█" * filled, style=style)
    text.append("·" * (METER_WIDTH - filled), style="dim")
    text.append(f" {decibels(level_dbfs)}", style=style)
    return text


def decibels(level_dbfs: float) -> str:
    """A level in a width of its own.

    >>> decibels(-6.02), decibels(-math.inf)
    ('  -6.0 dBFS', '  -inf dBFS')
    """
    return f"{level_dbfs:>6.1f} dBFS"


def load(measured: Load) -> str:
    """The load of the callbacks in a few words.

    >>> load(Load(0.017, 0.052, 0.31, 0))
    '1.7 % of the time, p99 5.2 %, worst 31.0 %'
    """
    median, p99, worst = (f"{100 * share:.1f} %" for share in (measured.median, measured.p99, measured.worst))
    return f"{median} of the time, p99 {p99}, worst {worst}"


def troubles(view: View) -> Text:
    said = troubles_told(view)
    return Text(said, style="yellow" if said != NO_TROUBLE else "")


NO_TROUBLE = "0 xruns"


def troubles_told(view: View) -> str:
    reading = view.reading
    said = [f"{reading.xruns} xrun" + ("s" if reading.xruns != 1 else "")]
    if reading.load.late:
        blocks = "1 block" if reading.load.late == 1 else f"{reading.load.late} blocks"
        said.append(f"{blocks} took longer to make than to play (a larger {view.block_option} helps)")
    if reading.bad:
        said.append(f"{reading.bad} samples of the device were no numbers, and muted")
    if reading.clipped:
        said.append(f"{reading.clipped} samples above full scale (turn the output down: d)")
    return ", ".join(said)


def latency(view: View) -> str:
    """What the device says, and what the engines add."""
    engines = 1000 * view.engine_seconds
    if view.device_seconds > 0:
        device = 1000 * view.device_seconds
        return f"{device + engines:.2f} ms: device {device:.2f}, engines {engines:.2f}"
    return f"engines {engines:.2f} ms; the device does not tell its own"


def line(view: View) -> str:
    """All of it in one line."""
    reading = view.reading
    levels = f"in {reading.input_dbfs:.1f}, out {reading.output_dbfs:.1f} dBFS"
    told = f"{clock(view.seconds)} {view.heard}: {levels}; load {load(reading.load)}; {troubles_told(view)}"
    return f"{told}; {view.note}" if view.note else told


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(754.2)
    '12:34'
    """
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
