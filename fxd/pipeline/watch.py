"""Looking at the inbox: events are hints, which may be lost, late or doubled; the folder is the truth."""

import errno
import logging
import os
import queue
import threading
import time
import warnings
from pathlib import Path

from loguru import logger
from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileCreatedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from fxd.pipeline.archive import LateWrites
from fxd.pipeline.claims import CLAIMED
from fxd.pipeline.files import display
from fxd.pipeline.inbox import OWN_FOLDERS, Inbox

EVENTS: list[type[FileSystemEvent]] = [FileCreatedEvent, FileMovedEvent, DirCreatedEvent, DirMovedEvent]
"""A file that is there is looked at until it is complete, so what is written to it need not be told."""

FLOOD_HINTS = 30
"""So many hints at once are a flood; the smallest queue in use holds some more."""
NO_WATCHES = (errno.ENOSPC, errno.EMFILE)
"""What the system says where one user's limit of watches, or of those who watch, is reached."""
LATE_LOOK_SECONDS = 2.0
"""How often originals that were archived a moment ago are looked at."""


class Hints(FileSystemEventHandler):
    """Hands the paths of events to the main loop; it does nothing else, as its thread dies of an exception."""

    def __init__(self, inbox: Path) -> None:
        self.own = tuple(str(inbox / name) for name in (*OWN_FOLDERS, CLAIMED))
        """Where fxd itself is at work, with every file: no reason to look at all others."""
        self.files: queue.SimpleQueue[Path] = queue.SimpleQueue()
        self.folder_changed = threading.Event()

    def on_any_event(self, event: FileSystemEvent) -> None:
        # A move out of the inbox has no destination.
        path = os.fsdecode(event.dest_path if event.event_type == "moved" else event.src_path)
        if not path or self.is_own(path):
            return
        if event.is_directory:
            # Files can arrive in a new folder before it is watched.
            self.folder_changed.set()
        else:
            self.files.put(Path(path))

    def is_own(self, path: str) -> bool:
        return any(path == own or path.startswith(own + os.sep) for own in self.own)

    def drain(self) -> list[Path]:
        """The files that were hinted at since the last call."""
        found = []
        while True:
            try:
                found.append(self.files.get_nowait())
            except queue.Empty:
                return found


class Overflow(logging.Handler):
    """Hears watchdog say that the kernel dropped events, which it says in its log alone.

    It throws away, too, what it had not yet passed on, so not even the first events of a flood need to arrive.
    """

    LOGGER = logging.getLogger("watchdog.observers.inotify_c")

    def __init__(self, hints: Hints) -> None:
        super().__init__(logging.WARNING)
        self.hints = hints

    def emit(self, record: logging.LogRecord) -> None:
        if "overflow" in record.msg:
            self.hints.folder_changed.set()

    def listen(self) -> None:
        self.LOGGER.setLevel(logging.WARNING)
        self.LOGGER.propagate = False
        self.LOGGER.addHandler(self)

    def stop(self) -> None:
        self.LOGGER.removeHandler(self)


class Watch:
    """A watchdog observer on one folder, that can tell whether it still sees that folder."""

    def __init__(self, root: Path, recursive: bool, hints: Hints) -> None:
        self.root = root
        self.recursive = recursive
        self.hints = hints
        self.observer: BaseObserver | None = None
        self.overflow = Overflow(hints)
        self.inode = 0

    def start(self) -> None:
        """Watch the folder that is there now. Raises OSError where it cannot be watched."""
        self.inode = self.root.stat().st_ino
        # It warns, at length, of a new folder that it finds twice, which takes nothing away.
        warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, module="watchdog")
        observer = Observer()
        try:
            observer.schedule(self.hints, str(self.root), recursive=self.recursive, event_filter=EVENTS)
            observer.start()
        except BaseException:
            observer.stop()  # it holds a thread and three descriptors from the moment that it is made
            raise
        self.observer = observer
        self.overflow.listen()

    def sees(self) -> bool:
        """False where the folder was replaced or a thread died: watchdog reports nothing then, silently."""
        if self.observer is None or not self.observer.is_alive():
            return False
        if not all(emitter.is_alive() for emitter in self.observer.emitters):
            return False
        return self.root.is_dir() and self.root.stat().st_ino == self.inode

    def stop(self) -> None:
        if self.observer is not None:
            self.observer.stop()
            self.observer.join(timeout=2)
            self.observer = None
            self.overflow.stop()


class Lookout:
    """Keeps an inbox's candidates up to date: hints at once, the folder itself now and then."""

    def __init__(self, inbox: Inbox, late_writes: LateWrites) -> None:
        self.inbox = inbox
        self.late_writes = late_writes
        self.hints = Hints(inbox.root)
        self.watch = Watch(inbox.root, inbox.settings.recursive, self.hints)
        self.next_scan = 0.0
        self.next_late_look = 0.0
        self.is_flooded = False
        self.is_blind = False
        """Whether the system had no watch left for it: tried again with every scan."""

    def look(self) -> bool:
        """Notice what is new; returns whether the whole folder was looked through.

        Raises OSError where the inbox cannot be read.
        """
        now = time.monotonic()
        is_told_of_none = self.inbox.settings.polling or (self.is_blind and now < self.next_scan)
        if not is_told_of_none and not self.watch.sees():
            self.watch.stop()
            self.start_watch()
            self.next_scan = now
        self.follow_hints(now)
        if now >= self.next_late_look:
            self.notice_late_writes()
            self.next_late_look = now + LATE_LOOK_SECONDS
        if now < self.next_scan:
            return False
        self.inbox.scan()
        settings = self.inbox.settings
        is_told = not (settings.polling or self.is_blind)
        self.next_scan = now + (settings.rescan_seconds if is_told else settings.settle_seconds)
        return True

    def start_watch(self) -> None:
        """Watch the folder; where the system has no watch left for it, it is looked through instead."""
        try:
            self.watch.start()
        except OSError as error:
            if error.errno not in NO_WATCHES:
                raise
            if not self.is_blind:
                logger.warning(
                    "{}: {}, so it is looked through every {:g} s; raise fs.inotify.max_user_watches or "
                    "fs.inotify.max_user_instances with sysctl",
                    display(self.inbox.root),
                    error.strerror,
                    self.inbox.settings.settle_seconds,
                )
            self.is_blind = True
        else:
            self.is_blind = False

    @property
    def has_scanned(self) -> bool:
        return self.next_scan > 0

    def follow_hints(self, now: float) -> None:
        hints = self.hints.drain()
        for path in hints:
            if self.inbox.root in path.parents:
                self.inbox.notice(path)
        # The kernel drops what its queue does not hold, and nobody tells of it: after a flood, look for the rest.
        was_flooded, self.is_flooded = self.is_flooded, len(hints) >= FLOOD_HINTS
        if self.hints.folder_changed.is_set() or (was_flooded and not self.is_flooded):
            self.hints.folder_changed.clear()
            self.next_scan = now

    def notice_late_writes(self) -> None:
        for path in self.late_writes.returned(self.inbox.root):
            logger.warning("{}: its writer went on; it is processed anew", display(path.name))
            self.inbox.notice(path)

    def stop(self) -> None:
        self.watch.stop()
