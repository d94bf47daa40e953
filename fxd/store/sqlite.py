"""A SQLite file: how it is made, opened, and made to survive a crash."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from fxd.privacy import make_private_folder

# Before this version a checkpoint could, rarely, corrupt a database in WAL mode.
# Source: https://sqlite.org/wal.html#walresetbug
WAL_IS_SAFE_FROM = (3, 51, 3)
BUSY_SECONDS = 5.0
RETRY_SECONDS = 0.02


def create_file(path: Path) -> None:
    """Make an empty database that only its owner can read, and its folder, where there is none yet.

    An existing file is not even opened: closing a plain descriptor on it would drop every lock that
    SQLite holds on it in this process.
    """
    make_private_folder(path.parent)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return


def connect(path: Path) -> sqlite3.Connection:
    """A connection to an existing file; SQLAlchemy, not the driver, begins the transactions.

    The file is never created here: where it was moved or its disk is gone, an empty one in its place
    would look like a home without a past.
    """
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(path))}?mode=rw",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        # More than FULL: what is committed stays so through a power cut, as the folder is synced, too.
        connection.execute("PRAGMA synchronous = EXTRA")
        connection.execute("PRAGMA foreign_keys = ON")
        set_journal(connection, journal_for(sqlite3.sqlite_version_info))
    except BaseException:
        connection.close()
        raise
    return connection


def identity(path: Path) -> tuple[int, int] | None:
    """Which file is at `path` now; None where there is none.

    SQLite goes on writing into a file that was moved or deleted under it, and nobody would find that again.
    """
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def journal_for(version: tuple[int, ...]) -> Literal["wal", "delete"]:
    """Which journal this version of SQLite can be trusted with.

    >>> journal_for((3, 51, 3)), journal_for((3, 51, 2))
    ('wal', 'delete')
    """
    return "wal" if version >= WAL_IS_SAFE_FROM else "delete"


def set_journal(connection: sqlite3.Connection, journal: str) -> None:
    """Switch the file to `journal` unless it is there already; where WAL cannot be, the file stays as it is.

    SQLite does not always wait for others here, as it does everywhere else, so this does. A file in WAL
    mode can leave it only when nobody else has it open.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != journal:
                connection.execute(f"PRAGMA journal_mode = {journal}")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(RETRY_SECONDS)
