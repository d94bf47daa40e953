"""What tells one sound, and one file, from another: SHA-256 of what is heard, and of the bytes."""

import hashlib
import os
from pathlib import Path

from fxd.audio import BLOCK_FRAMES, MAX_CHANNELS, interleaved
from fxd.engines.engine import Array
from fxd.guarded_file import open_regular

HASH_STEP_BYTES = BLOCK_FRAMES * MAX_CHANNELS * 8
"""What a block is at most in a file."""


class ContentHash:
    """SHA-256 of a decoded sound: of its sample rate, its channels and its float32 samples, frame by frame.

    The same sound as 16-bit WAV and as FLAC has the same hash, and the size of the blocks does not matter.
    """

    def __init__(self, sample_rate: int, channels: int) -> None:
        self._hash = hashlib.sha256(f"{sample_rate} Hz, {channels} channels, float32\n".encode())

    def update(self, block: Array) -> None:
        self._hash.update(interleaved(block).astype("<f4", copy=False).data)

    def hexdigest(self) -> str:
        return self._hash.hexdigest()


class FileHash:
    """SHA-256 of a file's bytes, taken step by step beside other work, while the file is in memory anyway."""

    def __init__(self, path: Path) -> None:
        self._file = open_regular(path)
        self._hash = hashlib.sha256()
        size = os.fstat(self._file.fileno()).st_size
        self._buffer = memoryview(bytearray(min(max(size, 1), HASH_STEP_BYTES)))

    def step(self) -> bool:
        """Take the next HASH_STEP_BYTES; False where none were left. Raises OSError."""
        count = self._file.readinto(self._buffer)
        self._hash.update(self._buffer[:count])
        return bool(count)

    def hexdigest(self) -> str:
        """The hash of the whole file, whose rest is read now. Raises OSError."""
        while self.step():
            pass
        return self._hash.hexdigest()

    def close(self) -> None:
        self._file.close()
