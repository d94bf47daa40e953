"""A file is taken by an atomic rename into `inbox/.claimed/<daemon id>/<run id>/<sub-folders>/<name>`.

The rename is the lock: two daemons on one folder never share a file. A daemon holds a lock on its own folder,
and only folders without a living owner are recovered. Beside a claimed file lies its journal, so that what
happened to it is known after a crash too.
"""

import errno
import os
import time
from collections.abc import Container, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from fxd.pipeline.claim import Claim, read_claim
from fxd.pipeline.files import (
    fitted,
    make_folder,
    name_without_replacing,
    numbered,
    split_name,
    sync_folder,
    usable_folder,
)
from fxd.pipeline.inbox import Candidate, lies_below_link
from fxd.store.records import Step

CLAIMED = ".claimed"
LOCK = ".lock"
MOST_READY = 64
UNBORN_SECONDS = 3600.0
"""A daemon needs a moment from the making of its folder to its name."""

UNCLAIMABLE = {
    errno.EXDEV: "it lies on another file system than the inbox",
    errno.ENAMETOOLONG: "its whole path is too long to be moved; shorten the names of its folders",
    errno.EACCES: "it may not be moved out of its folder; change the mode of that",
    errno.EPERM: "it may not be moved out of its folder; change the mode of that, or its owner",
    errno.EBUSY: "the system has it in use; end what uses it",
}
"""What keeps one file from being claimed, and no other."""


class Unclaimable(Exception):
    """A file cannot be claimed; the text says why, and what to do."""


class Claims:
    """The claims of one daemon on one inbox. Raises OSError where the inbox cannot be written."""

    def __init__(self, inbox: Path) -> None:
        self.inbox = inbox
        self.root = inbox / CLAIMED
        self.daemon_id = uuid4().hex
        self.folder = self.root / self.daemon_id
        self.ready: list[str] = []
        """Runs to come, whose folders are there for good."""
        self.made = 0
        self.lock, self.lock_file = self.open_folder()

    def open_folder(self) -> tuple[FileLock, os.stat_result]:
        # Locked before it has its name, so that nobody takes it for a dead daemon's.
        unborn = self.root / f".{self.daemon_id}"
        make_folder(unborn)
        lock = FileLock(unborn / LOCK)
        lock.acquire(timeout=0)
        try:
            unborn.rename(self.folder)
            sync_folder(self.root)
            self.ready = []
            return lock, (self.folder / LOCK).stat()
        except BaseException:
            lock.release()
            raise

    def hold_folder(self) -> bool:
        """Hold the folder that is there now: where the inbox was replaced or came back, the lock went with it.

        False where somebody else is just recovering what lies in it.
        """
        if not self.folder.is_dir():
            self.lock.release()
            self.lock, self.lock_file = self.open_folder()
            return True
        path = self.folder / LOCK
        if path.exists() and os.path.samestat(path.stat(), self.lock_file):
            return True
        self.lock.release()
        self.lock = FileLock(path)
        try:
            self.lock.acquire(timeout=0)
        except Timeout:
            return False
        self.lock_file = path.stat()
        return True

    def take(self, candidate: Candidate) -> Claim | None:
        """Claim a complete file; None where it is gone, somebody else was faster, or it changed just now.

        Raises Unclaimable where this one cannot be claimed, OSError where none can.
        """
        if not self.hold_folder():
            return None
        relative = candidate.path.relative_to(self.inbox)
        if lies_below_link(self.inbox, candidate.path):
            return None
        run_id = self.new_run()
        claim = Claim(run_id, self.folder / run_id, relative, candidate.signature, candidate.seen_at)
        try:
            return self.move_into(claim, candidate.path)
        except OSError as error:
            with suppress(OSError):  # it may hold the file, or its path be too long
                claim.remove()
            with suppress(OSError):
                claim.folder.rmdir()
            if error.errno in UNCLAIMABLE and not self.is_everybodys_trouble(error):
                raise Unclaimable(UNCLAIMABLE[error.errno]) from error
            raise

    def is_everybodys_trouble(self, error: OSError) -> bool:
        """Whether the inbox as a whole may not be written, and not only the folder of this file."""
        is_forbidden = error.errno in (errno.EACCES, errno.EPERM)
        at_the_claims = error.filename2 is None
        return is_forbidden and (at_the_claims or not os.access(self.inbox, os.W_OK))

    def move_into(self, claim: Claim, path: Path) -> Claim | None:
        # For good: a file that was renamed into a folder that a power cut takes away would be nowhere.
        make_folder(claim.source.parent)
        # Written before the rename: a claim is one once its file lies in it.
        seen = Step(claim.received_at, "seen", f"{claim.signature[0]} bytes")
        claim.note_all([seen, Step(datetime.now(UTC), "claimed")])
        try:
            path.rename(claim.source)
        except (FileNotFoundError, NotADirectoryError):
            claim.remove()
            return None
        if claim.changed():
            self.give_back(claim)
            return None
        return claim

    def new_run(self) -> str:
        """The id of a run, whose folder is there for good.

        A sync takes its time, so each that is needed makes twice as many as the one before.
        """
        if not self.ready:
            self.made = min(2 * self.made, MOST_READY) or 1
            self.ready = [uuid4().hex for _ in range(self.made)]
            for run_id in self.ready:
                (self.folder / run_id).mkdir()
            sync_folder(self.folder)
        return self.ready.pop()

    def give_back(self, claim: Claim) -> Path:
        """Put a claimed file back where it lay, under a numbered name if that place is taken now.

        Where that fails on the way the same call completes it; after a crash, the next start does.
        """
        if claim.returned is None:
            folder = self.inbox / usable_folder(self.inbox, claim.relative.parent)
            claim.returned = name_without_replacing(claim.source, folder, claim.relative.name)
        sync_folder(claim.returned.parent)
        claim.source.unlink(missing_ok=True)
        claim.remove()
        return claim.returned

    def recover(self) -> Iterator[Claim]:
        """The claims of daemons that are no more, now ours; what is half a claim is cleaned up."""
        for folder in sorted(self.root.iterdir()):
            if folder == self.folder:
                continue
            if folder.name.startswith("."):
                remove_unborn(folder)
                continue
            lock = FileLock(folder / LOCK)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                yield from self.adopt(folder)
            finally:  # whoever tries again must not take it for a living daemon's
                lock.release()
            # Whatever else somebody put there is not ours to remove.
            with suppress(OSError):
                (folder / LOCK).unlink(missing_ok=True)
                folder.rmdir()

    def lost(self, known: Container[str]) -> Iterator[Claim]:
        """Claims of this daemon that went away together with the inbox, and are back.

        `known` are the runs that it is still at.
        """
        if not self.folder.is_dir() or not self.hold_folder():
            return
        for folder in sorted(path for path in self.folder.iterdir() if path.is_dir()):
            if folder.name not in known and folder.name not in self.ready:
                yield from self.whole_claim(folder)

    def adopt(self, dead: Path) -> Iterator[Claim]:
        for folder in sorted(path for path in dead.iterdir() if path.is_dir()):
            with suppress(OSError):  # it holds something
                folder.rmdir()
                continue
            ours = self.folder / folder.name
            folder.rename(ours)
            sync_folder(self.folder)
            yield from self.whole_claim(ours)

    def whole_claim(self, folder: Path) -> Iterator[Claim]:
        """The claim in a folder of ours, if there is one; what is half a claim is cleaned up."""
        claim = read_claim(folder)
        if claim is None:
            remove_tree_of_folders(folder)
        elif self.lies_in_inbox(claim):
            claim.source.unlink()
            claim.remove()
        else:
            yield claim

    def lies_in_inbox(self, claim: Claim) -> bool:
        """Whether the file was being given back: it has its name in the inbox, and has not yet lost this one."""
        stem, suffix = split_name(claim.relative.name)
        for candidate in numbered(stem):
            found = self.inbox / claim.relative.parent / fitted(candidate, suffix)
            if not os.path.lexists(found):
                return False
            if os.path.samestat(found.lstat(), claim.source.lstat()):
                return True
        raise AssertionError("numbered names never end")

    def close(self) -> None:
        """Release the folder; what still lies in it is recovered by the next daemon."""
        self.lock.release()
        for run_id in self.ready:
            with suppress(OSError):  # the next daemon removes it
                (self.folder / run_id).rmdir()
        if [path.name for path in self.folder.iterdir()] in ([], [LOCK]):
            (self.folder / LOCK).unlink(missing_ok=True)
            self.folder.rmdir()


def remove_unborn(folder: Path) -> None:
    """Remove the folder of a daemon that died before it had its name; what is young may yet get one."""
    with suppress(OSError):
        if time.time() - folder.stat().st_mtime > UNBORN_SECONDS:
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def remove_tree_of_folders(folder: Path) -> None:
    """Remove a claim without a file: its journal and its empty folders."""
    for base, _, names in os.walk(folder, topdown=False):
        for name in names:
            Path(base, name).unlink()
        Path(base).rmdir()
