"""Disks that are full, or not there."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from mounts import SmallDisk

from fxd.pipeline.disks import Mount, shortage


def test_a_disk_that_was_unplugged_is_noticed_and_its_return_too(small_disk: SmallDisk) -> None:
    outbox = small_disk.folder / "fxd" / "outbox"
    mount = Mount.of(outbox)  # to be made
    outbox.mkdir(parents=True)
    assert mount == Mount.of(outbox)
    mount.check()
    small_disk.unmount()
    with pytest.raises(OSError, match="its disk is not mounted on"):
        mount.check()
    assert list(small_disk.folder.iterdir()) == []
    small_disk.mount()
    mount.check()


def test_a_folder_on_the_disk_of_the_system_may_be_removed_and_made_anew(tmp_path: Path) -> None:
    mount = Mount.of(tmp_path / "outbox")
    mount.check()
    (tmp_path / "outbox").mkdir()
    shutil.rmtree(tmp_path / "outbox")
    mount.check()


def test_a_full_disk_says_how_much_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = tmp_path / "attempt"
    attempt.mkdir()
    (attempt / "dsp.wav").write_bytes(bytes(3_000_000))
    usage = shutil.disk_usage(tmp_path)._replace(free=500_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert str(shortage(full, attempt, 10_000_000)).endswith(
        f"No space left on device: 6.5 MB are missing for the results: '{tmp_path}'"
    )
    assert "room is missing for the results" in str(shortage(full, attempt, 0))
    other = OSError(errno.EIO, os.strerror(errno.EIO))
    assert shortage(other, attempt, 10_000_000) is other
