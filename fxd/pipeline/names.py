"""Where outputs go below the outbox: names are chosen, and written down before the outputs get them.

`riff.wav` gives `riff.dsp.wav` and `riff.tcn.wav`; if another content has one of these names, both become
`riff.2`, and so on. After a crash between choosing and getting them the same run must choose the same names:
what lies in the outbox and belongs to no recorded run would count as somebody else's. One file serves all runs
that are published together.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from uuid import uuid4

from fxd.pipeline.files import fitted, numbered, split_name, usable_folder, write_text

Names = dict[str, PurePath]
"""Where the outputs of one run go below the outbox, by engine."""


class Manifests:
    """The names chosen for runs that are not archived yet, in files `names.<id>.json` of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chosen: dict[str, list[Names]] = {}
        """By run; several where an attempt had to be repeated after its names were lost to another run."""
        self.files: dict[Path, set[str]] = {}
        """The runs for which each file is still needed."""
        for path in sorted(folder.glob("names.*.json")):
            # A daemon at work on the same outbox removes its own as soon as their runs are archived.
            with suppress(FileNotFoundError):
                entries = json.loads(path.read_text(encoding="utf-8"))
                self.remember(path, {run_id: parsed(names) for run_id, names in entries.items()})

    def write(self, chosen: Mapping[str, Names]) -> None:
        """Write down the names of a group of runs, for good. Raises OSError."""
        path = self.folder / f"names.{uuid4().hex}.json"
        entries = {
            run_id: {engine: str(name) for engine, name in names.items()} for run_id, names in chosen.items()
        }
        write_text(path, json.dumps(entries))
        self.remember(path, chosen)

    def remember(self, path: Path, chosen: Mapping[str, Names]) -> None:
        self.files[path] = set(chosen)
        for run_id, names in chosen.items():
            self.chosen.setdefault(run_id, []).append(names)

    def names_of(self, run_id: str) -> list[Names]:
        """All names that were ever chosen for this run, oldest first."""
        return self.chosen.get(run_id, [])

    def forget(self, run_id: str) -> None:
        """Let go of a run that needs its names no more, and of the files that no other run needs."""
        if self.chosen.pop(run_id, None) is None:
            return
        for path, needed_by in list(self.files.items()):
            needed_by.discard(run_id)
            if not needed_by:
                path.unlink(missing_ok=True)
                del self.files[path]


def parsed(names: Mapping[str, str]) -> Names:
    return {engine: PurePath(name) for engine, name in names.items()}


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
        for names in self.manifests.names_of(run_id):
            # Not recorded means that this run put it there before a crash; recorded for another content means
            # that the name was lost meanwhile.
            if {self.holder(name, holders) for name in names.values()} <= {None, sha256}:
                return names
        folder = usable_folder(self.outbox, file.parent)
        stem, _ = split_name(file.name)
        for candidate in numbered(stem):
            names = {engine: folder / fitted(candidate, f".{engine}.wav") for engine in engines}
            if not any(self.is_taken(name, sha256, holders) for name in names.values()):
                return names
        raise AssertionError("numbered names never end")

    def holder(self, name: PurePath, holders: Mapping[PurePath, str]) -> str | None:
        return holders[name] if name in holders else self.owner_of(name)

    def is_taken(self, name: PurePath, sha256: str, holders: Mapping[PurePath, str]) -> bool:
        """Whether `name` in the outbox is somebody else's: not made from the same content, or not by us."""
        is_there = name in holders or (self.outbox / name).exists()
        return is_there and self.holder(name, holders) != sha256
