"""Where outputs go below the outbox: names are chosen, and written down before the outputs get them.

`riff.wav` gives `riff.dsp.wav` and `riff.tcn.wav`; if another content has one of these names, both become
`riff.2`, and so on. After a crash between choosing and getting them the same run must choose the same names:
what lies in the outbox and belongs to no recorded run would count as somebody else's. So it is written down too
by what each output is known again. One file serves all runs that are published together.
"""

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from uuid import uuid4

from fxd.pipeline.files import fitted, numbered, split_name, usable_folder, write_text
from fxd.pipeline.inbox import signature
from fxd.places import has_another_spelling

Names = dict[str, PurePath]
"""Where the outputs of one run go below the outbox, by engine."""
Mark = tuple[int, int]
"""Size and modification time (ns) of a file: a link or a rename leaves them as they are."""


@dataclass(frozen=True)
class Choice:
    """The names that one attempt has chosen, and by what its outputs are known; both by engine."""

    names: Names
    marks: dict[str, Mark]


def mark(path: Path) -> Mark:
    """By what an output is known again. Raises FileNotFoundError where there is none."""
    found = signature(path)
    if found is None:
        raise FileNotFoundError(f"{path} is gone")
    # Without the inode: some file systems number their files anew with every mount.
    return found[:2]


class Manifests:
    """The names chosen for runs that are not archived yet, in files `names.<id>.json` of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chosen: dict[str, list[Choice]] = {}
        """By run; several where an attempt had to be repeated, or its names were lost to another run."""
        self.files: dict[Path, set[str]] = {}
        """The runs for which each file is still needed."""
        for path in sorted(folder.glob("names.*.json")):
            # A daemon at work on the same outbox removes its own as soon as their runs are archived.
            with suppress(FileNotFoundError):
                entries = json.loads(path.read_text(encoding="utf-8"))
                self.remember(path, {run_id: parsed(entry) for run_id, entry in entries.items()})

    def write(self, chosen: Mapping[str, Choice]) -> None:
        """Write down the choices of a group of runs, for good. Raises OSError."""
        path = self.folder / f"names.{uuid4().hex}.json"
        write_text(path, json.dumps({run_id: entry_of(choice) for run_id, choice in chosen.items()}))
        self.remember(path, chosen)

    def remember(self, path: Path, chosen: Mapping[str, Choice]) -> None:
        self.files[path] = set(chosen)
        for run_id, choice in chosen.items():
            self.chosen.setdefault(run_id, []).append(choice)

    def choices_of(self, run_id: str) -> list[Choice]:
        """All that was ever chosen for this run, oldest first."""
        return self.chosen.get(run_id, [])

    def age_of(self, run_id: str) -> float:
        """Seconds since this run chose names last; it must have."""
        paths = (path for path, needed_by in self.files.items() if run_id in needed_by)
        return time.time() - max(path.stat().st_mtime for path in paths)

    def forget(self, run_id: str) -> None:
        """Let go of a run that needs its names no more, and of the files that no other run needs."""
        if self.chosen.pop(run_id, None) is None:
            return
        for path, needed_by in list(self.files.items()):
            needed_by.discard(run_id)
            if not needed_by:
                path.unlink(missing_ok=True)
                del self.files[path]


def entry_of(choice: Choice) -> dict[str, tuple[str, Mark]]:
    return {engine: (str(name), choice.marks[engine]) for engine, name in choice.names.items()}


def parsed(entry: Mapping[str, tuple[str, Sequence[int]]]) -> Choice:
    return Choice(
        {engine: PurePath(name) for engine, (name, _) in entry.items()},
        {engine: (size, moment) for engine, (_, (size, moment)) in entry.items()},
    )


class OutputNames:
    """Chooses names in one outbox, of which none is somebody else's.

    `owner_of` tells the SHA-256 of the input that an output was made from, None where no recorded run made it.
    """

    def __init__(
        self, outbox: Path, manifests: Manifests, owner_of: Callable[[PurePath], str | None]
    ) -> None:
        self.outbox = outbox
        self.manifests = manifests
        self.owner_of = owner_of

    def choose(
        self,
        run_id: str,
        file: PurePath,
        engines: Sequence[str],
        sha256: str,
        holders: Mapping[PurePath, str],
    ) -> Names:
        """The names for a run of `file`, a path below the inbox, whose content has this hash.

        `holders` are the names that runs of the same group have chosen, with the SHA-256 of their inputs.
        """
        for choice in self.manifests.choices_of(run_id):
            if not any(self.is_taken(run_id, name, sha256, holders) for name in choice.names.values()):
                return choice.names
        self.take_back(run_id)
        folder = usable_folder(self.outbox, file.parent)
        stem, _ = split_name(file.name)
        for candidate in numbered(stem):
            names = {engine: folder / fitted(candidate, f".{engine}.wav") for engine in engines}
            if not any(self.is_taken(run_id, name, sha256, holders) for name in names.values()):
                return names
        raise AssertionError("numbered names never end")

    def is_taken(self, run_id: str, name: PurePath, sha256: str, holders: Mapping[PurePath, str]) -> bool:
        """Whether `name` in the outbox is somebody else's: made from another content, and not by this run."""
        if name in holders:
            return holders[name] != sha256
        if not os.path.lexists(self.outbox / name):
            return False
        owner = self.owner_of(name)
        return owner != sha256 and not (owner is None and self.is_of(run_id, name))

    def is_of(self, run_id: str, name: PurePath) -> bool:
        """Whether this run put there what has the name now."""
        found = signature(self.outbox / name)
        is_known = found is not None and any(
            own == name and choice.marks[engine] == found[:2]
            for choice in self.manifests.choices_of(run_id)
            for engine, own in choice.names.items()
        )
        # Disks that ignore case often keep times to two seconds, too: a mark may fit another run's file.
        return is_known and not any(
            has_another_spelling(self.outbox / part) for part in (name, *name.parents) if part.name
        )

    def take_back(self, run_id: str) -> None:
        """Remove what this run, which is not recorded, put under names that it cannot keep."""
        for choice in self.manifests.choices_of(run_id):
            for name in choice.names.values():
                if self.is_of(run_id, name) and self.owner_of(name) is None:
                    (self.outbox / name).unlink(missing_ok=True)
