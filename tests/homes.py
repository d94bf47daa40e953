"""A home on disk, the real `fxd` on it, and waiting with a deadline."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fxd.instance import Instance, Status

DEADLINE_SECONDS = float(os.environ.get("FXD_TEST_DEADLINE_SECONDS", "120"))
"""Only a failure takes that long: a slow and busy machine may take a minute to compile the engines.

`tests.remedies`, which waits for failures, sets a shorter one.
"""


@dataclass
class Home:
    """A home on disk and the real `fxd` on it."""

    root: Path
    daemons: list["subprocess.Popen[str]"] = field(default_factory=list)

    @property
    def inbox(self) -> Path:
        return self.root / "inbox"

    @property
    def outbox(self) -> Path:
        return self.root / "outbox"

    def configure(self, text: str) -> None:
        (self.root / "config.toml").write_text(text, encoding="utf-8")

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "fxd", "--home", str(self.root), *map(os.fsdecode, arguments)]

    def fxd(self, *arguments: str | Path, code: int = 0) -> "subprocess.CompletedProcess[str]":
        """Run one command to its end, and check its exit code."""
        done = subprocess.run(
            self.command(*arguments),
            capture_output=True,
            text=True,
            errors="backslashreplace",
            timeout=180,
            check=False,
        )
        assert done.returncode == code, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.fxd(*arguments, "--json").stdout)

    def status(self) -> Status:
        """What the daemon says of itself. For waiting: a command would take a core from whom it waits for."""
        found = Instance(self.root / "db").read()
        assert found is not None, "no daemon runs"
        return found

    def start(self) -> "subprocess.Popen[str]":
        """Start the daemon, and wait until it watches."""
        log = (self.root / "stderr.txt").open("w")
        daemon = subprocess.Popen(self.command("start"), stderr=log, text=True)
        log.close()
        self.daemons.append(daemon)
        wait_until(lambda: "watching" in self.stderr() or daemon.poll() is not None, "the daemon starts")
        assert daemon.poll() is None, self.stderr()
        return daemon

    def stderr(self) -> str:
        return (self.root / "stderr.txt").read_text(errors="backslashreplace")

    def stop(self, daemon: "subprocess.Popen[str]") -> int:
        daemon.send_signal(signal.SIGTERM)
        return daemon.wait(DEADLINE_SECONDS)

    def outputs(self) -> list[str]:
        """What is visible in the outbox."""
        files = (path.relative_to(self.outbox) for path in self.outbox.rglob("*") if path.is_file())
        return sorted(str(path) for path in files if not path.parts[0].startswith("."))

    def claimed(self) -> list[Path]:
        claims = self.inbox.glob(".claimed/*/*")
        return [path for path in claims if path.is_dir()]


def wait_until(condition: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Return as soon as `condition` holds; fail, naming it, where it does not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds:.0f} s: {what}")
        time.sleep(0.02)
