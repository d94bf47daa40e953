"""Where compiled code is kept. Each test is a process of its own, as the place is chosen at the start."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fxd

SCRIPT = """
import numpy as np
from fxd.compiler import CACHE_FOLDER
from fxd.engines.peak import spin
from fxd.vectors.registers import LANES
spin(np.zeros((12, LANES), np.float32), 1)
print(CACHE_FOLDER, sum(spin.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of fxd's code, in a folder for the import path."""
    shutil.copytree(
        Path(fxd.__file__).parent, tmp_path / "lib" / "fxd", ignore=shutil.ignore_patterns("__pycache__")
    )
    return tmp_path / "lib"


def compile_in(package: Path, before: str = "", **environment: str) -> tuple[Path, int]:
    """Run a kernel of the package, after the lines `before`: where it is kept, how many were found compiled."""
    base = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    run = subprocess.run(
        [sys.executable, "-B", "-c", before + SCRIPT],
        cwd=package,
        env={**base, "PYTHONPATH": str(package), **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    folder, hits = run.stdout.split()
    return Path(folder), int(hits)


def test_a_second_process_finds_what_the_first_one_compiled(package: Path, tmp_path: Path) -> None:
    place = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
    folder, hits = compile_in(package, **place)
    assert folder.is_relative_to(tmp_path / "cache" / "fxd")
    assert hits == 0
    assert compile_in(package, **place) == (folder, 1)
    assert not list(package.rglob("*.nbi"))


def test_without_a_home_to_write_into_a_private_temporary_folder_serves(
    package: Path, tmp_path: Path
) -> None:
    """No privilege gets round a file where a folder should be, so this holds for root as well."""
    blocked = tmp_path / "no-folder"
    blocked.touch()
    for path in package.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder, _ = compile_in(package, HOME=str(blocked), TMPDIR=str(tmp_path))
    assert folder.is_relative_to(tmp_path / f"fxd-cache-{os.getuid()}")
    assert folder.parents[2].stat().st_mode & 0o777 == 0o700
    assert compile_in(package, HOME=str(blocked), TMPDIR=str(tmp_path)) == (folder, 1)


def test_a_temporary_folder_that_others_may_write_is_not_trusted(package: Path, tmp_path: Path) -> None:
    blocked, open_to_all = tmp_path / "no-folder", tmp_path / f"fxd-cache-{os.getuid()}"
    blocked.touch()
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    folder, _ = compile_in(package, HOME=str(blocked), TMPDIR=str(tmp_path))
    assert not folder.is_relative_to(open_to_all)


@pytest.mark.long
def test_the_users_choice_wins_and_other_sources_get_another_folder(package: Path, tmp_path: Path) -> None:
    place = {"NUMBA_CACHE_DIR": str(tmp_path / "chosen"), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    folder, _ = compile_in(package, **place)
    assert folder.is_relative_to(tmp_path / "chosen")
    vectors = package / "fxd" / "vectors" / "memory.py"
    vectors.write_text(vectors.read_text() + "\n# another state\n")
    forgotten = folder.parent / "0123456789abcdef"
    forgotten.mkdir()
    os.utime(forgotten, (time.time() - 31 * 86_400,) * 2)
    # As if another process had removed it since the folder was read.
    (folder.parent / "removed").symlink_to("nowhere")
    later, hits = compile_in(package, **place)
    assert later.parent == folder.parent
    assert later != folder
    assert hits == 0
    assert folder.is_dir()
    assert not forgotten.exists()


@pytest.mark.parametrize("suffix", [".nbc", pytest.param(".nbi", marks=pytest.mark.long)])
@pytest.mark.parametrize("size", [0.5, pytest.param(0, marks=pytest.mark.long)])
def test_a_damaged_file_of_the_cache_is_made_anew(
    package: Path, tmp_path: Path, suffix: str, size: float
) -> None:
    place = {"NUMBA_CACHE_DIR": str(tmp_path)}
    folder, _ = compile_in(package, **place)
    for path in folder.rglob(f"*{suffix}"):
        os.truncate(path, int(size * path.stat().st_size))
    assert compile_in(package, **place) == (folder, 0)
    assert compile_in(package, **place) == (folder, 1)


def test_a_full_disk_for_the_cache_stops_nothing(package: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the system refuses what is written beyond it."""
    limit = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
    folder, hits = compile_in(package, limit, NUMBA_CACHE_DIR=str(tmp_path))
    assert hits == 0
    assert not list(folder.rglob("*.nbc"))


def test_kernels_are_compiled_even_where_numba_is_told_not_to(package: Path, tmp_path: Path) -> None:
    compile_in(package, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_DISABLE_JIT="1")


def test_every_kernel_is_declared_with_a_place_to_keep_it() -> None:
    for path in Path(fxd.__file__).parent.rglob("*.py"):
        if path.name != "compiler.py":
            assert not re.search(r"from numba import .*jit|numba\.n?jit", path.read_text()), path
