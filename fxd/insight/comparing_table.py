"""A comparison as a person reads it, on 80 columns or more, and as rows of a spreadsheet."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table

from fxd.insight.comparing import Compared
from fxd.insight.plain import plain
from fxd.insight.sides import Side
from fxd.insight.spreadsheet import Cell
from fxd.insight.stats_table import NOTHING, figure, new_table
from fxd.insight.verdicts import ratio, signed, size

CSV_HEADER = (
    "engine",
    "measure",
    "paired",
    "files_a",
    "files_b",
    "median_a",
    "median_b",
    "scale",
    "change",
    "ci95_low",
    "ci95_high",
    "sure",
    "verdict",
)

Told = tuple[Compared, str]
"""A measure, and what it says in a sentence."""


def print_comparison(
    console: Console, sides: tuple[Side, Side], told: Sequence[Told], notes: Sequence[str]
) -> None:
    """Print who is who, the figures, what they say, and what is left out."""
    for letter, side in zip("AB", sides, strict=True):
        console.print(f"{letter}: {side.kind} {plain(side.name)}", markup=False, highlight=False)
    console.print()
    console.print(table_of([one for one, _ in told]))
    console.print()
    for sentence in dict.fromkeys(sentence for _, sentence in told if sentence not in notes):
        console.print(f"- {sentence}", markup=False, highlight=False)
    for note in notes:
        console.print(f"Note: {note}", style="dim", markup=False, highlight=False)


def table_of(compared: Sequence[Compared]) -> Table:
    table = new_table()
    for heading in ("", "measure"):
        table.add_column(heading, no_wrap=True)
    for heading in ("A", "B", "B against A", "interval", "files"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in compared:
        counts = [f"{count:,}" for count in one.files]
        table.add_row(
            *one.series,
            *(figure(value) for value in one.medians),
            size(one),
            interval(one),
            counts[0] if one.paired else " / ".join(counts),
        )
    return table


def interval(one: Compared) -> str:
    if one.interval is None:
        return NOTHING
    low, high = (ratio(value) if one.is_ratio else signed(value) for value in one.interval)
    return f"{low} to {high}"


def csv_rows(told: Sequence[Told]) -> Iterator[list[Cell]]:
    """A row for each measure."""
    for one, sentence in told:
        low, high = one.interval or (None, None)
        scale = "ratio" if one.is_ratio else "difference"
        yield [
            *one.series,
            one.paired,
            *one.files,
            *one.medians,
            scale,
            one.change,
            low,
            high,
            one.is_sure,
            sentence,
        ]
