"""Groups of runs as a person reads them, on 80 columns or more, and as rows of a spreadsheet."""

from collections.abc import Iterator, Sequence
from itertools import islice

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from fxd.insight.grouping import Group, Grouping
from fxd.insight.lines import Shortened
from fxd.insight.plain import plain, short_id
from fxd.insight.sparkline import sparkline
from fxd.insight.spreadsheet import Cell
from fxd.insight.stats import Series
from fxd.insight.stats_table import (
    GAP,
    LEAST_COURSE,
    WHOLE,
    draws_courses,
    figure,
    intervals_told,
    new_table,
    print_section,
    summary_cells,
)

MOST_LISTED = 50
"""Groups in a table."""
SIDE_BY_SIDE = 3
"""Measures that 80 columns hold."""
COURSE = 12
"""Columns that the course of a measure may take."""
LONGEST_NAME = 36

CSV_HEADER = ("by", "group", "first_at", "last_at", "runs", "warm_up", "heard", "engine", "measure")
CSV_FIGURES = ("n", "mean", "std", "median", "p95", "p99", "min", "max")


def print_groups(console: Console, grouping: Grouping, notes: Sequence[str]) -> None:
    """Print a line for each group, side by side the median of each measure; what is left out stands below."""
    groups = list(islice(grouping, MOST_LISTED))
    series = list(grouping.values)
    for first in range(0, len(series), SIDE_BY_SIDE):
        shown = series[first : first + SIDE_BY_SIDE]
        print_section(console, title(grouping.by, shown), groups_table(console, grouping.by, groups, shown))
    if (left := len(grouping) - len(groups)) > 0:
        console.print(
            f"and {left:,} more, which --csv and --json list", style="dim", markup=False, highlight=False
        )
    # Of several measures, medians alone are shown.
    alone = [group.figures[series[0]] for group in groups] if len(series) == 1 else []
    for note in [*intervals_told(alone), *notes]:
        console.print(f"Note: {note}", style="dim", markup=False, highlight=False)


def title(by: str, series: Sequence[Series]) -> str:
    """What the table holds.

    >>> title("week", [("tcn", "esr_db")]), title("file", [("tcn", "esr_db"), ("tcn", "rtf")])
    ('tcn esr_db by week', 'Medians by file, the worst first')
    """
    worst = ", the worst first" if by == "file" else ""
    return f"{' '.join(series[0]) if len(series) == 1 else 'Medians'} by {by}{worst}"


def groups_table(console: Console, by: str, groups: Sequence[Group], series: Sequence[Series]) -> Table:
    """The table, with the course of each measure on a terminal where there is room."""
    bare = table_of(by, groups, series, 0)
    room = console.width - Measurement.get(console, console.options, bare).maximum
    course = min(COURSE, room // len(series) - GAP)
    return table_of(by, groups, series, course) if draws_courses(console) and course >= LEAST_COURSE else bare


def table_of(by: str, groups: Sequence[Group], series: Sequence[Series], course: int) -> Table:
    table = new_table()
    table.add_column(by, max_width=LONGEST_NAME)
    table.add_column("runs", justify="right", no_wrap=True)
    heard = any(group.heard for group in groups)
    if heard:
        table.add_column("heard", justify="right", no_wrap=True)
    alone = len(series) == 1
    for engine, measure in series:
        for heading in WHOLE if alone else (f"{engine}\n{measure}",):
            table.add_column(heading, justify="right", no_wrap=True)
        if course:
            table.add_column("course" if alone else "", no_wrap=True)
    for group in groups:
        cells = [f"{group.heard:,}"] if heard else []
        for one in series:
            summary = group.figures[one]
            cells += summary_cells(summary) if alone else [figure(summary.median)]
            cells += [sparkline(group.courses[one], course)] if course else []
        table.add_row(Shortened(name_of(by, group)), f"{group.runs:,}", *cells)
    return table


def name_of(by: str, group: Group) -> str:
    name = plain(group.name)
    return short_id(name) if by == "model" else f"{int(name):,} Hz" if by == "sample-rate" else name


def csv_rows(grouping: Grouping) -> Iterator[list[Cell]]:
    """A row for each group and measure."""
    for group in grouping:
        own: list[Cell] = [grouping.by, group.name, group.first_at.isoformat(), group.last_at.isoformat()]
        own += [group.runs, group.cold, group.heard]
        for (engine, measure), summary in group.figures.items():
            figures: list[Cell] = [getattr(summary, name) for name in CSV_FIGURES]
            yield [*own, engine, measure, *figures, *summary.ci95]
