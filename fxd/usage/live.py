"""`fxd live`."""

from collections.abc import Collection
from pathlib import Path
from typing import Annotated

import typer

from fxd.store.records import LiveEngines
from fxd.usage.options import Home, opened

SESSIONS = 20
"""That are listed where nobody says how many."""
PLAYING = {
    "engine": "--engine",
    "model": "--model",
    "source": "--input",
    "target": "--output",
    "rate": "--rate",
    "block": "--block",
    "channel": "--channel",
    "stereo": "--stereo",
    "record": "--record",
    "learn": "--learn",
}
"""Parameters that say how to play."""


def live(
    context: typer.Context,
    engine: Annotated[
        LiveEngines, typer.Option("--engine", help="What is to be heard beside the dry sound.")
    ] = "both",
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="ID", help="Hear this model; else the one that serves, and its successors."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option("--input", metavar="DEV", help="Number of a device, or words of its name; see --list."),
    ] = None,
    target: Annotated[str | None, typer.Option("--output", metavar="DEV", help="The same.")] = None,
    rate: Annotated[
        int | None,
        typer.Option("--rate", min=8_000, max=192_000, metavar="HZ", help="Instead of the device's own."),
    ] = None,
    block: Annotated[
        int | None,
        typer.Option(
            "--block", min=16, max=4096, metavar="N", help="Frames at a time, else 64; JACK has its own."
        ),
    ] = None,
    channel: Annotated[
        int, typer.Option("--channel", min=1, max=64, metavar="N", help="The input that is listened to.")
    ] = 1,
    stereo: Annotated[bool, typer.Option("--stereo", help="Listen to that input and the next.")] = False,
    record: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Write FILE.dry.wav and FILE.wet.wav.")
    ] = None,
    learn: Annotated[
        bool, typer.Option("--learn", help="With --record: put the dry take into the inbox afterwards.")
    ] = False,
    list_: Annotated[bool, typer.Option("--list", help="List the devices.")] = False,
    sessions: Annotated[bool, typer.Option("--sessions", help="List the sessions that were played.")] = False,
    last: Annotated[
        int | None,
        typer.Option("--last", min=1, max=1_000_000, metavar="N", help="With --sessions: the newest N."),
    ] = None,
    json: Annotated[
        bool, typer.Option("--json", help="With --list or --sessions: print JSON instead of a table.")
    ] = False,
    home: Home = None,
) -> int:
    """Play through the engines in real time."""
    lists = [option for option, value in (("--list", list_), ("--sessions", sessions)) if value]
    if said := clash(lists, [option for name, option in PLAYING.items() if is_given(context, name)]):
        raise typer.BadParameter(said)
    if learn and record is None:
        raise typer.BadParameter("--learn goes with --record")
    if json and not lists:
        raise typer.BadParameter("--json goes with --list or --sessions")
    if last is not None and not sessions:
        raise typer.BadParameter("--last goes with --sessions")
    if model is not None and engine == "dsp":
        raise typer.BadParameter("--model does not go with --engine dsp")
    from fxd.commands.live import tell_devices, tell_sessions

    if list_:
        return tell_devices(json)
    _, settings = opened(context, home)
    if sessions:
        return tell_sessions(settings, last or SESSIONS, json)
    from fxd.commands.play import live
    from fxd.live.setup import Wish

    wish = Wish(engine, model, source, target, rate, block, 2 if stereo else 1, channel, record)
    return live(settings, wish, learn)


def is_given(context: typer.Context, name: str) -> bool:
    """Whether a parameter stands on the command line, be it with its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def clash(lists: Collection[str], playing: Collection[str]) -> str:
    """What is wrong with asking for all of these at once; empty where nothing is."""
    if len(lists) > 1:
        return f"{' and '.join(lists)} exclude each other"
    if lists and playing:
        return f"{next(iter(lists))} does not go with {', '.join(playing)}"
    return ""
