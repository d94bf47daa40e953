"""The one place that makes a file appear: whole or not at all, under a name that nobody else has.

A file is written beside its final place, synced, and renamed; then its folder is synced, since a rename
that is not in the folder on disk is gone after a power cut.
"""

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from itertools import count
from pathlib import Path, PurePath

STEERING = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Characters that do something to what is written around them."""
ESCAPED = re.compile(rb"\\(x[0-9a-f]{2}|u[0-9a-f]{4})")
NO_HARD_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL, errno.EMLINK)
"""What file systems say that have none, or not one more for this file."""
NAME_BYTES = 255
"""The longest name that the common filesystems take."""


def display(path: PurePath | str) -> str:
    r"""Text that is safe in a terminal, a log line and a database: bytes that are no UTF-8, control characters
    and those that turn the direction of writing stand as escapes.

    >>> display(Path(os.fsdecode(b"caf\xe9\n.wav")))
    'caf\\xe9\\x0a.wav'
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return STEERING.sub(lambda match: escape(match[0]), text)


def escape(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def meant(text: str) -> str:
    r"""The name that `display` shows so, if none of its own letters look like an escape.

    >>> meant("caf\\xe9.wav") == os.fsdecode(b"caf\xe9.wav")
    True
    """
    # In bytes, so that several that are no UTF-8 one by one are put together as they were.
    raw = ESCAPED.sub(lambda match: unescaped(match[1]), os.fsencode(text))
    return os.fsdecode(raw)


def unescaped(escape: bytes) -> bytes:
    code = int(escape[1:], 16)
    return bytes([code]) if escape.startswith(b"x") else chr(code).encode()


def located(folder: Path, shown: str) -> Path:
    """The file below `folder` that `display` shows so; as it reads, where there is one of that name."""
    as_it_reads = folder / shown
    return as_it_reads if os.path.lexists(as_it_reads) else folder / meant(shown)


def fitted(stem: str, suffix: str) -> str:
    """`stem + suffix`, the stem shortened and marked with its hash where a filesystem would refuse the name.

    >>> fitted("riff", ".dsp.wav")
    'riff.dsp.wav'
    >>> len(fitted("r" * 300, ".dsp.wav"))
    255
    """
    room = NAME_BYTES - len(os.fsencode(suffix))
    raw = os.fsencode(stem)
    if len(raw) <= room:
        return stem + suffix
    mark = "~" + sha256(raw).hexdigest()[:8]
    cut = raw[: room - len(mark)]
    # A character of several bytes is never cut in two; names that are no UTF-8 have none.
    while cut and (raw[len(cut)] & 0xC0) == 0x80:
        cut = cut[:-1]
    return os.fsdecode(cut) + mark + suffix


def numbered(stem: str) -> Iterator[str]:
    """The stems to try, in order: `riff`, `riff.2`, `riff.3`, ..."""
    yield stem
    for number in count(2):
        yield f"{stem}.{number}"


def split_name(name: str) -> tuple[str, str]:
    """Stem and suffix of a file name; an ending too long to be one belongs to the stem."""
    stem, suffix = PurePath(name).stem, PurePath(name).suffix
    return (stem, suffix) if len(os.fsencode(suffix)) <= 16 else (name, "")


def sync_folder(folder: Path) -> None:
    """Make what was renamed into or out of `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folders(folders: Iterable[Path]) -> None:
    """The same for several renames at once: every folder among them is synced once."""
    for folder in dict.fromkeys(folders):
        sync_folder(folder)


def sync_file(path: Path) -> None:
    """Make the content of `path` survive a power cut; raises OSError where the disk could not keep it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(folder: Path) -> None:
    """Create `folder` and its parents, and sync the parents that gained an entry."""
    if folder.is_dir():
        return
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for created in reversed(missing):
        sync_folder(created.parent)


def nearest_folder(path: Path) -> Path:
    """`path`, or of the folders above it the nearest one that is there."""
    # Not by `Path.is_dir`: it raises where a path is too long.
    return next(folder for folder in (path, *path.parents) if os.path.isdir(folder))  # noqa: PTH112


def appear(temporary: Path, final: Path) -> None:
    """Rename a synced file to its final name, replacing what is there, for good."""
    place(temporary, final)
    sync_folder(final.parent)


def place(temporary: Path, final: Path) -> None:
    """The same for one of several: it is for good once the caller has synced the folder, too."""
    make_folder(final.parent)
    try:
        temporary.replace(final)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # The two lie on different file systems: copied beside its final place, and renamed there.
        with whole_file(final) as copy:
            shutil.copyfile(temporary, copy)
        temporary.unlink()


def place_new(temporary: Path, final: Path) -> bool:
    """The same, but never over what is there; False where another file has the name, or took it just now.

    Where there are hard links, `temporary` stays as a second name of the file.
    """
    make_folder(final.parent)
    try:
        os.link(temporary, final, follow_symlinks=False)
    except FileExistsError:
        return os.path.samestat(temporary.lstat(), final.lstat())
    except FileNotFoundError:
        raise
    except OSError:
        # No hard links here (exFAT, some network shares): nothing else spares what is there in one step.
        if os.path.lexists(final):
            return False
        temporary.replace(final)
    return True


def usable_folder(root: Path, relative: PurePath) -> PurePath:
    """`relative`, with a number on every part of it whose name below `root` belongs to a file."""
    usable = PurePath()
    for part in relative.parts:
        names = (usable / fitted(candidate, "") for candidate in numbered(part))
        usable = next(name for name in names if (root / name).is_dir() or not os.path.lexists(root / name))
    return usable


def nothing_taken(_: Path) -> bool:
    return False


def move_without_replacing(
    source: Path, folder: Path, name: str, taken: Callable[[Path], bool] = nothing_taken
) -> Path:
    """Move `source` into `folder` as `name` or, where that is taken, the next numbered name.

    `taken` may rule out further names. A move that was cut short (one file under both names) is completed.
    Returns the final path.
    """
    final = name_without_replacing(source, folder, name, taken)
    sync_folder(folder)
    source.unlink(missing_ok=True)
    sync_folder(source.parent)
    return final


def name_without_replacing(
    source: Path, folder: Path, name: str, taken: Callable[[Path], bool] = nothing_taken
) -> Path:
    """The first half of such a move: `source` has its second name, for good once `folder` is synced."""
    make_folder(folder)
    stem, suffix = split_name(name)
    for candidate in numbered(stem):
        final = folder / fitted(candidate, suffix)
        if not taken(final) and take_name(source, final):
            return final
    raise AssertionError("numbered names never end")


def take_name(source: Path, final: Path) -> bool:
    """Give `source` the second name `final`; False where another file has it."""
    try:
        os.link(source, final, follow_symlinks=False)
    except FileExistsError:
        return os.path.samestat(source.lstat(), final.lstat())
    except OSError as error:
        if error.errno not in NO_HARD_LINKS:
            raise
        # exFAT, some network shares: exclusive creation reserves the name instead.
        return reserve_and_replace(source, final)
    return True


def reserve_and_replace(source: Path, final: Path) -> bool:
    """The same without hard links: an empty file holds the name until a copy replaces it."""
    try:
        final.touch(exist_ok=False)
    except FileExistsError:
        return False
    try:
        with whole_file(final) as temporary:
            shutil.copy2(source, temporary)
    except BaseException:
        final.unlink(missing_ok=True)
        raise
    return True


@contextmanager
def whole_file(final: Path, writer: str | None = None) -> Iterator[Path]:
    """A temporary path beside `final`; what was written there appears as `final` when the block ends well.

    `writer` names whoever writes there, the process if it is not given. One that is the same after a crash
    writes over what it had left behind.
    """
    make_folder(final.parent)
    temporary = final.with_name(fitted(f".{final.name}", f".{writer or os.getpid()}.tmp"))
    try:
        yield temporary
        sync_file(temporary)
        appear(temporary, final)
    except BaseException:
        with suppress(OSError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)
        raise


def write_text(final: Path, text: str, writer: str | None = None) -> None:
    """`text` as UTF-8 in `final`, whole or not at all; `writer` as for `whole_file`."""
    with whole_file(final, writer) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
