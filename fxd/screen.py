"""What a person sees of the running daemon: a few calm lines on a terminal, nothing in a pipe."""

from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from fxd.instance import Status, done_line
from fxd.training.progress import told


class Screen:
    """Redraws the daemon's status in place below the log lines; does nothing where there is no terminal."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = (
            Live(console=console, refresh_per_second=4, transient=True) if console.is_terminal else None
        )
        if self.live is not None:
            self.live.start()

    def log(self, line: str) -> None:
        """Print a coloured log line above the status."""
        self.console.print(Text.from_ansi(line.rstrip("\n")), soft_wrap=True)

    def show(self, status: Status) -> None:
        if self.live is not None:
            self.live.update(picture(status))

    def close(self) -> None:
        if self.live is not None:
            self.live.stop()


def picture(status: Status) -> RenderableType:
    """The files under way, and one line about the rest."""
    table = Table.grid(padding=(0, 2))
    for work in status.processing:
        seconds = work["seconds"]
        pace = f"{work['audio_seconds'] / seconds:.0f}x" if seconds > 0 else ""
        table.add_row(Text(work["file"], overflow="ellipsis"), done_line(work), pace)
    return Group(table, Spinner("dots", Text(summary_line(status), style="dim")))


def summary_line(status: Status) -> str:
    """The daemon in one line.

    >>> summary_line(Status(1, "studio", "2026-01-01", "running", waiting=2, done=7))
    'running · 2 waiting · 7 done · 0 failed'
    """
    state = f"{status.state}: {status.reason}" if status.reason else status.state
    parts = [state, f"{status.waiting} waiting", f"{status.done} done", f"{status.failed} failed"]
    if status.removed:
        parts.append(f"{status.removed} removed by [retention]")
    if status.retraining is not None:
        parts.append(retraining_line(status.retraining))
    return " · ".join(parts)


def retraining_line(progress: dict[str, Any]) -> str:
    """A retraining in a few words.

    >>> retraining_line({"steps": 200, "share": 0.25, "validation_esr_db": -31.25, "seconds_left": 75.0})
    'retraining 25 %, -31.2 dB, 1:15 left'
    """
    if not progress.get("steps"):
        return "retraining: loading"
    return f"retraining {told(progress, datetime.now().astimezone())}"
