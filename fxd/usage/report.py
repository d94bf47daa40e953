"""`fxd report`: what may be asked, and which questions exclude each other."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fxd.usage.options import Home, Since, beginning, opened


def report(
    context: typer.Context,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="FILE", help="Where the page goes; an older report is replaced."
        ),
    ] = Path("report.html"),
    last: Annotated[
        int | None,
        typer.Option(
            "--last", min=1, max=1_000_000_000, metavar="N", help="Only the newest N runs; else all."
        ),
    ] = None,
    since: Since = None,
    files: Annotated[
        int, typer.Option("--files", min=1, max=50, metavar="N", help="So many files to listen to.")
    ] = 3,
    audio: Annotated[
        Literal["flac", "opus"] | None,
        typer.Option(
            "--audio",
            help="flac, which loses nothing, if not given; opus is small, but loses more than a good imitation.",
        ),
    ] = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="A page without sounds.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print what it tells as JSON; no page.")] = False,
    home: Home = None,
) -> int:
    """Make a page that tells how good the imitation is, where it fails and what changed: to see and to hear."""
    from fxd.commands.report import report
    from fxd.insight.report.content import Window

    if audio is not None and (no_audio or json):
        raise typer.BadParameter(f"--audio and {'--json' if json else '--no-audio'} do not go together")
    start = beginning(since)
    _, settings = opened(context, home)
    return report(
        settings, output, Window(start, last), files, "none" if no_audio or json else audio or "flac", json
    )
