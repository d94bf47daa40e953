"""Sound files, read in blocks: memory does not grow with their length, and no header is believed.

Reading is in order. python-soundfile seeks to where it already is after every block, and libsndfile crashes on
seeks in crafted Ogg files; so `InOrder` tells it that files cannot be sought. Only `Reader.skip` seeks, and only
in the formats of the training set, which fxd writes itself.
"""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import soundfile

from fxd import containers
from fxd.engines.engine import Array
from fxd.guarded_file import GuardedFile, open_regular

MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 192_000
MAX_CHANNELS = 8
MAX_MAGNITUDE = 1e12
"""Of a sample of a float file: integers of 32 bits that were written as they are pass, and their squares are far
below 3.4e38, where float32 ends."""
BLOCK_FRAMES = 65_536

UNRECOGNISED = 1
"""libsndfile's error number for a file of no format that it knows."""

SOUGHT_FORMATS = frozenset({("FLAC", "PCM_24"), ("WAV", "FLOAT"), ("RF64", "FLOAT")})
"""Container and sample format of all that fxd keeps of dry sounds, and of nothing that it has to mistrust."""


class AudioError(Exception):
    """The file cannot be used, by its own fault; the text says why and what to do, without the name."""

    def __init__(self, text: str, cut_off: bool = False) -> None:
        super().__init__(text)
        self.cut_off = cut_off
        """The end is missing: perhaps somebody is still writing it."""


class InOrder(soundfile.SoundFile):  # type: ignore[misc]  # soundfile has no complete types
    """A sound file that is only ever read or written from its beginning to its end."""

    def seekable(self) -> bool:
        return False


class Reader:
    """One open sound file, read once from its beginning, or from where `skip` leads, to its end."""

    def __init__(self, file: GuardedFile) -> None:
        self._file = file
        try:
            self._sound = InOrder(file)
        except soundfile.LibsndfileError as error:
            file.check()
            raise unreadable(file, error) from error
        self.sample_rate: int = self._sound.samplerate
        self.channels: int = self._sound.channels
        self.declared_frames: int = self._sound.frames
        """A hint that may lie, and 2**63 - 1 where the header says nothing: allocate nothing by it."""
        self.format: str = self._sound.format
        """libsndfile's name of the container: WAV, FLAC, MP3, ..."""
        self.subtype: str = self._sound.subtype
        """libsndfile's name of the sample format: PCM_16, FLOAT, VORBIS, ..."""
        self._frames_read = 0

    def blocks(self, frames: int = BLOCK_FRAMES) -> Iterator[Array]:
        """The sound as float32 [channels, n] with n <= `frames`, C-contiguous, each an array of its own.

        Raises AudioError for nan, inf and absurd values, for what cannot be decoded, and at the end for a file
        that is cut off or holds nothing; OSError where the disk fails.
        """
        buffer = np.empty((frames, self.channels), np.float32)
        while count := self._read_into(buffer):
            block = np.empty((self.channels, count), np.float32)
            for channel, samples in enumerate(block):
                samples[:] = buffer[:count, channel]
            self._reject_absurd(block)
            self._frames_read += count
            yield block
        self._reject_incomplete()

    def skip(self, frames: int) -> None:
        """Pass over the next `frames` of the sound, or up to its end: at once where the format allows it.

        Raises AudioError where the place cannot be found, as in a file that is cut off; OSError where the disk
        fails.
        """
        target = min(self._frames_read + frames, self.declared_frames)
        if (self.format, self.subtype) not in SOUGHT_FORMATS:
            buffer = np.empty((BLOCK_FRAMES, self.channels), np.float32)
            while (left := target - self._frames_read) and (count := self._read_into(buffer[:left])):
                self._frames_read += count
            return
        try:
            # libsndfile would search a FLAC file even for the place where it is.
            if target > self._frames_read:
                self._sound.seek(target)
        except soundfile.LibsndfileError as error:
            self._file.check()
            seconds = target / self.sample_rate
            raise AudioError(
                f"it is damaged or cut off, somewhere before {seconds:.1f} s{cause(error)}; "
                "copy or export it again",
                cut_off=True,
            ) from error
        self._file.check()
        self._frames_read = target

    def _read_into(self, buffer: Array) -> int:
        # Not one frame more than declared: behind the last one libsndfile takes an ID3 tag for damaged FLAC.
        wanted = min(len(buffer), self.declared_frames - self._frames_read)
        if wanted <= 0:
            return 0
        try:
            count = len(self._sound.read(wanted, out=buffer))
        except soundfile.LibsndfileError as error:
            self._file.check()
            seconds = self._frames_read / self.sample_rate
            raise AudioError(
                f"it is damaged or cut off, somewhere after {seconds:.1f} s{cause(error)}; "
                "copy or export it again",
                cut_off=self._file.tell() >= self._file.size,
            ) from error
        self._file.check()
        return count

    def _reject_absurd(self, block: Array) -> None:
        # Neither comparison holds for a nan, nor where one is in the block.
        if block.max() <= MAX_MAGNITUDE and block.min() >= -MAX_MAGNITUDE:
            return
        usable = np.abs(block) <= MAX_MAGNITUDE
        frame = int(np.argmin(usable.all(axis=0)))
        channel = int(np.argmin(usable[:, frame]))
        value = block[channel, frame]
        position = self._frames_read + frame
        raise AudioError(
            f"sample {position} (at {position / self.sample_rate:.3f} s) of channel {channel + 1} "
            f"is {value}; export the file again without it"
        )

    def _reject_incomplete(self) -> None:
        fault = containers.end_fault(
            self._file, self.format, self.declared_frames, self._frames_read, self.sample_rate
        )
        if fault:
            raise AudioError(fault.text, fault.cut_off)
        if self._frames_read == 0:
            raise AudioError("it holds no sound: its header says 0 frames; export it again")

    def close(self) -> None:
        self._sound.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_reader(path: Path) -> Reader:
    """Open a sound file of any kind that libsndfile reads, of 8 to 192 kHz and 1 to 8 channels.

    Raises AudioError where the file is to blame, OSError where the disk is.
    """
    try:
        file = GuardedFile(open_regular(path))
    except ValueError as error:
        raise AudioError(str(error)) from error
    try:
        if file.size == 0:
            raise AudioError("it is empty (0 bytes); copy or export it again")
        reader = Reader(file)
    except BaseException:
        file.close()
        raise
    try:
        reject_unsupported(reader)
    except AudioError:
        reader.close()
        raise
    return reader


def unreadable(file: GuardedFile, error: soundfile.LibsndfileError) -> AudioError:
    """What to tell about a file that libsndfile did not open."""
    if containers.is_cut(file):
        return AudioError("it is cut off; copy or export it again", cut_off=True)
    if error.code == UNRECOGNISED:
        return AudioError("it is not audio of a known kind; export it as WAV, AIFF, FLAC, Ogg or MP3")
    return AudioError(f"it is damaged or of an unknown kind{cause(error)}; export it again")


def cause(error: soundfile.LibsndfileError) -> str:
    """What libsndfile says, in parentheses; nothing where that would tell nobody anything."""
    text = str(error.error_string).removeprefix("Error : ").rstrip(".")
    is_untold = any(phrase in text.lower() for phrase in ("internal error", "unknown error"))
    return "" if is_untold else f" ({text})"


def reject_unsupported(reader: Reader) -> None:
    if not MIN_SAMPLE_RATE <= reader.sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"its sample rate of {reader.sample_rate} Hz is outside {MIN_SAMPLE_RATE} to {MAX_SAMPLE_RATE} "
            "Hz; resample it"
        )
    if reader.channels > MAX_CHANNELS:
        raise AudioError(
            f"it has {reader.channels} channels, and at most {MAX_CHANNELS} can be processed; "
            "split it into several files"
        )


def interleaved(block: Array) -> Array:
    """[channels, n] as [n, channels]: frame by frame, as files hold it.

    Channel by channel this takes a tenth of the time of NumPy's copy of `block.T`.
    """
    frames = np.empty(block.shape[::-1], np.float32)
    for channel, samples in enumerate(block):
        frames[:, channel] = samples
    return frames
