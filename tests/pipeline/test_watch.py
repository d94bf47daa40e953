"""What events tell of the inbox, and what they do not."""

from pathlib import Path

import pytest
from watchdog.events import DirCreatedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEvent

from fxd.pipeline.watch import Hints


@pytest.fixture
def hints(tmp_path: Path) -> Hints:
    return Hints(tmp_path)


def tell(hints: Hints, kind: type[FileSystemEvent], *names: str, root: Path) -> None:
    hints.on_any_event(kind(*(str(root / name) if name else "" for name in names)))


def test_what_fxd_does_in_its_own_folders_is_no_reason_to_look(hints: Hints, tmp_path: Path) -> None:
    for name in (".claimed/daemon/run", "done", "done/sub", "failed/sub"):
        tell(hints, DirCreatedEvent, name, root=tmp_path)
    tell(hints, FileCreatedEvent, ".claimed/daemon/run/.journal", root=tmp_path)
    tell(hints, FileMovedEvent, "riff.wav", ".claimed/daemon/run/riff.wav", root=tmp_path)
    tell(hints, FileMovedEvent, "riff.wav", "", root=tmp_path)
    assert hints.drain() == []
    assert not hints.folder_changed.is_set()


def test_what_others_do_is_looked_at(hints: Hints, tmp_path: Path) -> None:
    tell(hints, FileCreatedEvent, "riff.wav", root=tmp_path)
    tell(hints, FileMovedEvent, "riff.wav.part", "sub/riff.wav", root=tmp_path)
    tell(hints, FileMovedEvent, "done/old.wav", "old.wav", root=tmp_path)
    tell(hints, FileCreatedEvent, "done.wav", root=tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in hints.drain()]
    assert names == ["riff.wav", "sub/riff.wav", "old.wav", "done.wav"]
    assert not hints.folder_changed.is_set()
    tell(hints, DirCreatedEvent, "done at last", root=tmp_path)
    assert hints.folder_changed.is_set()
