"""The options that many commands have."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from fxd import collector

Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The home; else FXD_HOME, else the current folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Runs since then: 12h, 7d, 4w ago, or 2026-03-01[T14:30]."),
]


def beginning(since: str | None) -> datetime | None:
    """The time that `--since` names; a usage error where it names none."""
    from fxd.insight.question import QuestionError, moment

    try:
        return moment(since) if since is not None else None
    except QuestionError as error:
        raise typer.BadParameter(str(error)) from error


def opened(context: typer.Context, home: Path | None) -> tuple[Path, Any]:
    """Home and settings, `--home` before or after the command; from here on garbage is collected as usual."""
    from fxd.home import open_home

    found = open_home(home or context.find_root().obj)
    collector.resume()
    return found
