"""What a run of the fuzzer keeps on disk: how far it came, and every file that found something."""

import json
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.arena import Bout


@dataclass
class Diary:
    """The tallies of one seed, in `folder`; a run that was cut short goes on from them."""

    folder: Path
    next: int = 0
    """All files below this number are done."""
    seconds: float = 0.0
    endings: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)
    slowest: float = 0.0
    peak_mb: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)
    """How often each was told, without its numbers."""

    def __post_init__(self) -> None:
        self.done: set[int] = set()
        self.began = time.monotonic()

    @classmethod
    def open(cls, folder: Path) -> "Diary":
        path = folder / "diary.json"
        if not path.exists():
            (folder / "findings").mkdir(parents=True, exist_ok=True)
            return cls(folder)
        return cls(folder, **json.loads(path.read_text()))

    def note(self, bout: Bout) -> None:
        """Count one file, and keep it where it found something."""
        self.endings = dict(Counter(self.endings) + Counter([bout.ending]))
        if bout.ending == "Fault":
            self.reasons = dict(Counter(self.reasons) + Counter([without_numbers(bout.reason)]))
        self.slowest = max(self.slowest, bout.seconds)
        self.peak_mb = max(self.peak_mb, bout.peak_mb)
        if bout.finding:
            self.keep(bout)
        self.done.add(bout.case.number)
        while self.next in self.done:
            self.done.remove(self.next)
            self.next += 1

    def keep(self, bout: Bout) -> None:
        case = bout.case
        path = self.folder / "findings" / case.name
        path.write_bytes(case.data)
        facts = {
            "number": case.number,
            "original": case.original,
            "changes": case.changes,
            "finding": bout.finding,
        }
        path.with_suffix(path.suffix + ".json").write_text(json.dumps(facts, indent=2))
        self.findings.append(f"{path.name}: {bout.finding.strip().splitlines()[-1]}")

    def save(self) -> None:
        now = time.monotonic()
        self.seconds += now - self.began
        self.began = now
        facts = asdict(self)
        facts.pop("folder")
        temporary = self.folder / "diary.tmp"
        temporary.write_text(json.dumps(facts, indent=1))
        temporary.replace(self.folder / "diary.json")


def without_numbers(reason: str) -> str:
    return "".join("#" if character.isdigit() else character for character in reason)[:120]
