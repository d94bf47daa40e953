"""Disks of the kernel's own that lose, in the middle of work, all that was not synced.

`make power` cuts the power of a model of a disk, at every moment; this tries some moments on the real thing. ext4
and XFS can be shut down without writing their log, as a power cut leaves them.
"""

import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

from tests.homes import Home, wait_until

from .attempt import let_pass
from .promise import Dropped, Expectation, broken_in_the_end, broken_meanwhile, hash_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CUTS = 6
FILES = 40
"""Dropped before each cut."""
SHUT_DOWN, WITHOUT_LOG = 0x8004587D, 2
"""EXT4_IOC_SHUTDOWN, which XFS has too: what only memory holds of the log is lost."""
QUICK = "[inbox]\nsettle_seconds = 0.2\n[logging]\nfile = ''\n[training]\nschedule = ''\n"


@dataclass
class Disk:
    """A file system in a file, that can lose its power."""

    image: Path
    folder: Path

    def make(self, kind: str) -> None:
        """Skips the test where there is no such file system, or no right to mount it."""
        if shutil.which(f"mkfs.{kind}") is None:
            pytest.skip(f"needs mkfs.{kind}")
        self.folder.mkdir()
        with self.image.open("wb") as file:
            file.truncate(900_000_000)
        subprocess.run([f"mkfs.{kind}", "-q", self.image], check=True, capture_output=True)
        done = self.mount()
        if done.returncode:
            pytest.skip(f"needs the right to mount {kind}: run the tests as root ({done.stderr.strip()})")

    def mount(self) -> "subprocess.CompletedProcess[str]":
        command = ["mount", "-o", "loop", str(self.image), str(self.folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def unmount(self) -> bool:
        return subprocess.run(["umount", self.folder], capture_output=True, check=False).returncode == 0

    def sync(self) -> None:
        subprocess.run(["sync", "-f", self.folder], check=True)

    def cut_power(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        fcntl.ioctl(descriptor, SHUT_DOWN, struct.pack("I", WITHOUT_LOG))
        os.close(descriptor)


@pytest.fixture(params=["ext4", "xfs"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "image", tmp_path / "disk")
    made.make(request.param)
    yield made
    if made.folder.is_mount():
        wait_until(made.unmount, "the disk is unmounted")


def drop(home: Home, number: int, chance: random.Random) -> Dropped:
    """One file, complete at once; every twentieth is no sound."""
    name, made = f"{number % 3}/{number}.wav", home.root / "made.wav"
    sound = np.random.default_rng(number).uniform(-0.5, 0.5, int(44_100 * chance.uniform(0.1, 1.0)))
    soundfile.write(made, sound, 44_100)
    if number % 20 == 0:
        made.write_bytes(b"no sound %d" % number)
    dropped = Dropped(name, hash_of(made), None if number % 20 == 0 else len(sound))
    (home.inbox / name).parent.mkdir(exist_ok=True)
    made.rename(home.inbox / name)
    return dropped


def end(daemon: "subprocess.Popen[bytes]") -> None:
    processes = [psutil.Process(daemon.pid), *psutil.Process(daemon.pid).children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGKILL)
    daemon.wait()
    psutil.wait_procs(processes)


def drain(home: Home) -> None:
    done = subprocess.run(home.command("start", "--once"), cwd="/", capture_output=True, check=False)
    assert done.returncode in (0, 3), done.stderr


def test_what_a_real_disk_loses_without_power_is_nothing_that_was_promised(disk: Disk) -> None:
    home, chance = Home(disk.folder / "home"), random.Random(disk.image.parent.name)
    home.fxd("init", home.root)
    home.configure(QUICK)
    dropped: list[Dropped] = []
    for _ in range(CUTS):
        daemon = subprocess.Popen(home.command("start"), cwd="/", stderr=subprocess.DEVNULL)
        dropped += [drop(home, len(dropped) + more, chance) for more in range(FILES)]
        disk.sync()  # whoever drops a file has to
        time.sleep(chance.uniform(1.5, 6.0))  # any moment will do
        disk.cut_power()
        end(daemon)
        wait_until(disk.unmount, "the disk is unmounted")
        assert disk.mount().returncode == 0
        assert broken_meanwhile(home.root, Expectation(dropped=tuple(dropped))) == []
    drain(home)
    if let_pass(home.root):
        drain(home)
    assert broken_in_the_end(home.root, Expectation(dropped=tuple(dropped))) == []
