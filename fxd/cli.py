"""The command line: thin, quick to start, and the one place that prints errors."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from fxd import collector
from fxd.usage import bench, dashboard, live, models, report, stats
from fxd.usage.options import Home, Json, opened

app = typer.Typer(
    name="fxd",
    help="Compares a neural audio effect with the DSP it imitates: drop files into inbox/, hear both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main() -> None:
    """Entry point: runs the command and turns what went wrong into a line and an exit code."""
    collector.rest()
    open_closed_streams()
    write_out_the_rest()
    sys.exit(run(sys.argv[1:]))


def open_closed_streams() -> None:
    """Give each standard stream that was closed, as by `2>&-`, a place that swallows everything.

    Else the next file that is opened takes its place: the database, and what C libraries print goes there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115


def write_out_the_rest() -> None:
    r"""Let the output streams write out what their encoding lacks, a dash as \u2013 say, where they would raise.

    JSON is ASCII anyway, and in CSV control characters are written out the same way.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code. A bug is not caught: it shows its traceback."""
    try:
        code = app(args=arguments, prog_name="fxd", standalone_mode=False)
        sys.stdout.flush()  # here, where it is known what to do if nobody reads
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except SystemExit as end:
        # rich and click end the program themselves, with 1, when nobody reads on; that is no failure of ours.
        if isinstance(end.__context__, BrokenPipeError):
            return explain(end.__context__)
        raise
    except Exception as error:
        return explain(error)
    return code if isinstance(code, int) else 0


def explain(error: Exception) -> int:
    """Print what a person can act on, and choose the exit code."""
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has enough (`fxd stats | head`); Python must not complain at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if hasattr(error, "exit_code"):
        # Click's own: a usage error shows itself, with the usage line; Abort and Exit have nothing to show.
        if hasattr(error, "show"):
            error.show()
        return int(error.exit_code)
    if type(error).__name__ == "Abort":
        return EXIT_INTERRUPTED
    from fxd.config import ConfigError
    from fxd.errors import expected_errors

    if isinstance(error, ConfigError):
        print(f"fxd: {error}", file=sys.stderr)
        return EXIT_USAGE
    if isinstance(error, expected_errors()):
        print(f"fxd: {error}", file=sys.stderr)
        return EXIT_FAILED
    raise error


def show_version(wanted: bool) -> None:
    if wanted:
        from fxd import __version__

        print(f"fxd {__version__}")
        raise typer.Exit


@app.callback()
def options(
    context: typer.Context,
    home: Home = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    context.obj = home


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where; else the current folder.")] = Path(),
) -> int:
    """Make a home: config.toml, inbox, outbox, models, db."""
    from fxd.commands.init import init

    return init(folder)


@app.command()
def start(
    context: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="Process what is in the inbox, then end.")] = False,
    home: Home = None,
) -> int:
    """Run the daemon in the foreground; Ctrl-C ends it gracefully."""
    from fxd.commands.start import start

    folder, settings = opened(context, home)
    return start(folder, settings, once)


@app.command()
def status(context: typer.Context, json: Json = False, home: Home = None) -> int:
    """Tell what the daemon is doing."""
    from fxd.commands.status import status

    folder, settings = opened(context, home)
    return status(folder, settings, json)


@app.command()
def stop(context: typer.Context, home: Home = None) -> int:
    """End the running daemon gracefully."""
    from fxd.commands.stop import stop

    _, settings = opened(context, home)
    return stop(settings)


@app.command()
def process(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Audio files, or folders of them.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where results go; else outbox.")
    ] = None,
    json: Json = False,
    home: Home = None,
) -> int:
    """Process files without the daemon; originals stay."""
    from fxd.commands.process import process

    _, settings = opened(context, home)
    return process(settings, files, output, json)


@app.command()
def why(
    context: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Its path or its name, in inbox or outbox.")],
    json: Json = False,
    home: Home = None,
) -> int:
    """Tell what became of a file, and why: every step with its time."""
    from fxd.commands.why import why

    _, settings = opened(context, home)
    return why(settings, file, json)


@app.command()
def retrain(
    context: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Retrain here, with a progress bar.")] = False,
    steps: Annotated[
        int | None,
        typer.Option(
            "--steps",
            min=1,
            max=1_000_000_000,
            metavar="N",
            help="With --now: train as many steps, whatever time they take. The same set, seed, parent and "
            "machine then give the same weights.",
        ),
    ] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="List the retrainings that were made, with their learning curves.")
    ] = False,
    scheduled: Annotated[bool, typer.Option("--scheduled", hidden=True)] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --now progress as lines, then the result.")
    ] = False,
    home: Home = None,
) -> int:
    """Tell when the next retraining is due and why; --now does it.

    Ctrl-C during --now ends the training: the best weights so far are judged as any challenger, and kept as a
    model or promoted. A second Ctrl-C ends at once. After that, after SIGTERM, `fxd stop` or a kill, the next
    retraining goes on where this one was, 30 seconds back at most.
    """
    from fxd.commands.retrain import retrain_now, tell_when
    from fxd.commands.trainings import list_trainings

    if list_ and now:
        raise typer.BadParameter("--now and --list exclude each other")
    if steps is not None and not now:
        raise typer.BadParameter("--steps goes with --now")
    _, settings = opened(context, home)
    if list_:
        return list_trainings(settings, json)
    return retrain_now(settings, scheduled, json, steps) if now else tell_when(settings, json)


app.command()(stats.stats)
app.command()(bench.bench)
app.command()(report.report)
app.command()(live.live)
app.command()(dashboard.dashboard)
app.add_typer(models.app, name="models")
