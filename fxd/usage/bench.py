"""`fxd bench`."""

from pathlib import Path
from typing import Annotated

import typer

from fxd.usage.options import Home, Json, opened


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
