"""One retraining a home: the lock in `db`, and who holds it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from fxd.pipeline.files import make_folder, write_text

LOCK_NAME = "training.lock"
HOLDER_NAME = "training.json"


class AlreadyTraining(Exception):
    """Another retraining is under way in this home; the message says which process, and since when."""


@contextmanager
def training_lock(db: Path) -> Iterator[None]:
    """Hold the lock on retraining while the block runs; the system lifts it from a process that dies.

    Raises AlreadyTraining where another process holds it.
    """
    make_folder(db)
    lock = FileLock(db / LOCK_NAME)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise AlreadyTraining(describe_holder(db / HOLDER_NAME)) from error
    try:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        write_text(db / HOLDER_NAME, json.dumps({"pid": os.getpid(), "since": since}))
        yield
    finally:
        (db / HOLDER_NAME).unlink(missing_ok=True)
        lock.release()


def describe_holder(path: Path) -> str:
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        # The holder has only just begun, or is about to end.
        return "another process is retraining in this home; wait for it"
    since = datetime.fromisoformat(holder["since"]).astimezone()
    return (
        f"process {holder['pid']} is retraining in this home, since {since:%Y-%m-%d %H:%M:%S}; "
        "wait for it, or end it: its work is kept, and the next retraining goes on with it"
    )
