"""Disks that are full, or not there.

A mounted disk that goes away leaves an empty folder behind, on the disk below. What is written there is out of
sight once the disk is back, so it is waited for instead.
"""

import errno
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from fxd.pipeline.files import display


@dataclass(frozen=True)
class Mount:
    """Where the disk of a folder was mounted when this was made."""

    folder: Path
    point: Path

    @classmethod
    def of(cls, folder: Path) -> "Mount":
        """The mount point of a folder that is there, or is still to be made."""
        return cls(folder, next(place for place in (folder, *folder.parents) if os.path.ismount(place)))

    def check(self) -> None:
        """Raise OSError where the disk is not there now."""
        if not os.path.ismount(self.point):
            text = f"its disk is not mounted on {display(self.point)}; mount it again"
            raise OSError(errno.ENODEV, text, display(self.folder))


def shortage(error: OSError, folder: Path, needed: int) -> OSError:
    """The same error, saying how much is missing where it is that the disk of `folder` is full.

    `needed` are the bytes that `folder` is to hold in the end.
    """
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return error
    there = sum(path.stat().st_size for path in folder.iterdir())
    missing = needed - there - shutil.disk_usage(folder).free
    amount = f"{missing / 1e6:,.1f} MB are missing" if missing > 0 else "room is missing"
    return OSError(error.errno, f"{error.strerror}: {amount} for the results", display(folder.parent))
