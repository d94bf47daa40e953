"""The report's parts for the live page, drawn by a process of its own.

What draws takes more memory than all the rest of the server, and seconds of a core. Here it gives way to the
engines, and is gone afterwards.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired

from fxd.insight.dashboard.threads import in_thread

LAST_RUNS = 10_000
PARTS = ("verdict", "trends", "files", "models")
REST_SECONDS = 60.0
MOST_SECONDS = 300.0


@dataclass(frozen=True)
class Drawn:
    """What was drawn last."""

    parts: dict[str, str]
    """HTML by name."""
    at: datetime


class PortraitError(Exception):
    """It could not be drawn; the message says why."""


class Painter:
    """Draws anew when there is something new, but not too often."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.drawn: object = None
        self.next_time = 0.0
        self.process: Popen[bytes] | None = None

    async def draw(self, key: object) -> dict[str, str] | None:
        """The parts as HTML, by name; None where those from before still hold: for the same `key`, or too soon.

        Raises PortraitError; then the same `key` is tried again.
        """
        if key == self.drawn or time.monotonic() < self.next_time:
            return None
        try:
            parts = await in_thread(self.run)
        finally:
            self.next_time = time.monotonic() + REST_SECONDS
        self.drawn = key
        return parts

    def run(self) -> dict[str, str]:
        command = (sys.executable, "-m", "fxd.insight.dashboard.portrait", os.fspath(self.home))
        # A session of its own: the terminal's Ctrl-C is ours, and we end it.
        with Popen(command, stdout=PIPE, stderr=PIPE, start_new_session=True) as process:
            self.process = process
            try:
                out, err = process.communicate(timeout=MOST_SECONDS)
            except TimeoutExpired:
                process.kill()
                raise PortraitError(f"drawing took more than {MOST_SECONDS:.0f} s") from None
        if process.returncode:
            lines = err.decode(errors="backslashreplace").strip().splitlines()
            raise PortraitError(lines[-1] if lines else f"exit code {process.returncode}")
        parts: dict[str, str] = json.loads(out)
        return parts

    def stop(self) -> None:
        """End it, where it is at work."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()


def main(home: Path) -> None:
    """Print the parts as JSON."""
    os.nice(5)
    from fxd.config import load_settings
    from fxd.insight.report.content import Window, gather
    from fxd.insight.report.page import render_part
    from fxd.store.store import open_store

    settings = load_settings(home)
    with open_store(settings.database_url) as store:
        report = gather(settings, store, Window(last=LAST_RUNS), audio="none")
    json.dump({name: render_part(name, report) for name in PARTS}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
