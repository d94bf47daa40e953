"""What can be done to the files of a home, as far as a disk is concerned."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Open:
    """A file is opened for writing; it is made where it is not there."""

    path: str
    """Below the home, as all paths here; empty for the home itself."""
    truncated: bool


@dataclass(frozen=True)
class Write:
    path: str
    data: bytes
    at: int | None
    """None at the end of the file."""


@dataclass(frozen=True)
class Truncate:
    path: str
    size: int


@dataclass(frozen=True)
class MakeFolder:
    path: str


@dataclass(frozen=True)
class Remove:
    """A name goes: of a file, or of an empty folder."""

    path: str


@dataclass(frozen=True)
class Rename:
    path: str
    to: str


@dataclass(frozen=True)
class Link:
    path: str
    to: str


@dataclass(frozen=True)
class Sync:
    path: str


@dataclass(frozen=True)
class Told:
    """Somebody who reads what the command says has read this."""

    text: str


Operation = Open | Write | Truncate | MakeFolder | Remove | Rename | Link | Sync | Told
