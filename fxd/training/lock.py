"""One retraining a home: the lock in `db`, who holds it, and how far that one is.

db/training.lock    held by the system for as long as the process lives
db/training.json    who holds it, since when, and the last progress; nobody needs it after a power cut
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fxd.pipeline.files import make_folder
from fxd.training.progress import Progress, clock, facts_of, told

LOCK_NAME = "training.lock"
HOLDER_NAME = "training.json"
PATIENCE_SECONDS = 1.0
"""Somebody who only looks whether the lock is held holds it for a moment."""
TRIM_PATIENCE_SECONDS = 15.0
"""Where nobody is named, somebody only keeps retrainings away for a moment, on a disk that may be slow."""
TELL_SECONDS = 1.0


class AlreadyTraining(Exception):
    """Another retraining is under way in this home; the message says which process, since when, how far it is."""


@dataclass(frozen=True)
class Holder:
    """The process that retrains in a home."""

    pid: int
    since: str
    """ISO 8601, UTC."""
    progress: dict[str, Any] | None = None
    """What `fxd.training.progress.facts_of` gave; None before the first step."""

    def __str__(self) -> str:
        now = datetime.now().astimezone()
        far = told(self.progress, now) if self.progress else "loading"
        return f"process {self.pid}, since {clock(datetime.fromisoformat(self.since), now)}: {far}"


class HeldLock:
    """The lock while it is ours: what others are told."""

    def __init__(self, db: Path) -> None:
        self.path = db / HOLDER_NAME
        self.since = datetime.now(UTC).isoformat(timespec="seconds")
        self.told_at = time.monotonic()
        self.write(Holder(os.getpid(), self.since))

    def tell(self, progress: Progress) -> None:
        """Let others see how far it is; not oftener than they care."""
        if time.monotonic() - self.told_at >= TELL_SECONDS or progress.step == progress.steps:
            self.told_at = time.monotonic()
            self.write(Holder(os.getpid(), self.since, facts_of(progress, datetime.now(UTC))))

    def write(self, holder: Holder) -> None:
        # On a disk that is full nobody is told; that is no reason to end.
        with suppress(OSError):
            temporary = self.path.with_suffix(".tmp")
            temporary.write_text(json.dumps(asdict(holder)), encoding="utf-8")
            temporary.replace(self.path)


@contextmanager
def training_lock(db: Path) -> Iterator[HeldLock]:
    """Hold the lock on retraining while the block runs; the system lifts it from a process that dies.

    Raises AlreadyTraining where another process holds it.
    """
    make_folder(db)
    lock = FileLock(db / LOCK_NAME)
    try:
        lock.acquire(timeout=PATIENCE_SECONDS if read_holder(db) else TRIM_PATIENCE_SECONDS)
    except Timeout as error:
        raise AlreadyTraining(under_way(read_holder(db))) from error
    try:
        yield HeldLock(db)
    finally:
        (db / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def under_way(holder: Holder | None) -> str:
    who = holder or "another process"
    return (
        f"a retraining is under way in this home, by {who}; "
        "wait for it, or end it: its work is kept, and the next retraining goes on with it"
    )


def refuse_a_second(db: Path) -> None:
    """Raise AlreadyTraining where another process retrains, before seconds are spent on loading what trains.

    Who wants to be sure needs the lock: another may begin at any moment.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (holder := who_trains(db)) is not None:
        if time.monotonic() > deadline:
            raise AlreadyTraining(under_way(holder))
        time.sleep(0.05)


@contextmanager
def training_kept_away(db: Path) -> Iterator[bool]:
    """Let no retraining begin while the block runs; false where one is under way, which goes on.

    For a moment only: whoever wants to retrain waits for the end of the block.
    """
    lock = FileLock(db / LOCK_NAME, is_singleton=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        # Of a process that was killed: who waits now would take it for the one that keeps him waiting.
        (db / HOLDER_NAME).unlink(missing_ok=True)
        yield True
    finally:
        lock.release()


def who_trains(db: Path) -> Holder | None:
    """The process that retrains in this home now; None where there is none."""
    # What a killed process leaves behind is a file without a lock, so the lock decides; but the file is looked
    # for first, as somebody who wants the lock may come in the moment in which it is tried here.
    holder = read_holder(db)
    if holder is None:
        return None
    probe = FileLock(db / LOCK_NAME, is_singleton=False)
    try:
        probe.acquire(timeout=0)
    except Timeout:
        return holder
    probe.release()
    return None


def read_holder(db: Path) -> Holder | None:
    """What the file says; None where it is not there, or of another version of fxd."""
    try:
        return Holder(**json.loads((db / HOLDER_NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
