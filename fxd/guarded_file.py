"""A file as libsndfile's callbacks see it, so that an error of the disk arrives as the OSError that it was.

libsndfile calls back from C. An exception cannot cross C: it would be printed and lost. And libsndfile does
not report everything: a full disk can pass without an error on FLAC, a lost share looks like the end of the
file. So the first error is kept, and `check` raises it once the call into libsndfile is over.

Handing libsndfile an open file instead of a name also means that any name works, and that it looks at no
neighbours: given the name `a.mp3`, it takes a `._a.mp3` beside it (macOS leaves these) for a resource fork
and then cannot read the MP3.
"""

import errno
import io
import os
import stat
from pathlib import Path
from types import TracebackType
from typing import Self


class GuardedFile:
    """Seek, tell, read and write for libsndfile; raises nothing before `check`."""

    def __init__(self, file: io.FileIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go there, or stay where a crafted file asks for a place in front of the first byte."""
        try:
            return self._file.seek(offset, whence)
        except (ValueError, OverflowError):
            return self._file.tell()
        except OSError as error:
            if error.errno != errno.EINVAL:
                self._keep(error)
            return self._file.tell()

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: memoryview) -> int:
        """How many bytes were read; 0 at the end, and after an error."""
        try:
            return 0 if self.error else self._file.readinto(buffer) or 0
        except OSError as error:
            self._keep(error)
            return 0

    def write(self, data: bytes) -> int:
        """How many bytes were written: all, or 0 after an error."""
        rest = memoryview(data)
        try:
            while rest and not self.error:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._keep(error)
        return 0 if self.error else len(data)

    def read_at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset` on; none behind the end, however far. Raises OSError."""
        if offset >= self.size:
            return b""
        self._file.seek(offset)
        return self._file.read(count)

    @property
    def size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def check(self) -> None:
        """Raise the first error that a callback met, if there was one."""
        if self.error:
            raise self.error

    def close(self) -> None:
        """Close. Raises OSError: a network share may report a full disk only here."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _keep(self, error: OSError) -> None:
        self.error = self.error or error


def open_regular(path: Path) -> io.FileIO:
    """An unbuffered, readable file; ValueError for a folder, a FIFO or a device, without waiting for one."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("this is no regular file")
        return io.FileIO(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
