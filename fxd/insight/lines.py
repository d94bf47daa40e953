"""Many lines of a table as one cell, and lines that lose their middle where there is no room for all."""

from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

ELLIPSIS = "…"


class Shortened:
    """Lines that give way where the table is too wide, and lose their middle then.

    The end says more about a file than the middle does.
    """

    def __init__(self, *lines: str, styles: Sequence[str] = ()) -> None:
        self.lines, self.styles = lines, styles

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield stacked([shorten(line, options.max_width) for line in self.lines], self.styles)

    def __rich_measure__(self, _console: Console, _options: ConsoleOptions) -> Measurement:
        width = max(map(cell_len, self.lines), default=0)
        return Measurement(min(width, 8), width)


def stacked(lines: Sequence[str], styles: Sequence[str] = ()) -> Text:
    """Many cells of a column as one, each a line in its style.

    Rich lays cells out one by one, and that was a tenth of the whole command's time for fifty runs.
    """
    text = Text("\n".join(lines), no_wrap=True)
    start = 0
    for line, style in zip(lines, styles or [""] * len(lines), strict=True):
        text.stylize(style, start, start := start + len(line))
        start += 1
    return text


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
