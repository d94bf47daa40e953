"""A small disk of its own, for tests of full and unplugged ones; only root can mount it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class SmallDisk:
    """A file system in memory that is full soon."""

    folder: Path
    kilobytes: int

    def mount(self) -> None:
        """Plug it in, empty. Skips the test where that is not permitted."""
        options = f"size={self.kilobytes}k"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(self.folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(
                f"needs the right to mount a file system: run the tests as root ({done.stderr.strip()})"
            )

    def unmount(self) -> None:
        """Unplug it, even while it is in use."""
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)

    def fill(self, left: int = 0) -> Path:
        """Take all room but for some bytes; returns the file that takes it."""
        ballast = self.folder / "ballast"
        ballast.write_bytes(bytes(max(0, shutil.disk_usage(self.folder).free - left)))
        return ballast


@contextmanager
def mounted(folder: Path, kilobytes: int) -> Iterator[SmallDisk]:
    """A small disk on `folder`, which is made where it is missing; unmounted in the end."""
    folder.mkdir(parents=True, exist_ok=True)
    disk = SmallDisk(folder, kilobytes)
    disk.mount()
    try:
        yield disk
    finally:
        while folder.is_mount():
            disk.unmount()
