"""A recorded take on its way into the inbox, where the daemon finds it as it finds any file."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from fxd.config import Settings
from fxd.live.record import SUFFIX
from fxd.pipeline.files import fitted, make_folder, move_without_replacing, sync_file
from fxd.pipeline.inbox import Inbox


def hand_over(settings: Settings, takes: Sequence[Path]) -> list[Path]:
    """Copy dry takes into the inbox, each whole or not at all and over no other file; returns where they are.

    The copies are called like the takes, without `.dry`. Raises OSError.
    """
    return [hand_over_one(settings, take) for take in takes]


def hand_over_one(settings: Settings, take: Path) -> Path:
    inbox = settings.paths.inbox
    make_folder(inbox)
    # The daemon leaves a name like this alone.
    temporary = inbox / fitted(f".{take.stem}", f".{os.getpid()}.tmp")
    try:
        shutil.copyfile(take, temporary)
        sync_file(temporary)
        return move_without_replacing(temporary, inbox, f"{take.name.removesuffix(f'.dry{SUFFIX}')}{SUFFIX}")
    finally:
        temporary.unlink(missing_ok=True)


def why_not_taken(settings: Settings, dropped: Path) -> str | None:
    """Why the daemon would leave a file in the inbox alone, as a sentence's end; None where it takes it."""
    return Inbox(settings.paths.inbox, settings.inbox).why_ignored(dropped)
