"""What was played, on disk: the dry sound and what was heard, from the callback's ring by a thread of its own.

`take.wav` becomes `take.dry.wav` and `take.wet.wav`, which begin at the same moment: what was heard lags by the
latency of the engines, and so its first frames, which answer nothing, are left out.

The headers are brought up to date every second, so that a take can be read up to there, whatever happens. A part
that grows too long for a WAV is followed by another, `take.2.dry.wav`.
"""

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

import numpy as np

from fxd.audio_writer import SAMPLE_BYTES, WAV_LIMIT_BYTES, open_writer
from fxd.engines.engine import Array
from fxd.live.board import Cell
from fxd.live.desk import Desk
from fxd.live.errors import LiveError
from fxd.live.native import read, write
from fxd.pipeline.files import display, numbered, sync_file, sync_folder

TURN_SECONDS = 0.1
KEEP_TURNS = 10
"""Turns after which the headers are brought up to date."""
SUFFIX = ".wav"
SIDES = ("dry", "wet")


class Part:
    """The dry sound and what was heard, in two files that are written side by side."""

    def __init__(self, paths: tuple[Path, Path], sample_rate: int, channels: int) -> None:
        self.paths = paths
        with ExitStack() as stack:
            self.writers = [
                stack.enter_context(open_writer(path, sample_rate, channels)) for path in self.paths
            ]
            self.files = stack.pop_all()

    @property
    def frames(self) -> int:
        return max(writer.frames for writer in self.writers)

    def write(self, dry: Array, wet: Array) -> None:
        for writer, sound in zip(self.writers, (dry, wet), strict=True):
            writer.write(sound)

    def keep(self) -> None:
        """Make what was written so far readable, should nothing come after it. Raises OSError."""
        for writer in self.writers:
            writer.keep()

    def close(self) -> None:
        """Finish both files, the other one even if one fails. Raises OSError."""
        self.files.close()
        for path in self.paths:
            sync_file(path)
        sync_folder(self.paths[0].parent)


class Recorder:
    """Empties a desk's ring into files, from `start` to `stop`.

    A disk that fails ends the recording and not the playing: `error` tells it.
    """

    def __init__(self, desk: Desk, wanted: Path, limit_bytes: int = WAV_LIMIT_BYTES) -> None:
        """Raises LiveError where the name cannot be used, OSError where the disk refuses."""
        self.desk = desk
        self.wanted = wanted
        self.most_frames = limit_bytes // (desk.channels * SAMPLE_BYTES["FLOAT"])
        self.frames = 0
        """Of the dry sound that are on disk."""
        self.to_skip = desk.longest
        """Frames of what was heard that answer nothing yet."""
        self.parts: list[tuple[Path, Path]] = []
        self.error: OSError | None = None
        self.ended = threading.Event()
        self.part = self.begin_part()
        self.thread = threading.Thread(target=self.work, name="recorder", daemon=True)

    @property
    def dry_files(self) -> list[Path]:
        return [dry for dry, _ in self.parts]

    @property
    def lost_frames(self) -> int:
        """For which the ring had no room, as the disk was too slow."""
        return int(self.desk.board[Cell.LOST])

    @property
    def failure(self) -> str:
        """When and why the recording ended before the playing; empty where it did not."""
        if self.error is None:
            return ""
        return (
            f"it ended after {self.frames / self.desk.sample_rate:.1f} s: {self.error.strerror or self.error}"
        )

    def begin_part(self) -> Part:
        paths = part_paths(self.wanted, len(self.parts))
        check_free(paths)
        part = Part(paths, self.desk.sample_rate, self.desk.channels)
        self.parts.append(paths)
        return part

    def start(self) -> None:
        self.thread.start()

    def work(self) -> None:
        turns = 0
        try:
            while not self.ended.wait(TURN_SECONDS):
                self.drain()
                turns += 1
                if turns % KEEP_TURNS == 0:
                    self.part.keep()
            self.drain()
        except LiveError as error:
            self.error = FileExistsError(str(error))
        except OSError as error:
            self.error = error

    def drain(self) -> None:
        """Write what the ring holds."""
        board, ring, channels = self.desk.board, self.desk.ring, self.desk.channels
        size, done = ring.shape[1], int(board[Cell.READ])
        written = int(read(board, Cell.WRITTEN))
        while done < written:
            at = done % size
            frames = min(written - done, size - at)
            self.put(ring[:channels, at : at + frames], ring[channels:, at : at + frames])
            done += frames
            write(board, Cell.READ, done)

    def put(self, dry: Array, heard: Array) -> None:
        skipped = min(self.to_skip, heard.shape[1])
        self.to_skip -= skipped
        if self.part.frames + dry.shape[1] > self.most_frames:
            self.part.close()
            self.part = self.begin_part()
        self.part.write(np.ascontiguousarray(dry), np.ascontiguousarray(heard[:, skipped:]))
        self.frames += dry.shape[1]

    def stop(self) -> None:
        """Write what is left, and finish the files. Raises OSError where any of it could not be written."""
        self.ended.set()
        self.thread.join()
        try:
            self.part.close()
        except OSError as error:
            self.error = self.error or error
        if self.part.frames == 0:
            # The device refused, or went away at once.
            for path in self.parts.pop():
                path.unlink()
        if self.error is not None:
            raise self.error


def part_paths(wanted: Path, index: int) -> tuple[Path, Path]:
    """What the parts of a take are called: `take.dry.wav` and `take.wet.wav`, then `take.2.dry.wav`, ..."""
    name = next(islice(numbered(wanted.name.removesuffix(SUFFIX)), index, None))
    dry, wet = (wanted.with_name(f"{name}.{side}{SUFFIX}") for side in SIDES)
    return dry, wet


def check_free(paths: Iterable[Path]) -> None:
    """Raise LiveError where one of them is there."""
    for path in paths:
        if path.exists():
            raise LiveError(f"{display(path)} is there already: choose another name for --record")


def check_name(wanted: Path) -> None:
    """Raise LiveError where a recording cannot be called so."""
    if wanted.suffix.lower() not in ("", SUFFIX):
        raise LiveError(
            f"--record {display(wanted)}: recordings are WAV files; call it {display(wanted.stem)}{SUFFIX}"
        )
    if not wanted.parent.is_dir():
        raise LiveError(
            f"--record {display(wanted)}: there is no folder {display(wanted.parent)}; make it first"
        )
    check_free(part_paths(wanted, 0))
