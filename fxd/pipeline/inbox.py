"""Which files in the inbox are complete: the folder is the truth, events are hints.

A file is complete when its size and modification time have been still for `settle_seconds` *while being
watched*, whether an event or a scan found it, and no other program has it open for writing. Not taken at all:

    half-copied names   `.part`, `.tmp`, `.crdownload`, `~`, leading dot: they wait for their rename
    other kinds         links, folders, FIFOs, sockets, devices
    other names         what `[inbox] patterns` leaves out
    our own folders     `inbox/done`, `inbox/failed`, `inbox/.claimed`
"""

import errno
import fcntl
import heapq
import os
import signal
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from itertools import count
from pathlib import Path

from loguru import logger

from fxd.config import InboxSettings
from fxd.pipeline.files import display
from fxd.places import has_another_spelling

OWN_FOLDERS = ("done", "failed")
TEMPORARY_NAMES = (".*", "*~", "*.part", "*.tmp", "*.crdownload", "*.filepart", "*.partial", "*.!ut", "~$*")
OPEN_PATIENCE_SECONDS = 60.0
"""A program that keeps a still file open for writing is believed for this long: some never close."""

UNREADABLE = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
"""What keeps a sub-folder from being read, and nothing else."""

LOOK_SECONDS = 0.05
SHORTEST_LOOK_SECONDS = 0.001

Signature = tuple[int, int, int]


def signature(path: Path) -> Signature | None:
    """Size, modification time and inode of a regular file; None where there is none."""
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def lies_below_link(root: Path, path: Path) -> bool:
    """Whether one of the folders between `root` and `path` is a link, which may lead anywhere."""
    return any(folder.is_symlink() for folder in path.parents if root in folder.parents)


def is_open_for_writing(path: Path) -> bool:
    """Whether another process has `path` open for writing; False where the system cannot tell.

    Linux grants a read lease only on a file that nobody has open for writing.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # A writer that opens the file just now breaks the lease by a signal: SIGIO would end the process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False


@dataclass
class Candidate:
    """A file in the inbox that is being watched until it is complete."""

    path: Path
    signature: Signature
    still_since: float
    """Monotonic seconds."""
    seen_at: datetime
    next_look: float
    """Monotonic seconds; not looked at before."""


class Inbox:
    """The files below `root` that may be taken, and which of them are complete."""

    def __init__(
        self, root: Path, settings: InboxSettings, own_folders: tuple[str, ...] = OWN_FOLDERS
    ) -> None:
        self.root = root
        self.settings = settings
        self.own_folders = own_folders
        self.candidates: dict[Path, Candidate] = {}
        self.left_alone: set[Path] = set()
        """What cannot be taken or read: tried again with every scan, but told of once."""
        self.looks: list[tuple[float, int, Candidate]] = []
        """A heap: when each candidate is to be looked at next, and a ticket that settles ties."""
        self.tickets = count()

    def why_ignored(self, path: Path) -> str | None:
        """Why a file below the inbox is not taken, as a sentence's end; None where it is."""
        relative = path.relative_to(self.root)
        if self.is_own(relative.parts[0]):
            return f"it lies in {relative.parts[0]}/, where originals are kept"
        if any(part.startswith(".") for part in relative.parts[:-1]):
            return "it lies in a hidden folder"
        if lies_below_link(self.root, path):
            return "it lies in a linked folder"
        if len(relative.parts) > 1 and not self.settings.recursive:
            return "[inbox] recursive is false"
        if any(fnmatch(path.name.lower(), pattern) for pattern in TEMPORARY_NAMES):
            return "its name says that it is unfinished; it is taken once it is renamed"
        if not any(fnmatch(path.name, pattern) for pattern in self.settings.patterns):
            return f"its name fits none of [inbox] patterns {list(self.settings.patterns)}"
        if signature(path) is None:
            return "it is no regular file (links, pipes and devices are left alone)"
        return None

    def scan(self) -> None:
        """Look through the whole folder. Raises OSError where the inbox cannot be read."""
        for path in self.files_below(self.root):
            self.notice(path)

    def files_below(self, folder: Path) -> list[Path]:
        found = []
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if self.may_enter(folder, entry.name):
                        found += self.files_below_or_none(Path(entry.path))
                else:
                    found.append(Path(entry.path))
        return found

    def files_below_or_none(self, folder: Path) -> list[Path]:
        try:
            return self.files_below(folder)
        except (FileNotFoundError, NotADirectoryError):
            return []  # removed since its parent was read
        except OSError as error:
            if error.errno not in UNREADABLE:
                raise
            # One folder is in the way of no other file.
            self.leave_alone(folder, error.strerror or "")
            return []

    def may_enter(self, folder: Path, name: str) -> bool:
        own = folder == self.root and self.is_own(name)
        return self.settings.recursive and not own and not name.startswith(".")

    def is_own(self, name: str) -> bool:
        """Whether `name`, right below the inbox, is one of fxd's own folders.

        On a disk that ignores case, `Done` is: what is archived would else be found there, and processed again.
        """
        own = name.casefold()
        return name in self.own_folders or (own in self.own_folders and has_another_spelling(self.root / own))

    def notice(self, path: Path, hold_seconds: float = 0.0) -> None:
        """Watch `path` from now on, if it may be taken; for `hold_seconds` at least, unless it changes."""
        if path in self.candidates or self.why_ignored(path) is not None:
            return
        found = signature(path)
        if found is not None:
            now = time.monotonic()
            next_look = now + self.settings.settle_seconds
            self.watch(Candidate(path, found, now + hold_seconds, datetime.now(UTC), next_look))

    def watch(self, candidate: Candidate) -> None:
        self.candidates[candidate.path] = candidate
        self.plan_look(candidate)

    def plan_look(self, candidate: Candidate) -> None:
        heapq.heappush(self.looks, (candidate.next_look, next(self.tickets), candidate))

    def next_complete(self) -> Candidate | None:
        """The first candidate that is complete now, or None; `forget` it once it is taken.

        They come in the order in which they were seen, but for those that were looked at before. Takes no longer
        where more of them wait: only those are looked at whose time has come.
        """
        now = time.monotonic()
        while self.looks and self.looks[0][0] <= now:
            _, _, candidate = heapq.heappop(self.looks)
            if self.candidates.get(candidate.path) is not candidate:
                continue  # forgotten meanwhile
            found = signature(candidate.path)
            if found is None:
                del self.candidates[candidate.path]
                continue
            is_complete = self.is_complete(candidate, found, now)
            self.plan_look(candidate)
            if is_complete:
                return candidate
        return None

    def is_complete(self, candidate: Candidate, found: Signature, now: float) -> bool:
        if found != candidate.signature:
            candidate.signature = found
            candidate.still_since = now
        still_seconds = now - candidate.still_since
        settle_seconds = self.settings.settle_seconds
        pause = min(max(LOOK_SECONDS, settle_seconds - still_seconds), settle_seconds)
        candidate.next_look = now + max(pause, SHORTEST_LOOK_SECONDS)
        if still_seconds < settle_seconds:
            return False
        return still_seconds > OPEN_PATIENCE_SECONDS or not is_open_for_writing(candidate.path)

    def leave_alone(self, path: Path, reason: str) -> None:
        """Let go of what is in the way of no other file, and say so once."""
        self.forget(path)
        if path not in self.left_alone:
            self.left_alone.add(path)
            logger.error("{}: left alone: {}", display(path), reason)

    def forget(self, path: Path) -> None:
        self.candidates.pop(path, None)
