"""What processes did to the files of a home, read from what `strace -f -y -x` wrote down.

Only calls that succeeded count, in the order in which they came back. A call on a file of the home that is not
understood here is an error, so that nothing is overlooked.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from .operations import Link, MakeFolder, Open, Operation, Remove, Rename, Sync, Told, Truncate, Write

CALLS = (
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat"),
    *("rmdir", "mkdir", "mkdirat", "open", "openat", "creat", "lseek", "truncate", "ftruncate", "fallocate"),
    *("write", "pwrite64", "writev", "pwritev", "pwritev2", "sendfile", "copy_file_range", "splice", "mmap"),
    *("fsync", "fdatasync", "sync_file_range", "sync", "syncfs", "msync", "io_uring_setup"),
)
LONGEST_WRITE = 1 << 24


class NotModelled(Exception):
    """A call on a file of the home that the model of a disk does not know; the text is its line."""


def strace(trace: Path) -> list[str]:
    """The command to put before another one."""
    calls = ",".join(f"?{call}" for call in CALLS)
    return [
        *("strace", "-f", "-qq", "-y", "-x", "--seccomp-bpf", "-s", str(LONGEST_WRITE)),
        *("-o", str(trace), "-e", f"trace={calls}", "-e", "signal=none", "--"),
    ]


LINE = re.compile(r"(\d+) +(?:<\.\.\. \w+ resumed>)?(.*?)( <unfinished \.\.\.>)?")
CALL = re.compile(r"(\w+)\((.*)\) += (\d+)(?:<(.*)>)?")
RELATIVE = re.compile(r'\("[^/]')
STRING = r'"((?:[^"\\]|\\.)*)"'
FOLDER = r"(?:AT_FDCWD|\d+)<(.*?)>, "
FILE = r"(\d+<.*?>)"
"""strace writes the characters < and > of a path as escapes."""

Found = tuple[str, ...]


def whole_lines(trace: Path) -> Iterator[str]:
    """Each call in one line, in the order of the returns; strace tears those apart that others interrupt."""
    begun: dict[str, str] = {}
    with trace.open(encoding="latin-1", newline="\n") as file:
        for line in file:
            match = LINE.fullmatch(line.rstrip("\n"))
            if match is None:
                continue
            process, text, unfinished = match.groups()
            text = begun.pop(process, "") + text
            if unfinished:
                begun[process] = text
            else:
                yield text


def plain(text: str) -> bytes:
    """What strace wrote with escapes.

    >>> plain("a\\\\x0a\\\\n")
    b'a\\n\\n'
    """
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


class Reader:
    """Reads a trace of commands that ran in `home`, with their output going to the file `said`."""

    def __init__(self, home: Path, said: Path) -> None:
        self.home = str(home)
        self.said = str(said)
        self.positions: dict[str, int | None] = {}
        """Of an open file: where the next write goes, None for its end."""

    def operations(self, trace: Path) -> Iterator[Operation]:
        """Raises NotModelled."""
        for line in whole_lines(trace):
            concerns = self.home in line or self.said in line or RELATIVE.search(line)
            if concerns and (call := CALL.fullmatch(line)):
                name, arguments, result, opened = call.groups()
                if name in OPENING:
                    yield from self.open(f"{result}<{opened}>", arguments)
                else:
                    yield from self.call(name, arguments, int(result))

    def call(self, name: str, arguments: str, result: int) -> Iterator[Operation]:
        for pattern, read in CALLS_READ.get(name, ()):
            if (match := re.fullmatch(pattern, arguments)) is not None:
                yield from read(self, match.groups(), result)
                return
        if f"<{self.home}/" in arguments:
            raise NotModelled(f"{name}({arguments[:200]}")

    def below(self, path: str, folder: str = "") -> str | None:
        """A path as it is below the home; None for any other."""
        whole = Path(self.home, *(plain(part).decode("utf-8", "surrogateescape") for part in (folder, path)))
        if not whole.is_relative_to(self.home):
            return None
        return str(whole.relative_to(self.home)).removeprefix(".")

    def opened(self, file: str) -> str | None:
        """The same for an open file, as `-y` shows it."""
        return self.below(file.partition("<")[2].removesuffix(">"))

    def open(self, file: str, arguments: str) -> Iterator[Operation]:
        if (name := self.opened(file)) is None or not re.search("O_WRONLY|O_RDWR|O_CREAT", arguments):
            return
        self.positions.pop(file, None)
        if "O_APPEND" in arguments:
            self.positions[file] = None
        elif "O_RDWR" not in arguments:  # reads would move it, and are not traced
            self.positions[file] = 0
        yield Open(name, "O_TRUNC" in arguments)

    def advanced(self, file: str, count: int) -> int | None:
        """Where the next write to a file goes; it is `count` bytes long."""
        if file not in self.positions:
            raise NotModelled(f"write({file}: it is open for reading too")
        at = self.positions[file]
        if at is not None:
            self.positions[file] = at + count
        return at

    def write(self, found: Found, result: int) -> Iterator[Operation]:
        file, data = found
        if file.endswith(f"<{self.said}>"):
            yield Told(plain(data).decode("utf-8", "replace"))
        elif (name := self.opened(file)) is not None:
            yield Write(name, plain(data)[:result], self.advanced(file, result))

    def write_at(self, found: Found, result: int) -> Iterator[Operation]:
        file, data, at = found
        if (name := self.opened(file)) is not None:
            yield Write(name, plain(data)[:result], int(at))

    def copy(self, found: Found, result: int) -> Iterator[Operation]:
        """From outside of the home: from a file of fxd's own, which is still what it was."""
        file, source = found
        if (name := self.opened(file)) is None or result == 0:
            return
        at = self.advanced(file, result)
        if self.below(source) is not None or at is None:
            raise NotModelled(f"a copy from {source} to {file}")
        yield Write(name, Path(source).read_bytes()[at : at + result], at)

    def seek(self, found: Found, result: int) -> Iterator[Operation]:
        if self.positions.get(found[0]) is not None:
            self.positions[found[0]] = result
        yield from ()

    def truncate(self, found: Found, _: int) -> Iterator[Operation]:
        file, size = found
        if (name := self.opened(file)) is not None:
            yield Truncate(name, int(size))

    def sync(self, found: Found, _: int) -> Iterator[Operation]:
        if (name := self.opened(found[0])) is not None:
            yield Sync(name)

    def harmless(self, _: Found, __: int) -> Iterator[Operation]:
        yield from ()


def of_name(make: Callable[[str], Operation]) -> Callable[[Reader, Found, int], Iterator[Operation]]:
    """Reads a call on one name; `found` is an open folder, where the call has one, and a path."""

    def read(reader: Reader, found: Found, _: int) -> Iterator[Operation]:
        if (name := reader.below(found[-1], *found[:-1])) is not None:
            yield make(name)

    return read


def of_names(make: Callable[[str, str], Operation]) -> Callable[[Reader, Found, int], Iterator[Operation]]:
    """The same for two names."""

    def read(reader: Reader, found: Found, _: int) -> Iterator[Operation]:
        half = len(found) // 2
        old, new = (reader.below(pair[-1], *pair[:-1]) for pair in (found[:half], found[half:]))
        if old is not None and new is not None:
            yield make(old, new)
        elif old is not None or new is not None:
            raise NotModelled(f"{make.__name__} {found}: out of the home, or into it")

    return read


NUMBER, REST = r"(\d+)", r"(?:, .*)?"
OPENING = ("open", "openat", "creat")
CALLS_READ: dict[str, list[tuple[str, Callable[[Reader, Found, int], Iterator[Operation]]]]] = {
    "write": [(rf"{FILE}, {STRING}, \d+", Reader.write)],
    "pwrite64": [(rf"{FILE}, {STRING}, \d+, {NUMBER}", Reader.write_at)],
    "sendfile": [(rf"{FILE}, \d+<(.*)>, (?:NULL|\[.*\]), \d+", Reader.copy)],
    "lseek": [(f"{FILE}, .*", Reader.seek)],
    "ftruncate": [(f"{FILE}, {NUMBER}", Reader.truncate)],
    "fsync": [(FILE, Reader.sync)],
    "fdatasync": [(FILE, Reader.sync)],
    "mkdir": [(STRING + REST, of_name(MakeFolder))],
    "mkdirat": [(FOLDER + STRING + REST, of_name(MakeFolder))],
    "rmdir": [(STRING, of_name(Remove))],
    "unlink": [(STRING, of_name(Remove))],
    "unlinkat": [(FOLDER + STRING + REST, of_name(Remove))],
    "rename": [(f"{STRING}, {STRING}", of_names(Rename))],
    "renameat": [(f"{FOLDER}{STRING}, {FOLDER}{STRING}", of_names(Rename))],
    "link": [(f"{STRING}, {STRING}", of_names(Link))],
    "linkat": [(f"{FOLDER}{STRING}, {FOLDER}{STRING}{REST}", of_names(Link))],
    "mmap": [(r"NULL, \d+, PROT_READ(?:\|PROT_EXEC)?, .*|.*MAP_PRIVATE.*", Reader.harmless)],
}
