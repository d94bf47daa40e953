"""A disk that may lose its power: what is on it for good after each operation, and what may be on it.

*Data.* What was written to a file is there for good once that file was synced. Of what was written since, each
sector may be as any of these writes left it, or as it was before them; the file may be as long as any of them
made it; a hole is zeros.

*Names.* An entry that was made in a folder, or taken away, is so for good once that folder was synced; syncing
the file itself does nothing for its name. What was not synced may be lost, in one of two ways:

    strict      each folder by itself has lost what came last in it, as far as POSIX promises nothing; only a
                rename is one thing, in both of its folders (what a file system without that loses cannot be kept)
    ordered     the disk as a whole is as it was at one moment, as with the journals of ext4 and XFS: there all
                names may be right while what was written into the files is not there
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Union

from .operations import Link, MakeFolder, Open, Operation, Remove, Rename, Sync, Truncate, Write

Way = Literal["strict", "ordered"]
SECTORS = (512, 4096)


@dataclass(eq=False)
class File:
    durable: bytes = b""
    pending: list[Write | Truncate] = field(default_factory=list)
    """What was done to its content since it was synced."""
    changes: int = 0
    """How many there were, for good or not."""
    mode: int = 0o644
    modified_ns: int | None = None
    """When the first content was written; None where it was not there from the beginning."""

    def current(self) -> bytes:
        content = self.durable
        for change in self.pending:
            content = changed(content, change)
        return content

    def change(self, change: Write | Truncate) -> None:
        self.pending.append(change)
        self.changes += 1

    def sync(self) -> None:
        if self.pending:
            self.durable, self.pending = self.current(), []

    def torn(self, draw: random.Random) -> bytes:
        """Its content after a power cut, in which every sector stopped at a moment of its own."""
        contents = [self.durable]
        for change in self.pending:
            contents.append(changed(contents[-1], change))
        sector = draw.choice(SECTORS)
        size = len(draw.choice(contents))
        parts = (
            draw.choice(contents)[at : at + sector].ljust(sector, b"\0") for at in range(0, size, sector)
        )
        return b"".join(parts)[:size]


def changed(content: bytes, change: Write | Truncate) -> bytes:
    """
    >>> changed(b"abc", Write("", b"X", 5)), changed(b"abc", Truncate("", 1))
    (b'abc\\x00\\x00X', b'a')
    """
    if isinstance(change, Truncate):
        return content[: change.size].ljust(change.size, b"\0")
    at = len(content) if change.at is None else change.at
    return content[:at].ljust(at, b"\0") + change.data + content[at + len(change.data) :]


Node = Union[File, "Folder"]


@dataclass(eq=False)
class Event:
    """An operation on names, as one thing: entries are set, or with None taken away."""

    number: int
    changes: tuple[tuple["Folder", str, Node | None], ...]

    @property
    def folders(self) -> "set[Folder]":
        return {folder for folder, _, _ in self.changes}


@dataclass(eq=False)
class Folder:
    durable: dict[str, Node] = field(default_factory=dict)
    pending: list[Event] = field(default_factory=list)
    """What was done to its entries since they were synced."""

    def entries(self, events: int | None = None) -> dict[str, Node]:
        """With the first so many of `pending`; by default with all."""
        found = dict(self.durable)
        for event in self.pending[:events]:
            self.apply(event, found)
        return found

    def apply(self, event: Event, entries: dict[str, Node]) -> None:
        for folder, name, node in event.changes:
            if folder is self:
                entries.pop(name, None)
                if node is not None:
                    entries[name] = node


class Disk:
    """The files of a home: at first all that is in `root`, for good."""

    def __init__(self, root: Path) -> None:
        self.events = 0
        self.ordered_durable = 0
        """So many events are for good where a disk keeps their order."""
        self.last_event: dict[Node, int] = {}
        known: dict[tuple[int, int], File] = {}
        self.root = loaded(root, known)
        self.files = list(known.values())
        """All that there ever were, in the order in which they came."""

    def find(self, path: str) -> Node:
        """Raises KeyError."""
        node: Node = self.root
        for name in Path(path).parts:
            if isinstance(node, File):
                raise KeyError(path)
            node = node.entries()[name]
        return node

    def parent(self, path: str) -> tuple[Folder, str]:
        folder = self.find(str(Path(path).parent))
        assert isinstance(folder, Folder)
        return folder, Path(path).name

    def file(self, path: str) -> File:
        found = self.find(path)
        assert isinstance(found, File), path
        return found

    def apply(self, operation: Operation) -> None:
        match operation:
            case Open(path, truncated):
                folder, name = self.parent(path)
                if name not in folder.entries():
                    self.files.append(File())
                    self.change((folder, name, self.files[-1]))
                elif truncated and self.file(path).current():
                    self.file(path).change(Truncate(path, 0))
            case Write(path) | Truncate(path):
                self.file(path).change(operation)
            case MakeFolder(path):
                self.change((*self.parent(path), Folder()))
            case Remove(path):
                self.change((*self.parent(path), None))
            case Rename(path, to):
                node = self.find(path)
                folder, name = self.parent(to)
                if folder.entries().get(name) is not node:  # else POSIX lets both names be
                    self.change((*self.parent(path), None), (folder, name, node))
            case Link(path, to):
                self.change((*self.parent(to), self.find(path)))
            case Sync(path):
                self.sync(self.find(path))

    def change(self, *changes: tuple[Folder, str, Node | None]) -> None:
        self.events += 1
        event = Event(self.events, changes)
        for folder in event.folders:
            folder.pending.append(event)
        for _, _, node in changes:
            if node is not None:
                self.last_event[node] = event.number

    def sync(self, node: Node) -> None:
        if isinstance(node, File):
            node.sync()
            self.ordered_durable = max(self.ordered_durable, self.last_event.get(node, 0))
        else:
            settle(node, len(node.pending))
            self.ordered_durable = self.events

    def folders(self) -> list[Folder]:
        """All that may be found after a power cut, in an order that is always the same."""
        found: dict[Folder, None] = {}
        waiting: list[Folder] = [self.root]
        while waiting:
            folder = waiting.pop(0)
            if folder not in found:
                found[folder] = None
                nodes = [*folder.durable.values()]
                nodes += [
                    node for event in folder.pending for _, _, node in event.changes if node is not None
                ]
                waiting += [node for node in nodes if isinstance(node, Folder)]
        return list(found)

    def kept(self, way: Way, draw: Callable[[int, int], int]) -> dict[Folder, int]:
        """How many of each folder's `pending` a power cut leaves; `draw` chooses between two numbers."""
        folders = self.folders()
        if way == "ordered":
            last = draw(self.ordered_durable, self.events)
            return {folder: sum(event.number <= last for event in folder.pending) for folder in folders}
        kept = {folder: draw(0, len(folder.pending)) for folder in folders}
        while (torn := next(half_kept(kept), None)) is not None:
            folder, count = torn
            kept[folder] = count
        return kept


def half_kept(kept: Mapping[Folder, int]) -> Iterator[tuple[Folder, int]]:
    """Folders from which half a rename is missing, and how many events they have to have for it."""
    for folder, count in kept.items():
        for event in folder.pending[:count]:
            for other in event.folders - {folder}:
                if event in other.pending[kept.get(other, 0) :]:
                    yield other, other.pending.index(event) + 1


def settle(folder: Folder, count: int) -> None:
    """Make the first so many of a folder's events durable, and what has to be with them."""
    events = folder.pending[:count]
    folder.pending = folder.pending[count:]
    for event in events:
        folder.apply(event, folder.durable)
    for event in events:
        for other in event.folders - {folder}:
            if event in other.pending:
                settle(other, other.pending.index(event) + 1)


def loaded(path: Path, known: dict[tuple[int, int], File]) -> Folder:
    """A folder as it is, for good; `known` are the files that were met, which may have several names."""
    folder = Folder()
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            folder.durable[entry.name] = loaded(Path(entry.path), known)
            continue
        status = entry.stat(follow_symlinks=False)
        identity = status.st_dev, status.st_ino
        if identity not in known:
            content = Path(entry.path).read_bytes()
            known[identity] = File(content, [], 0, status.st_mode & 0o777, status.st_mtime_ns)
        folder.durable[entry.name] = known[identity]
    return folder
