"""The options that many commands have."""

from pathlib import Path
from typing import Annotated, Any

import typer

from fxd import collector

Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The home; else FXD_HOME, else the current folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def opened(context: typer.Context, home: Path | None) -> tuple[Path, Any]:
    """Home and settings, `--home` before or after the command; from here on garbage is collected as usual."""
    from fxd.home import open_home

    found = open_home(home or context.find_root().obj)
    collector.resume()
    return found
