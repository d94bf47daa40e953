"""What failed attempts had written, kept for whoever wants to know why: `outbox/.leftovers/<run>.<attempt>`.

As many as `[retention] attempts` says, the newest; none by default. A full disk keeps none.
"""

import shutil
from pathlib import Path

from fxd.pipeline.files import make_folder

LEFTOVERS = ".leftovers"


def put_aside(attempt: Path, keep: int) -> None:
    """Move the folder of an attempt that failed to the leftovers, and let the oldest of these go.

    An empty one is not kept. Raises OSError.
    """
    folder = attempt.parent.parent / LEFTOVERS
    if keep and attempt.is_dir() and any(attempt.iterdir()):
        make_folder(folder)
        attempt.rename(folder / attempt.name)
    trim(folder, keep)


def trim(folder: Path, keep: int) -> None:
    """Remove the oldest of the leftovers, so that `keep` remain, and the folder once it is empty."""
    if not folder.is_dir():
        return
    kept = sorted(folder.iterdir(), key=lambda path: path.lstat().st_ctime_ns)
    for path in kept[: max(0, len(kept) - keep)]:
        shutil.rmtree(path)
    if not keep:
        folder.rmdir()
