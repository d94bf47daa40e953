"""Sound files being written, block by block: whole, or an OSError tells that they are not."""

import errno
import math
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

import numpy as np
import soundfile

from fxd.audio import InOrder, Reader, interleaved
from fxd.engines.engine import Array
from fxd.guarded_file import GuardedFile

UPDATE_HEADER_NOW = 0x1060
"""libsndfile's number of that command, which soundfile has no method for."""

WAV_LIMIT_BYTES = 4_000_000_000
"""A WAV header holds 32-bit sizes; 7 % are left for a length that the input's header understated."""
SAMPLE_BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

UP_TO_24_BITS = frozenset(
    {"PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "VOX_ADPCM", "GSM610"}
    | {"NMS_ADPCM_16", "NMS_ADPCM_24", "NMS_ADPCM_32", "G721_32", "G723_24", "G723_40", "DPCM_8", "DPCM_16"}
    | {"DWVW_12", "DWVW_16", "DWVW_24", "ALAC_16", "ALAC_20", "ALAC_24"}
)
"""Sample formats that decode to integers of at most 24 bits."""


class Writer:
    """One sound file being written; `write`, then `close` or leave the `with` block."""

    def __init__(self, path: Path, sample_rate: int, channels: int, subtype: str, container: str) -> None:
        self.path = path
        self.frames = 0
        self.clipped_frames = 0
        """Frames with a sample beyond [-1, 1), which an integer format cannot hold; 0 for float formats."""
        self._peak = np.float32(0)
        self._integer = subtype not in ("FLOAT", "DOUBLE")
        self._frame_bytes = channels * SAMPLE_BYTES[subtype]
        self._container = container
        self._file = GuardedFile(path.open("wb", buffering=0))
        try:
            self._sound = InOrder(self._file, "w", sample_rate, channels, subtype, format=container)
        except BaseException:
            self._file.close()
            raise

    @property
    def peak_dbfs(self) -> float:
        """Largest magnitude of the signal as it came, unclipped; -inf for silence, nan if it held a nan."""
        return 20 * math.log10(self._peak) if self._peak != 0 else -math.inf

    def write(self, block: Array) -> None:
        """Append float32 [channels, n]; integer formats clip what is beyond full scale. Raises OSError."""
        if block.size == 0:
            return
        peak = np.abs(block).max()
        self._peak = np.maximum(self._peak, peak)
        if self._integer and peak >= 1:
            self.clipped_frames += int(np.count_nonzero(((block >= 1) | (block < -1)).any(axis=0)))
        self.frames += block.shape[1]
        if self._container == "WAV" and self.frames * self._frame_bytes > 2**32 - 4096:
            raise OSError(
                errno.EFBIG, "more than 4 GB in a file that was announced as smaller", str(self.path)
            )
        try:
            # libsndfile clips, as soundfile sets SFC_SET_CLIPPING. A short write is an AssertionError.
            self._sound.write(interleaved(block))
        except (soundfile.LibsndfileError, AssertionError) as error:
            self._fail(error)
        self._file.check()

    def keep(self) -> None:
        """Bring the header up to date: a reader then finds all that was written so far. Raises OSError."""
        soundfile._snd.sf_command(self._sound._file, UPDATE_HEADER_NOW, soundfile._ffi.NULL, 0)
        self._file.check()

    def close(self) -> None:
        """Finish the file. Raises OSError where any byte of it could not be written."""
        try:
            self._sound.close()
        except soundfile.LibsndfileError as error:
            self._fail(error)
        finally:
            self._file.close()
        self._file.check()

    def _fail(self, error: Exception) -> NoReturn:
        self._file.check()
        raise OSError(errno.EIO, f"cannot be written ({error})", str(self.path)) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_writer(
    path: Path,
    sample_rate: int,
    channels: int,
    subtype: str = "FLOAT",
    expected_frames: int = 0,
    container: str = "WAV",
) -> Writer:
    """Begin a sound file at `path`, replacing what is there; RF64 instead of WAV where it would pass 4 GB.

    `subtype` is a key of SAMPLE_BYTES, `container` WAV or FLAC (PCM_16 or PCM_24). Raises OSError.
    """
    if container == "WAV" and expected_frames * channels * SAMPLE_BYTES[subtype] + 4096 > WAV_LIMIT_BYTES:
        container = "RF64"
    return Writer(path, sample_rate, channels, subtype, container)


def dry_format(reader: Reader) -> tuple[str, str, str]:
    """Container, sample format and suffix that keep what `reader` gives without loss, and small.

    FLAC of 24 bits where the source has no more, else WAV float. FLAC takes a sample rate above 65,535 Hz
    only where it is a multiple of 10.
    """
    flac_rate = reader.sample_rate <= 65_535 or reader.sample_rate % 10 == 0
    if reader.subtype in UP_TO_24_BITS and flac_rate:
        return "FLAC", "PCM_24", ".flac"
    return "WAV", "FLOAT", ".wav"
