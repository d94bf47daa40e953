"""Removes what `[retention]` tells it to, oldest first; nothing unless told, and nothing that is not recorded.

    where           what may go                                        what stays, however old
    inbox/done      originals of recorded runs                         what somebody else put there
    inbox/failed    originals whose `.error.txt` names a recorded run, what has no such note
                    and the note with its file
    outbox          outputs of recorded runs, as long as they were     what other programs made or changed
    the log         rotated files                                      the file that is written to

Links are never followed and never removed. What counts is the time of the move (ctime): an old recording that was
dropped today is new here. A folder that becomes empty goes, too. The run is told of it, so that `fxd why` knows.
"""

import os
import re
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loguru import logger

from fxd.config import Settings
from fxd.pipeline.archive import ERROR_SUFFIX, error_note, run_of_note
from fxd.pipeline.files import display, split_name
from fxd.store.records import Step
from fxd.store.store import Store

DAY_SECONDS = 86_400.0
SWEEP_SECONDS = 3600.0
AT_ONCE = 100
"""Files that are removed in one go: the daemon has others to attend to."""
NUMBERED = re.compile(r"\.\d+$")
ROTATED = r"\.\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d+(\.\d+)?"
"""What loguru puts between the stem and the suffix of a log file that it sets aside."""


@dataclass(frozen=True)
class Shelf:
    """A folder from which old files go, and how it is known which of them may."""

    root: Path
    days: float
    key: str
    """Of `[retention]`."""
    owner: Callable[[Path, int], str | None]
    """The recorded run that a file of so many bytes belongs to, "" where it needs none, None where it stays."""
    is_deep: bool = True
    """Whether files in sub-folders go, too."""


@dataclass(frozen=True)
class Old:
    """A file that is older than its limit."""

    path: Path
    status: os.stat_result
    shelf: Shelf


class Retention:
    """The sweeps of one home: one an hour, a hundred files at a time."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        self.pending: deque[Old] = deque()
        self.next_sweep = 0.0
        self.left: set[Path] = set()
        """What could not be removed, and was told of."""
        self.removed = 0

    @property
    def shelves(self) -> list[Shelf]:
        limits, paths = self.settings.retention, self.settings.paths
        log = Path(self.settings.logging.file) if self.settings.logging.file else None
        shelves = [
            Shelf(paths.inbox / "done", limits.done_days, "done_days", self.owner_of_original),
            Shelf(paths.inbox / "failed", limits.failed_days, "failed_days", self.owner_of_failed),
            Shelf(paths.outbox, limits.outbox_days, "outbox_days", self.owner_of_output),
        ]
        if log is not None:
            shelves.append(Shelf(log.parent, limits.log_days, "log_days", self.owner_of_log, is_deep=False))
        return [shelf for shelf in shelves if shelf.days]

    def tend(self) -> None:
        """Remove some of what is due. Raises StoreUnavailable; what cannot be removed is told of, once."""
        if not self.pending and time.monotonic() >= self.next_sweep:
            self.next_sweep = time.monotonic() + SWEEP_SECONDS
            self.look(time.time())
        some = [self.pending.popleft() for _ in range(min(AT_ONCE, len(self.pending)))]
        gone: list[tuple[str, Step]] = []
        try:
            for old in some:
                gone += self.remove(old)
        finally:
            if gone:
                self.store.add_steps(gone)

    def look(self, now: float) -> None:
        """Find what is older than its limit at `now` (seconds since the epoch), oldest first."""
        found = [
            Old(path, status, shelf)
            for shelf in self.shelves
            for path, status in visible_files(shelf.root, shelf.is_deep)
            if status.st_ctime < now - shelf.days * DAY_SECONDS and path not in self.left
        ]
        self.pending.extend(sorted(found, key=lambda old: old.status.st_ctime_ns))

    def remove(self, old: Old) -> Iterator[tuple[str, Step]]:
        """Remove a file if it may go; gives what its run is to be told of."""
        owner = old.shelf.owner(old.path, old.status.st_size)
        if owner is None:
            return
        try:
            if old.path.lstat().st_ctime_ns != old.status.st_ctime_ns:
                return  # another file has taken its place since
            old.path.unlink()
            if old.shelf.key == "failed_days":
                error_note(old.path).unlink(missing_ok=True)
            remove_empty(old.path.parent, old.shelf.root)
        except FileNotFoundError:
            return  # somebody was faster
        except OSError as error:
            self.left.add(old.path)
            logger.warning("{}: cannot be removed: {}", display(old.path), error.strerror)
            return
        self.removed += 1
        logger.info("{}: removed, as [retention] {} says", display(old.path), old.shelf.key)
        if owner:
            where = display(Path(old.shelf.root.name) / old.path.relative_to(old.shelf.root))
            detail = f"{where}: older than {old.shelf.days:g} days ([retention] {old.shelf.key})"
            yield owner, Step(datetime.now(UTC), "removed", detail)

    def owner_of_original(self, path: Path, size: int) -> str | None:
        stem, suffix = split_name(path.name)
        names = [display(path.name), display(NUMBERED.sub("", stem) + suffix)]
        kept_as = display(path.relative_to(self.settings.paths.inbox))
        return self.store.bringer_of(names, size, kept_as)

    def owner_of_failed(self, path: Path, _size: int) -> str | None:
        note = error_note(path)
        if path.name.endswith(ERROR_SUFFIX) and not note.exists():
            if path.with_name(path.name.removesuffix(ERROR_SUFFIX)).exists():
                return None  # it goes with its file
            note = path
        run_id = run_of_note(note)
        return run_id if run_id is not None and self.store.has_run(run_id) else None

    def owner_of_output(self, path: Path, size: int) -> str | None:
        return self.store.maker_of(display(path.relative_to(self.settings.paths.outbox)), size)

    def owner_of_log(self, path: Path, _size: int) -> str | None:
        log = Path(self.settings.logging.file)
        rotated = re.fullmatch(re.escape(log.stem) + ROTATED + re.escape(log.suffix), path.name)
        return "" if rotated and path.parent == log.parent else None


def visible_files(root: Path, is_deep: bool) -> Iterator[tuple[Path, os.stat_result]]:
    """The regular files below `root` that are not hidden, links left out; none where it is not there."""
    for base, folders, names in os.walk(root):
        folders[:] = [name for name in folders if is_deep and not name.startswith(".")]
        for name in names:
            path = Path(base, name)
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if not name.startswith(".") and stat.S_ISREG(status.st_mode):
                yield path, status


def remove_empty(folder: Path, root: Path) -> None:
    """Remove `folder` and the folders that it lies in, below `root`, as far as they are empty."""
    while folder != root and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
