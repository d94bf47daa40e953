"""Who else may read what a home knows: the names of all files, their sound, perhaps the password of a database.

What fxd makes of this is readable by its owner alone. What is there already stays as it is, for somebody may have
meant it so; `fxd status` and the log of the daemon tell where that is more than the owner.
"""

import stat
from pathlib import Path

from fxd.config import CONFIG_NAME, Settings

OTHERS = stat.S_IRWXG | stat.S_IRWXO
READERS = stat.S_IRGRP | stat.S_IROTH


def make_private_folder(folder: Path) -> None:
    """Create a folder that only its owner can enter; one that is there stays as it is."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def open_to_others(home: Path, settings: Settings) -> list[str]:
    """What other users of this machine can read and should not, each with its remedy."""
    found = []
    if settings.database.url and is_readable(home / CONFIG_NAME):
        # Without the address of a database there is nothing in it that anybody could use.
        found.append(told(home / CONFIG_NAME, "it holds the address of the database"))
    database = sqlite_file(settings.database_url)
    if database is not None and is_readable(database) and (database.parent.stat().st_mode & OTHERS):
        found.append(told(database, "it holds the names of all files"))
    return found


def sqlite_file(url: str) -> Path | None:
    """The file of an SQLite database; None for another one."""
    from sqlalchemy import make_url  # slow to load, and most that import this module do not need it

    address = make_url(url)
    return Path(address.database) if address.drivername.startswith("sqlite") and address.database else None


def is_readable(path: Path) -> bool:
    return path.exists() and bool(path.stat().st_mode & READERS)


def told(path: Path, why: str) -> str:
    mode = stat.S_IMODE(path.stat().st_mode)
    return f"other users of this machine can read {path} (mode {mode:o}), and {why}: `chmod 600 {path}`"
