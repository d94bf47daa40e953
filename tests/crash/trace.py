"""Durability in system calls: which there are, which of them touch a home, and how strace interrupts one.

Only the first thread of one process is traced, so that a count of calls belongs to one line of events; in `fxd`
that thread does all that has to last. strace counts all calls of a kind, also those that touch no home; how many
those are differs from run to run by a few, so what a run was interrupted in is read from its own trace.
"""

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat"),
    *("rmdir", "mkdir", "mkdirat", "open", "openat", "creat", "fsync", "fdatasync", "sync_file_range"),
    *("write", "pwrite64", "writev", "pwritev", "sendfile", "copy_file_range", "truncate", "ftruncate"),
    *("fallocate", "utimensat"),
)
"""Everything that changes what is on a disk, or makes it last. Not every machine has all of them."""
OPENING = ("open", "openat", "creat")
"""They count where they may make a file."""

WRITTEN_NOW_AND_THEN = ("db/status.tmp", "db/status.json", "db/training.json")
"""Twice a second, however long a run takes."""

LINE = re.compile(r"^(\w+)\((.*)$")
PATHS = re.compile(r'(?:\b(?:\d+|AT_FDCWD)<([^>]*)>, )?"([^"]*)"|\b\d+<([^>]*)>')
"""A name, perhaps in an open folder, or an open file."""
RANDOM = re.compile(r"[0-9a-f]{64}|[0-9a-f]{32}|\d{8}-\d{6}-\w+-[0-9a-f]{4}|(?<=[.])\d+(?=[.]tmp)")


@dataclass(frozen=True)
class Site:
    """One call in a home, by what tells it from others in every run."""

    call: str
    paths: str
    """Below the home, with `*` for what is random in them."""
    nth: int = 1
    """Of the calls with these paths."""

    def __str__(self) -> str:
        return f"{self.call} {self.paths}" + (f" ({self.nth})" if self.nth > 1 else "")


@dataclass(frozen=True)
class Call:
    """A call as a trace has it."""

    name: str
    count: int
    """Of all calls of this name that the thread has made, this one included: what strace counts too."""
    site: Site | None
    """None where it touches no home."""
    returned: bool
    """False for the last one of a process that was killed in it."""
    injected: bool


def calls_in(trace: Path, home: Path) -> Iterator[Call]:
    """The calls that a traced thread made, in order."""
    counts: Counter[str] = Counter()
    seen: Counter[tuple[str, str]] = Counter()
    for line in trace.read_text(errors="replace").splitlines() if trace.exists() else ():
        if (match := LINE.match(line)) is None:
            continue
        name, rest = match.groups()
        counts[name] += 1
        paths = paths_below(home, rest)
        site = None
        if paths and (name not in OPENING or "O_CREAT" in rest):
            seen[name, paths] += 1
            site = Site(name, paths, seen[name, paths])
        yield Call(name, counts[name], site, " = " in rest and " = ?" not in rest, "(INJECTED)" in rest)


def paths_below(home: Path, arguments: str) -> str:
    """The paths in a call's arguments that lie below `home`; empty where there is none."""
    before, _, _ = arguments.rpartition(") = ")
    found = (Path(folder, name or opened) for folder, name, opened in PATHS.findall(before or arguments))
    return " -> ".join(shortened(home, path) for path in found if path.is_relative_to(home))


def shortened(home: Path, path: Path) -> str:
    return RANDOM.sub("*", str(path.relative_to(home)))


@dataclass(frozen=True)
class Injection:
    """What is done to the `count`-th call of this name."""

    call: str
    count: int
    what: str
    """`KILL`, or the error that it fails with."""

    @property
    def option(self) -> str:
        action = "signal=KILL" if self.what == "KILL" else f"error={self.what}"
        return f"inject={self.call}:{action}:when={self.count}"


def strace(process: int, trace: Path, injection: Injection | None) -> list[str]:
    """The command that traces the first thread of a process."""
    calls = ",".join(f"?{call}" for call in CALLS)
    command = ["strace", "-qq", "-y", "-s", "0", "-o", str(trace), "-e", f"trace={calls}"]
    if injection is not None:
        command += ["-e", injection.option]
    return [*command, "-p", str(process)]


def check_strace() -> None:
    """Raises RuntimeError with the remedy where strace is not there, or may trace nothing."""
    if shutil.which("strace") is None:
        raise RuntimeError(
            "strace is missing: install it with `apt-get install strace` (tests/install-tools.sh)"
        )
