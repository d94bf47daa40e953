"""`fxd report`: what may be asked, and which questions exclude each other."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from fxd.usage.options import Home, Since, beginning, opened


def report(
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where the page goes, report.html if not given; an older report is replaced.",
        ),
    ] = None,
    last: Annotated[
        int | None,
        typer.Option(
            "--last", min=1, max=1_000_000_000, metavar="N", help="Only the newest N runs; else all."
        ),
    ] = None,
    since: Since = None,
    files: Annotated[
        int | None,
        typer.Option(
            "--files", min=1, max=50, metavar="N", help="So many files to listen to, 3 if not given."
        ),
    ] = None,
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

    of_sounds = [("--audio", audio), ("--files", files)]
    for other, given, idle in (
        ("--json", json, [("-o", output), *of_sounds]),
        ("--no-audio", no_audio, of_sounds),
    ):
        for name, value in idle:
            if given and value is not None:
                raise typer.BadParameter(f"{name} and {other} do not go together")
    start = beginning(since)
    _, settings = opened(context, home)
    kind = "none" if no_audio or json else audio or "flac"
    return report(settings, output or Path("report.html"), Window(start, last), files or 3, kind, json)
