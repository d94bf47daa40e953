"""`fxd dashboard`: where it listens, and who may read."""

from typing import Annotated

import typer

from fxd.usage.options import Home, opened


def dashboard(
    context: typer.Context,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65_535, metavar="N", help="0 is any that is free.")
    ] = 8765,
    host: Annotated[
        str,
        typer.Option(
            "--host", metavar="ADDR", help="Let others reach it there, with a token; 0.0.0.0 is all."
        ),
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TEXT",
            help="Only who knows it may read; - takes a line of standard input. With --host one is made up.",
        ),
    ] = None,
    home: Home = None,
) -> int:
    """Show in a browser what is going on, live, and /metrics to Prometheus."""
    from fxd.commands.dashboard import dashboard

    folder, settings = opened(context, home)
    return dashboard(folder, settings, host, port, token)
