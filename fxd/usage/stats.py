"""`fxd stats`: what may be asked, and which questions exclude each other."""

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated

import typer

from fxd.insight.question import By
from fxd.store.records import EngineName
from fxd.usage.options import Home, Json, Since, beginning, opened

if TYPE_CHECKING:
    from fxd.config import Settings

LAST = 20
"""Runs that are told where nobody says how many."""

MOST_ID = 2**31 - 1
"""That the databases can hold."""

APART = (("--csv", "--json"), ("--by", "--compare"))
"""Options that do not go together."""
WHOLE = (("--json", "--engine"), ("--json", "--measure"))
"""The same, but with --by or --compare: the JSON of runs has one form, with every engine and measure."""
OTHER_QUESTIONS = {"--changes": {"--last", "--json"}, "--accept": {"--note"}, "--unaccept": set[str]()}
"""Options that ask for something else, and what goes with them."""


def stats(
    context: typer.Context,
    last: Annotated[
        int | None,
        typer.Option(
            "--last",
            min=1,
            max=1_000_000,
            metavar="N",
            help=f"The newest N runs; else {LAST}, all with --by and --compare, 10000 with --changes.",
        ),
    ] = None,
    since: Since = None,
    by: Annotated[
        By | None, typer.Option("--by", help="Tell of groups: what the runs of each model, day, ... say.")
    ] = None,
    compare: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--compare",
            metavar="A B",
            help="Tell how B differs from A: two models (the id, or its beginning or end), versions of fxd, "
            "hosts, or weeks (2026-W09).",
        ),
    ] = None,
    engine: Annotated[EngineName | None, typer.Option("--engine", help="Tell of this engine only.")] = None,
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure", metavar="NAME", help="Tell this measure only (repeatable): esr_db, x_realtime."
        ),
    ] = None,
    changes: Annotated[
        bool, typer.Option("--changes", help="What changed, from when, and what else changed then.")
    ] = False,
    accept: Annotated[
        int | None,
        typer.Option("--accept", min=1, max=MOST_ID, metavar="ID", help="This change was to be expected."),
    ] = None,
    note: Annotated[
        str | None, typer.Option("--note", metavar="TEXT", help="With --accept: why it was.")
    ] = None,
    unaccept: Annotated[
        int | None,
        typer.Option("--unaccept", min=1, max=MOST_ID, metavar="ID", help="Take an --accept back."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    json: Json = False,
    home: Home = None,
) -> int:
    """Tell how good the imitation was, and what it cost."""
    from fxd.commands.stats import stats
    from fxd.insight.question import MOST_TELLING, Form, Question, QuestionError, chosen_series
    from fxd.insight.stats import EVERY_SERIES

    options: dict[str, object] = {
        "--last": last,
        "--since": since,
        "--by": by,
        "--compare": compare,
        "--engine": engine,
    }
    options |= {"--measure": measure, "--csv": csv, "--json": json}
    options |= {"--changes": changes, "--accept": accept, "--unaccept": unaccept, "--note": note}
    if said := clash([option for option, value in options.items() if value]):
        raise typer.BadParameter(said)
    if changes or accept or unaccept:
        _, settings = opened(context, home)
        return of_changes(settings, accept, note or "", unaccept, last, json)
    start = beginning(since)
    try:
        otherwise = MOST_TELLING if by or compare else EVERY_SERIES
        series = chosen_series(engine, measure or [], otherwise)
    except QuestionError as error:
        raise typer.BadParameter(str(error)) from error
    if not (last or since or by or compare):
        last = LAST
    _, settings = opened(context, home)
    form: Form = "json" if json else "csv" if csv else "table"
    return stats(settings, Question(last, start, series, form, by, compare))


def of_changes(
    settings: "Settings", accept: int | None, note: str, unaccept: int | None, last: int | None, json: bool
) -> int:
    from fxd.commands import changes

    if accept is not None:
        return changes.accept(settings, accept, note)
    if unaccept is not None:
        return changes.unaccept(settings, unaccept)
    return changes.tell_changes(settings, last, json)


def clash(given: Collection[str]) -> str:
    """Two of the options given that do not go together, in words; else nothing.

    >>> clash(["--last", "--csv", "--json"])
    '--csv and --json do not go together'
    """
    apart = APART if {"--by", "--compare"} & set(given) else APART + WHOLE
    both = next((pair for pair in apart if set(pair) <= set(given)), None)
    for question in OTHER_QUESTIONS.keys() & set(given):
        others = [option for option in given if option not in {question, *OTHER_QUESTIONS[question]}]
        both = (question, others[0]) if others else both
    if both in WHOLE:
        return f"{both[0]} and {both[1]} go together only with --by or --compare: the JSON of runs has all"
    if both is None and "--note" in given and "--accept" not in given:
        return "--note goes with --accept"
    return f"{both[0]} and {both[1]} do not go together" if both else ""
