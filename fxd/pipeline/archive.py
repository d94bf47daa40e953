"""Where originals go: `inbox/done`, or `inbox/failed` with `<name>.error.txt` beside them."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path, PurePath

from fxd.pipeline.claim import Claim
from fxd.pipeline.files import (
    fitted,
    located,
    meant,
    move_without_replacing,
    name_without_replacing,
    usable_folder,
    write_text,
)
from fxd.pipeline.inbox import Signature, signature
from fxd.store.records import Run

ERROR_SUFFIX = ".error.txt"
LATE_SECONDS = 600.0


def to_done(claim: Claim, inbox: Path) -> Path:
    """Give the original of a recorded run its name in the archive.

    That is for good once the caller has synced the folder; only then it may remove the other name.
    """
    done = inbox / "done"
    folder = done / usable_folder(done, claim.relative.parent)
    return name_without_replacing(claim.source, folder, claim.relative.name)


def to_failed(claim: Claim, inbox: Path, reason: str) -> Path:
    """The same for an original in quarantine, its reason beside it under the same name."""
    failed = inbox / "failed"
    folder = failed / usable_folder(failed, claim.relative.parent)

    def belongs_to_another(final: Path) -> bool:
        note = error_note(final)
        return note.exists() and claim.id not in note.read_text(encoding="utf-8", errors="replace")

    def explained(final: Path) -> bool:
        # The reason is there before the file is, so that no crash leaves a file without its reason.
        if belongs_to_another(final) or (final.exists() and not final.samefile(claim.source)):
            return True
        write_text(error_note(final), error_text(claim, reason), writer=claim.id)
        return False

    return name_without_replacing(claim.source, folder, claim.relative.name, taken=explained)


def error_note(original: Path) -> Path:
    return original.with_name(fitted(original.name, ERROR_SUFFIX))


def run_of_note(note: Path) -> str | None:
    """The run that a note is about; None where this is no note of fxd's."""
    try:
        text = note.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    found = re.search(r"^Run: +([0-9a-f]{32})$", text, re.MULTILINE)
    return found[1] if found else None


def error_text(claim: Claim, reason: str) -> str:
    return (
        f"{claim.file} was not processed.\n\n"
        f"Reason:   {reason}\n"
        f"Received: {claim.received_at:%Y-%m-%d %H:%M:%S} UTC\n"
        f"Run:      {claim.id}\n\n"
        "Nothing was written to the outbox. Correct the file and drop it into the inbox again.\n"
    )


@dataclass
class LateWrites:
    """Originals archived a moment ago: a writer that only paused still has its file open and writes on.

    Such a file goes back to the inbox, so that it comes out whole in the end.
    """

    watched: dict[Path, tuple[PurePath, Signature, float]] = field(default_factory=dict)

    def watch(self, final: Path, claim: Claim) -> None:
        """Watch an archived original; what it was when it was claimed is what was processed."""
        self.watched[final] = (claim.relative, claim.signature, time.monotonic() + LATE_SECONDS)

    def watch_on(self, inbox: Path, runs: Sequence[Run]) -> None:
        """Watch what an earlier daemon archived, as far as a run tells: where it is, and how long it was."""
        now = datetime.now(UTC)
        for run in runs:
            left = LATE_SECONDS - (now - run.finished_at).total_seconds()
            places = [step.detail for step in run.steps if step.name == "archived"]
            kept_as = (places or ["."])[-1]
            final = located(inbox, kept_as)
            found = signature(final)
            if places and found is None and run_of_note(error_note(final)) == run.id:
                error_note(final).unlink(
                    missing_ok=True
                )  # it went back to the inbox, and the note was forgotten
            if left > 0 and found is not None:
                known = (run.bytes, *found[1:])
                file = run.file if final == inbox / kept_as else meant(run.file)
                self.watched[final] = (PurePath(file), known, time.monotonic() + min(left, LATE_SECONDS))

    def returned(self, inbox: Path) -> list[Path]:
        """Move what has changed since back into the inbox; returns where it lies now."""
        back = []
        for final, (relative, known, until) in list(self.watched.items()):
            found = signature(final)
            # Where there are no hard links, the archive is a copy: its inode is another one.
            has_changed = found is not None and found[:2] != known[:2]
            if has_changed:
                folder = inbox / usable_folder(inbox, relative.parent)
                back.append(move_without_replacing(final, folder, relative.name))
            if has_changed or found is None:
                # Where that fails, it is tried again: the file is gone then.
                error_note(final).unlink(missing_ok=True)
            if has_changed or found is None or time.monotonic() > until:
                del self.watched[final]
        return back
