"""`fxd report`: one page that tells how good the imitation is, to look at, to listen to and to send on."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from fxd.config import Settings
from fxd.insight.hints import counted
from fxd.insight.report.content import Audio, OnProgress, Report, Window, gather
from fxd.insight.report.page import GENERATOR, render, report_json
from fxd.log import warn_only
from fxd.pipeline.files import display, make_folder, write_text
from fxd.store.store import open_store

HEAD_BYTES = 2_000
"""Of a page, in which it says who made it."""


ABANDONED_SECONDS = 3600.0
"""Nobody writes a page for that long."""


class NotOurs(OSError):
    """A file that is no report stands where the report should go."""


def report(settings: Settings, output: Path, window: Window, files: int, audio: Audio, as_json: bool) -> int:
    """Write the report, or print what it would tell as JSON."""
    warn_only()
    if not as_json:
        refuse_others(output)
        with named_when_refused(output):
            try_place(output.absolute())
    with open_store(settings.database_url) as store, shown_progress() as on_progress:
        made = gather(settings, store, window, files, audio, on_progress)
        if as_json:
            print(json.dumps(report_json(made), indent=2, allow_nan=False))
            return 0
        page = render(made)
    with named_when_refused(output):
        sweep(output.absolute())
        write_text(output.absolute(), page)
    print(told(output, made, len(page)))
    return 0


def refuse_others(output: Path) -> None:
    """Raise where `output` is something that the report must not replace."""
    if output.is_dir():
        raise NotOurs(f"{display(output)} is a folder; name a file with -o")
    if output.exists():
        if not output.is_file():
            raise NotOurs(f"{display(output)} is no regular file; name another one with -o")
        with output.open("rb") as file:
            if f'content="{GENERATOR}"'.encode() not in file.read(HEAD_BYTES):
                raise NotOurs(
                    f"{display(output)} is there already and is no report of fxd's; move it away, or name "
                    "another file with -o"
                )


@contextmanager
def named_when_refused(output: Path) -> Iterator[None]:
    """Say of what goes wrong in the block that it keeps `output` from being written."""
    try:
        yield
    except OSError as error:
        why = error.strerror or error
        raise OSError(f"{display(output)} cannot be written: {why}; name another file with -o") from error


def try_place(output: Path) -> None:
    """Raise OSError where nothing can be written beside `output`: before it takes its time to make the page."""
    make_folder(output.parent)
    with TemporaryFile(dir=output.parent) as file:
        file.write(b"fxd")


def sweep(output: Path) -> None:
    """Remove what reports left beside `output` that were killed while they wrote it."""
    leftover = re.compile(rf"\.{re.escape(output.name)}\.\d+\.tmp")
    for path in output.parent.glob(".*.tmp"):
        if leftover.fullmatch(path.name) and time.time() - path.lstat().st_mtime > ABANDONED_SECONDS:
            path.unlink(missing_ok=True)


def told(output: Path, made: Report, size: int) -> str:
    """What was made, in a few words."""
    sounds = len(made.listening.sounds)
    heard = f"{counted(sounds, 'file')} to listen to"
    return (
        f"{display(output)}: {counted(made.done, 'run')}, {heard}, {size / 1e6:.1f} MB; open it in a browser"
    )


@contextmanager
def shown_progress() -> Iterator[OnProgress]:
    """A bar on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        yield lambda _what, _share: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda what, share: bar.update(task, description=what, completed=share)
