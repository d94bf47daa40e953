"""Numba, with a place to keep what it compiled: every kernel is declared with the `njit` of this module.

Numba would keep compiled code beside the source, which may be installed read-only, or else in the user's home,
which a service may not have; where neither is there it refuses to start. And it looks only at the file of a
kernel: a change to what that kernel is built of, in another file, would leave the old one in use. So there is
one folder for each state of the sources,

    <cache>/fxd/kernels/<hash of the sources and of the versions of Python, Numba and llvmlite>

where <cache> is the first of these that can be written: NUMBA_CACHE_DIR if it is set, else XDG_CACHE_HOME or
~/.cache, else a folder of the user's own for temporary files. (The processor is in Numba's own keys.) A folder
that nobody used for KEEP_DAYS is removed when a new one is made. A file in it that a power cut has spoilt is made
anew, and a disk that is full costs the next start its time, but no sound.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core import sigutils
from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

from fxd.cache_folders import cache_folders

KEEP_DAYS = 30.0
PACKAGE = Path(__file__).parent


def source_hash() -> str:
    """Of all that compiled code is made from: the engines, and modules that use this one, Numba or vectors."""
    digest = sha256(repr((sys.version, numba.__version__, llvmlite.__version__)).encode())
    for path in sorted(PACKAGE.rglob("*.py")):
        source = path.read_bytes()
        marks = b"numba", b"fxd.compiler", b"fxd.vectors"
        if path.parent.name == "engines" or any(mark in source for mark in marks):
            digest.update(str(path.relative_to(PACKAGE)).encode() + b"\0" + source)
    return digest.hexdigest()[:16]


def cache_folder() -> Path | None:
    """The folder for the sources as they are, made if need be; None where nothing can be written."""
    name = source_hash()
    for candidate in cache_folders():
        folder = candidate / "fxd" / "kernels" / name
        with suppress(OSError):
            is_new = not folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
            os.utime(folder)
            if is_new:
                remove_unused(folder.parent)
            return folder
    return None


def remove_unused(parent: Path) -> None:
    for folder in parent.iterdir():
        with suppress(OSError):  # another process that starts just now removes it as well
            if time.time() - folder.stat().st_mtime > KEEP_DAYS * 86_400:
                shutil.rmtree(folder, ignore_errors=True)


CACHE_FOLDER = cache_folder()
if CACHE_FOLDER is not None:
    numba.config.CACHE_DIR = str(CACHE_FOLDER)  # type: ignore[attr-defined]


# The kernels are made of intrinsics, which exist only compiled: NUMBA_DISABLE_JIT would leave nothing that runs.
numba.config.DISABLE_JIT = 0  # type: ignore[attr-defined]


class KernelCache(FunctionCache):
    """What was compiled of one kernel, on disk; where that fails, the kernel is compiled and not kept."""

    def load_overload(self, signature: Any, target: Any) -> Any:
        """The compiled code, or None."""
        try:
            return super().load_overload(signature, target)  # type: ignore[no-untyped-call]
        except Exception:  # a damaged pickle raises whatever its bytes happen to say
            with suppress(OSError):
                self.flush()  # type: ignore[no-untyped-call]
            return None

    def save_overload(self, signature: Any, compiled: Any) -> None:
        with suppress(OSError):
            super().save_overload(signature, compiled)  # type: ignore[no-untyped-call]


def njit(cache: bool = False, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """`numba.njit(...)`, with `cache` as above."""

    def declare(function: Callable[..., Any]) -> Any:
        kernel = numba.njit(**options)(function)
        if cache and CACHE_FOLDER is not None:
            kernel._cache = KernelCache(function)  # type: ignore[no-untyped-call]
        return kernel

    return declare


def c_function(signature: str) -> Callable[[Callable[..., Any]], CFunc]:
    """Compile a function that C code can call, at its `address`: no interpreter takes part, nor its lock.

    It is compiled where this is called, so a module calls it in a function and not while it is imported.
    """

    def compile_it(function: Callable[..., Any]) -> CFunc:
        # A division by zero must not raise: nobody would be there to catch it.
        options = {"nopython": True, "error_model": "numpy"}
        compiled = CFunc(function, sigutils.normalize_signature(signature), {}, options)  # type: ignore[no-untyped-call]
        if CACHE_FOLDER is not None:
            compiled._cache = KernelCache(function)  # type: ignore[attr-defined, no-untyped-call]
        compiled.compile()
        return compiled

    return compile_it
