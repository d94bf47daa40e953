"""CSV that programs read and spreadsheets may open.

A file that was dropped may be called `=HYPERLINK(...)`, and a spreadsheet would run that. So a text that begins
as a formula can gets an apostrophe in front, which spreadsheets take for "this is text"; `--json` has it as it
is.
Control characters are written out (\\x0a), so each row is one line. Numbers are never changed: `-35.2` stays.
"""

import csv
from collections.abc import Iterable, Sequence
from typing import TextIO

from fxd.insight.plain import plain

FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
"""Some spreadsheets take the wide forms for the same."""
Cell = str | float | bool | None


def write_csv(output: TextIO, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write the header, then the rows as they come; what is None is an empty cell."""
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)


def cell(value: Cell) -> str | float:
    """As it stands in the file.

    >>> cell("=1+1"), cell("riff.wav"), cell(-35.2), cell(True), cell(None)
    ("'=1+1", 'riff.wav', -35.2, 1, '')
    """
    if isinstance(value, str):
        return plain(f"'{value}" if value.startswith(FORMULA) else value)
    return "" if value is None else int(value) if isinstance(value, bool) else value
