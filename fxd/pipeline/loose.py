"""Files that are processed where they lie, outside of any inbox: claims that nobody moves.

A folder stands for the files below it that the inbox would take, had it been dropped there as a whole:

    fxd process takes/      takes/monday/riff.wav      outbox/takes/monday/riff.dsp.wav
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePath
from uuid import uuid4

from fxd.config import Settings
from fxd.pipeline.claim import Claim
from fxd.pipeline.files import display
from fxd.pipeline.inbox import OWN_FOLDERS, Inbox, signature


def loose_claims(settings: Settings, paths: Sequence[Path], outbox: Path) -> list[Claim]:
    """Claims on the files that `paths` name, and on those in the folders that they name.

    Raises OSError for a path that is neither, and for a folder that holds nothing to take.
    """
    return [claim for path in paths for claim in claims_at(settings, path, outbox)]


def claims_at(settings: Settings, path: Path, outbox: Path) -> list[Claim]:
    if not path.is_dir():
        return [loose_claim(path.absolute().parent, PurePath(path.name))]
    # Resolved, so that `.` and `takes/..` have a name too.
    folder = path.resolve()
    claims = [
        loose_claim(folder.parent, file.relative_to(folder.parent))
        for file in sorted(files_below(settings, folder, outbox.resolve()))
    ]
    if not claims:
        patterns = list(settings.inbox.patterns)
        raise FileNotFoundError(f"{display(path)} holds no file that [inbox] patterns = {patterns} takes")
    return claims


def files_below(settings: Settings, folder: Path, outbox: Path) -> Iterator[Path]:
    """The files that the inbox would take; none of those that fxd itself keeps in this home or made."""
    paths = settings.paths
    own = {outbox, *(each.resolve() for each in (paths.outbox, paths.models, paths.db))}
    own |= {paths.inbox.resolve() / name for name in OWN_FOLDERS}
    inbox = Inbox(folder, settings.inbox, own_folders=())
    for file in inbox.files_below(folder):
        inner = (parent for parent in file.parents if folder in parent.parents)
        if inbox.why_ignored(file) is None and own.isdisjoint(inner):
            yield file


def loose_claim(folder: Path, relative: PurePath) -> Claim:
    """A claim on a file where it lies. Raises OSError where it is no regular file."""
    found = signature(folder / relative)
    if found is None:
        raise FileNotFoundError(f"{display(folder / relative)} is not there, or no regular file or folder")
    return Claim(uuid4().hex, folder, relative, found, datetime.now(UTC), has_journal=False)
