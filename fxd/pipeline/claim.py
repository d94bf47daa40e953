"""One file that was claimed, and its journal: what happened to it is known after a crash too."""

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath

from fxd.pipeline.files import display
from fxd.pipeline.inbox import Signature, signature
from fxd.store.records import Step

JOURNAL = ".journal"


@dataclass
class Claim:
    """One file that is ours until it is archived or given back."""

    id: str
    """Of the run, a UUID."""
    folder: Path
    relative: PurePath
    """Where it lay below the inbox, and where its outputs lie below the outbox."""
    signature: Signature
    received_at: datetime
    steps: list[Step] = field(default_factory=list)
    final: Path | None = None
    """In `done` or `failed`, once the original of the recorded run has got its second name there."""
    returned: Path | None = None
    """In the inbox, once a file that is given back has got its name there."""
    has_journal: bool = True
    """False for a file that is processed where it lies, outside of any inbox."""

    @property
    def source(self) -> Path:
        return self.folder / self.relative

    @property
    def file(self) -> str:
        """The name that people read."""
        return display(self.relative)

    def changed(self) -> bool:
        """Whether a writer that still had it open went on writing."""
        return signature(self.source) != self.signature

    def note(self, name: str, detail: str = "", at: datetime | None = None) -> None:
        """Write one step into the journal."""
        self.note_all([Step(at or datetime.now(UTC), name, detail)])

    def note_all(self, steps: Sequence[Step]) -> None:
        """Write several steps into the journal. Raises OSError, and knows of none of them then."""
        if self.has_journal:
            with (self.folder / JOURNAL).open("a", encoding="utf-8") as journal:
                journal.writelines(journal_line(step) for step in steps)
        self.steps += steps

    def note_if_there(self, step: Step) -> None:
        """Write one step into the journal; where somebody removed the claim, it is known here alone."""
        try:
            self.note_all([step])
        except FileNotFoundError:
            if self.folder.is_dir():
                raise
            self.steps.append(step)

    def is_gone(self) -> bool:
        """Whether somebody removed the claimed file."""
        return self.returned is None and signature(self.source) is None

    def deaths(self) -> int:
        """How many workers died of it so far."""
        return sum(step.name == "died" for step in self.steps)

    def remove(self) -> None:
        """Remove what is left of the claim once its file is elsewhere; also the rest of a cut-short removal."""
        (self.folder / JOURNAL).unlink(missing_ok=True)
        folder = self.source.parent
        while folder != self.folder.parent:
            with suppress(FileNotFoundError):
                folder.rmdir()
            folder = folder.parent


def read_claim(folder: Path) -> Claim | None:
    """The claim that lies in `folder`; None where it holds no file."""
    files = [Path(base, name) for base, _, names in os.walk(folder) for name in names if name != JOURNAL]
    if not files:
        return None
    found = signature(files[0])
    if found is None:
        return None
    steps = read_journal(folder / JOURNAL)
    received_at = steps[0].at if steps else datetime.now(UTC)
    return Claim(folder.name, folder, files[0].relative_to(folder), found, received_at, steps)


def journal_line(step: Step) -> str:
    return json.dumps({"at": step.at.isoformat(), "name": step.name, "detail": step.detail}) + "\n"


def read_journal(path: Path) -> list[Step]:
    """The steps written so far; a line cut short by a crash is left out."""
    if not path.exists():
        return []
    steps = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        steps.append(Step(datetime.fromisoformat(entry["at"]), entry["name"], entry["detail"]))
    return steps
