"""What a power cut leaves of a home, as a folder to start from."""

import os
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

from .disk import Disk, File, Folder, Way

UNREAD = ("db/fxd.log", "db/status.json", "db/status.tmp")
"""Nobody reads at a start what these say."""
LEAST, BARE = 0, -1


@dataclass(frozen=True)
class State:
    """One of the states in which a power cut may leave a home."""

    scenario: str
    cut: int
    """So many of the traced operations were made."""
    way: Way
    draw: int
    """`LEAST`: nothing that was not synced is there; `BARE`: all names are, and no data; else a random seed."""

    def __str__(self) -> str:
        return f"{self.scenario}:{self.cut}:{self.way}:{self.draw}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """The state that `str` gave. Raises ValueError where it is none."""
        scenario, cut, way, draw = text.split(":")
        if way not in ("strict", "ordered"):
            raise ValueError(f"{text}: a disk that is {way} is not known")
        return cls(scenario, int(cut), way, int(draw))  # type: ignore[arg-type]


@dataclass
class Image:
    """The files and folders of a home."""

    folders: list[str] = field(default_factory=list)
    names: dict[str, File] = field(default_factory=dict)
    contents: dict[File, bytes] = field(default_factory=dict)
    modified_ns: dict[File, int] = field(default_factory=dict)
    """Where it is known; elsewhere a file is as old as its image."""

    def digest(self) -> str:
        """The same for two images between which a start of `fxd` can tell no difference."""
        digest = sha256(repr(self.folders).encode())
        numbers: dict[File, int] = {}
        for name, file in sorted(self.names.items()):
            content = b"" if name in UNREAD else self.contents[file]
            what = (name, numbers.setdefault(file, len(numbers)), len(content), self.modified_ns.get(file))
            digest.update(repr(what).encode("utf-8", "surrogateescape"))
            digest.update(content)
        return digest.hexdigest()[:32]

    def write(self, home: Path) -> None:
        """Make the folder `home`, which is not there yet."""
        home.mkdir(parents=True)
        for folder in self.folders:
            (home / folder).mkdir()
        written: dict[File, Path] = {}
        for name, file in self.names.items():
            path = home / name
            if file in written:
                os.link(written[file], path)
                continue
            written[file] = path
            path.write_bytes(self.contents[file])
            path.chmod(file.mode)
            if (moment := self.modified_ns.get(file)) is not None:
                os.utime(path, ns=(moment, moment))


def image_of(disk: Disk, state: State, endings: Mapping[int, tuple[int, int]] | None = None) -> Image:
    """A state of the disk as it is now.

    `endings` tells of files, by their place in `disk.files`, how many changes they see in all and when the last
    one was (ns).
    """
    draw = random.Random(str(state))
    least = {LEAST: lambda low, _: low, BARE: lambda _, high: high}.get(
        state.draw, lambda low, high: draw.choice((low, high, draw.randint(low, high)))
    )
    image = Image()
    collect(disk.root, "", disk.kept(state.way, least), image)
    endings = endings or {}
    last = {disk.files[number]: ending for number, ending in endings.items() if number < len(disk.files)}
    for file in dict.fromkeys(image.names.values()):
        how = draw.choice(("durable", "current", "torn")) if state.draw > 0 else "durable"
        image.contents[file] = {
            "durable": lambda file=file: file.durable,
            "current": file.current,
            "torn": lambda file=file: file.torn(draw),
        }[how]()
        changes, moment = last.get(file, (-1, 0))
        if file.modified_ns is not None and not file.changes:
            image.modified_ns[file] = file.modified_ns
        elif file.changes == changes and not file.pending:
            image.modified_ns[file] = moment
    return image


def collect(folder: Folder, name: str, kept: Mapping[Folder, int], image: Image) -> None:
    """The names in and below a folder."""
    for child, node in sorted(folder.entries(kept[folder]).items()):
        path = f"{name}/{child}" if name else child
        if isinstance(node, File):
            image.names[path] = node
        else:
            image.folders.append(path)
            collect(node, path, kept, image)
