"""One daemon a home: the lock that holds it, and the file in which it says what it is doing."""

import json
import os
import signal
import socket
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

from filelock import FileLock, Timeout

from fxd.privacy import make_private_folder

LOCK_NAME = "fxd.lock"
STATUS_NAME = "status.json"
PATIENCE_SECONDS = 0.5
"""Somebody who only looks whether the lock is held holds it for a moment."""
FRESH_SECONDS = 3.0
"""A daemon writes its status twice a second."""


class AlreadyRunning(Exception):
    """Another daemon holds this home; the message says which."""


@dataclass(frozen=True)
class Status:
    """What a running daemon is doing; times are ISO 8601 UTC."""

    pid: int
    host: str
    started_at: str
    state: str
    """`starting` until a worker can take files, `running`, `paused` or `stopping`."""
    reason: str = ""
    """Why it is paused, or what it waits for while it starts."""
    processing: list[dict[str, Any]] = field(default_factory=list)
    """`file`, `audio_seconds` behind it, `length_seconds` as its header says or None, `seconds` taken so far."""
    waiting: int = 0
    """Files in the inbox that are settling, complete or claimed but not yet begun."""
    queue: list[str] = field(default_factory=list)
    """The first of them, about in the order in which their turn comes."""
    done: int = 0
    failed: int = 0
    removed: int = 0
    """Since it started: files that are done, failed, and that `[retention]` had removed."""
    model: str = ""
    retraining: dict[str, Any] | None = None
    """Of the retraining under way: what `fxd.training.progress.facts_of` gives; empty before its first step."""
    next_retraining: str = ""
    settings: str = ""
    """Mark of the settings that it runs with, see `fxd.config.settings_mark`."""


class Instance:
    """The lock on one home's `db` folder, and its status file."""

    def __init__(self, db: Path) -> None:
        self.lock = FileLock(db / LOCK_NAME)
        self.status_path = db / STATUS_NAME

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Become this home's daemon. Raises AlreadyRunning where there is one."""
        make_private_folder(self.status_path.parent)
        try:
            self.lock.acquire(timeout=PATIENCE_SECONDS)
        except Timeout:
            raise AlreadyRunning(
                f"{self.describe()}; `fxd status` tells what it does, `fxd stop` ends it"
            ) from None

    def describe(self) -> str:
        status = self.read()
        if status is None:
            return "a daemon is already running on this home"
        who = f"pid {status.pid} on {status.host} since {status.started_at}"
        return f"a daemon is already running on this home: {who}"

    def release(self) -> None:
        self.status_path.unlink(missing_ok=True)
        self.lock.release()

    def write(self, status: Status) -> None:
        """Let others see what this daemon is doing; nobody needs it after a power cut, so it is not synced."""
        temporary = self.status_path.with_suffix(".tmp")
        temporary.write_text(json.dumps(asdict(status)), encoding="utf-8")
        temporary.replace(self.status_path)

    def read(self) -> Status | None:
        """What the running daemon last said; None where none is running."""
        if not self.is_held():
            return None
        for _ in range(20):
            try:
                return self.parse()
            except FileNotFoundError:
                time.sleep(0.05)  # it has the lock, and is about to write
        return None

    def glance(self) -> Status | None:
        """The same for who looks again and again; a daemon that was killed is taken for running a moment longer.

        The lock is tried only where nothing was said for a while: it is to be free for a daemon that starts.
        """
        try:
            age = time.time() - self.status_path.stat().st_mtime
            return self.parse() if abs(age) < FRESH_SECONDS or self.is_held() else None
        except FileNotFoundError:
            return None

    def parse(self) -> Status:
        """What the file says. Raises FileNotFoundError where there is none."""
        said = json.loads(self.status_path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(Status)}  # a daemon of a newer version may say more
        return Status(**{name: value for name, value in said.items() if name in known})

    def is_held(self) -> bool:
        if not self.status_path.parent.is_dir():
            return False
        probe = FileLock(self.status_path.parent / LOCK_NAME, is_singleton=False)
        try:
            probe.acquire(timeout=0)
        except Timeout:
            return True
        probe.release()
        return False

    def stop(self, seconds: float) -> bool:
        """Ask the running daemon to end and wait for it; False where it did not end in time."""
        status = self.read()
        if status is None:
            return not self.is_held()
        if status.host != socket.gethostname():
            raise AlreadyRunning(f"the daemon runs on {status.host}: end it there")
        os.kill(status.pid, signal.SIGTERM)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.is_held():
                return True
            time.sleep(0.05)
        return False


def done_line(work: dict[str, Any]) -> str:
    """How much of a file is done.

    >>> done_line({"audio_seconds": 12.3, "length_seconds": 60.0})
    '12 of 60 s of audio done'
    >>> done_line({"audio_seconds": 12.3, "length_seconds": None})
    '12 s of audio done'
    """
    length = "" if work["length_seconds"] is None else f" of {work['length_seconds']:.0f}"
    return f"{work['audio_seconds']:.0f}{length} s of audio done"
