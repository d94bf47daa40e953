"""Whether two paths lead to one place, however they are written.

A folder has many names: through a link, with `..`, by another mount, and on a disk that ignores case by other
letters. Whoever compares paths as text takes two of them for two folders.
"""

import os
from pathlib import Path


def is_same_place(one: Path, other: Path) -> bool:
    """Whether both lead to one file or folder; where one of them is not there, whether they would."""
    try:
        return os.path.samefile(one, other)  # noqa: PTH121 - as the next line, it asks about two that may be missing
    except OSError:
        return os.path.realpath(one) == os.path.realpath(other)


def lies_in(path: Path, folder: Path) -> bool:
    """Whether `path` is `folder` or lies below it; neither has to be there."""
    # Unlike `Path.resolve`, this has an answer for links that lead to themselves.
    real = Path(os.path.realpath(path))
    return any(is_same_place(place, folder) for place in (real, *real.parents))


def has_another_spelling(path: Path) -> bool:
    """Whether what is found by this name is called otherwise: a disk that ignores case finds `Riff` by `riff`.

    Not by inodes: some disks of that kind number each way of writing a name by itself.
    """
    return os.path.lexists(path) and not any(entry.name == path.name for entry in path.parent.iterdir())
