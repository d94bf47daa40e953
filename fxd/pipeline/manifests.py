"""The names that outputs are about to get, written down before they get them.

After a crash between the two the same run must choose the same names: what lies in the outbox and belongs to no
recorded run would count as somebody else's. One file serves all runs that are published together.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePath
from uuid import uuid4

from fxd.pipeline.files import write_text

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
