"""The command line: thin, quick to start, and the one place that prints errors."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="fxd",
    help="Compares a neural audio effect with the DSP it imitates: drop files into inbox/, hear both.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
models_app = typer.Typer(help="List, show, promote, roll back and compare models.", rich_markup_mode=None)
app.add_typer(models_app, name="models")

Home = Annotated[
    Path | None,
    typer.Option("--home", metavar="DIR", help="The home; else FXD_HOME, else the current folder."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130


def main() -> None:
    """Entry point: runs the command and turns what went wrong into a line and an exit code."""
    open_closed_streams()
    sys.exit(run(sys.argv[1:]))


def open_closed_streams() -> None:
    """Give each standard stream that was closed, as by `2>&-`, a place that swallows everything.

    Else the next file that is opened takes its place: the database, and what C libraries print goes there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115


def run(arguments: list[str]) -> int:
    """Run one command line; returns the exit code. A bug is not caught: it shows its traceback."""
    try:
        code = app(args=arguments, prog_name="fxd", standalone_mode=False)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
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


def opened(context: typer.Context, home: Path | None) -> tuple[Path, Any]:
    """Home and settings, `--home` before or after the command."""
    from fxd.home import open_home

    return open_home(home or context.find_root().obj)


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


@app.command()
def stats(
    context: typer.Context,
    last: Annotated[
        int, typer.Option("--last", min=1, max=1_000_000, metavar="N", help="The newest N runs.")
    ] = 20,
    json: Json = False,
    home: Home = None,
) -> int:
    """Tell how good the imitation was, and what it cost."""
    from fxd.commands.stats import stats

    _, settings = opened(context, home)
    return stats(settings, last, json)


@app.command()
def bench(
    context: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="Audio files; else the newest of inbox/done. With --compare: two benchmarks, old and new.",
        ),
    ] = None,
    preset: Annotated[
        list[str] | None,
        typer.Option("--preset", metavar="NAME", help="Measure this one (repeatable), trained or not."),
    ] = None,
    model: Annotated[
        list[str] | None, typer.Option("--model", metavar="ID", help="Measure this model (repeatable).")
    ] = None,
    repetitions: Annotated[
        int | None, typer.Option("--repetitions", min=2, max=1000, metavar="N", help="Instead of 7.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A rough look in some seconds.")] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the benchmarks that were made.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Compare two; else the two newest.")] = False,
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown instead of tables.")] = False,
    home: Home = None,
) -> int:
    """Measure both engines against their rivals: speed, latency, memory, error, aliases."""
    from fxd.commands.bench import bench, clash, extent_of, list_benches
    from fxd.commands.bench import compare as compare_two

    names = names or []
    options = {"--preset": preset, "--model": model, "--repetitions": repetitions, "--quick": quick}
    options |= {"--list": list_, "--compare": compare, "--json": json, "--markdown": markdown, "FILE": names}
    if said := clash([option for option, value in options.items() if value]):
        raise typer.BadParameter(said)
    if compare and len(names) not in (0, 2):
        raise typer.BadParameter("--compare takes two benchmarks, or none for the two newest")
    _, settings = opened(context, home)
    if list_:
        return list_benches(settings, json)
    if compare:
        return compare_two(settings, names, json)
    extent, files = extent_of(repetitions, quick), [Path(name) for name in names]
    return bench(
        settings,
        files,
        preset or [],
        model or [],
        extent,
        "json" if json else "markdown" if markdown else "table",
    )


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, json: Json = False, home: Home = None) -> int | None:
    if context.invoked_subcommand is not None:
        context.find_root().obj = home or context.obj
        return None
    return models_list(context, json, home)


@models_app.command("list")
def models_list(context: typer.Context, json: Json = False, home: Home = None) -> int:
    """List all models, newest first."""
    from fxd.commands.models import list_models

    _, settings = opened(context, home)
    return list_models(settings, json)


ModelId = Annotated[str, typer.Argument(metavar="ID", help="Its id, or the beginning or end of it.")]


@models_app.command("show")
def models_show(context: typer.Context, model: ModelId, json: Json = False, home: Home = None) -> int:
    """Tell all about one model."""
    from fxd.commands.models import show_model

    _, settings = opened(context, home)
    return show_model(settings, model, json)


@models_app.command("promote")
def models_promote(context: typer.Context, model: ModelId, home: Home = None) -> int:
    """Let this model serve from now on."""
    from fxd.commands.models import promote_model

    _, settings = opened(context, home)
    return promote_model(settings, model)


@models_app.command("rollback")
def models_rollback(context: typer.Context, home: Home = None) -> int:
    """Return to the model that served before."""
    from fxd.commands.models import roll_back

    _, settings = opened(context, home)
    return roll_back(settings)


@models_app.command("compare")
def models_compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="The model to compare with.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The model in question.")],
    json: Json = False,
    home: Home = None,
) -> int:
    """Compare two models on sounds that neither trained on."""
    from fxd.commands.compare import compare_models

    _, settings = opened(context, home)
    return compare_models(settings, first, second, json)
