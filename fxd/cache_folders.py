"""Where fxd keeps what it could make again."""

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def cache_folders() -> Iterator[Path]:
    """Folders for caches, the best first; not all of them can be written."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        yield Path(chosen).absolute()
    else:
        wanted = Path(os.environ.get("XDG_CACHE_HOME", ""))
        if wanted.is_absolute():
            yield wanted
        with suppress(RuntimeError):  # there is no such user
            yield Path.home() / ".cache"
    with suppress(OSError):
        yield temporary_folder()


def temporary_folder() -> Path:
    """A folder for this user's temporary files. Raises OSError where there is none.

    What lies there is executed: a folder that another user made, or may write into, is not taken.
    """
    folder = Path(tempfile.gettempdir()) / f"fxd-cache-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="fxd-cache-"))
