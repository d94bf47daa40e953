"""Removes what `[retention]` tells it to, oldest first; nothing unless told.

Only what is finished lies in these folders: an original comes to `done` or `failed`, and a result into the
outbox, when its run is recorded or about to be. What counts is the time of the move (ctime): an old recording
that was dropped today is new here.
"""

from pathlib import Path

from fxd.config import Settings

DAY_SECONDS = 86_400.0


def sweep(settings: Settings, now: float) -> list[Path]:
    """Remove what is older than its limit at `now` (seconds since the epoch); returns what was removed."""
    inbox, retention = settings.paths.inbox, settings.retention
    limits = (
        (inbox / "done", retention.done_days),
        (inbox / "failed", retention.failed_days),
        (settings.paths.outbox, retention.outbox_days),
    )
    removed = []
    for folder, days in limits:
        if days:
            for path in older_than(folder, now - days * DAY_SECONDS):
                path.unlink(missing_ok=True)
                removed.append(path)
    return removed


def older_than(folder: Path, moment: float) -> list[Path]:
    """The visible files below `folder` that came before `moment`, oldest first."""
    found = []
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.is_file() and not path.is_symlink():
            came = path.stat().st_ctime
            if came < moment:
                found.append((came, path))
    return [path for _, path in sorted(found)]
