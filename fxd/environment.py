"""Where this fxd runs: timings are comparable only within one environment."""

import os
import platform
import socket
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from fxd import __version__
from fxd.store.records import Environment

LIBRARIES = ("numpy", "scipy", "numba", "llvmlite", "soundfile", "torch")


def describe_environment(threads: int, also: Sequence[str] = ()) -> Environment:
    """This host, its processor and the libraries whose version can change an output or a timing.

    `threads` is how many an engine may use; `also` are more libraries, named where they are installed.
    """
    return Environment(
        host=socket.gethostname(),
        cpu=processor_name(),
        cores=os.cpu_count() or 1,
        threads=threads,
        python=platform.python_version(),
        fxd=__version__,
        libraries={name: found for name in (*LIBRARIES, *also) if (found := version_of(name))} | libsndfile(),
    )


def version_of(name: str) -> str:
    # Asked of the installed metadata: importing torch for its version would cost a second.
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def libsndfile() -> dict[str, str]:
    import soundfile

    return {"libsndfile": soundfile.__libsndfile_version__}


def processor_name() -> str:
    """The processor's own name, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
