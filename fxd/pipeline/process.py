"""One claimed file through every engine, in one pass, into the attempt's own folder.

This runs in a worker process. It publishes nothing and touches no database: a worker that outlives its daemon
writes into a folder that nobody reads any more.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path

from fxd.audio import AudioError, Reader, open_reader
from fxd.audio_writer import SAMPLE_BYTES, Writer, dry_format, open_writer
from fxd.config import SaturatorSettings
from fxd.engines.engine import Aligned, Array, Engine
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn, load_weights
from fxd.hashes import ContentHash, FileHash
from fxd.loudness import Loudness
from fxd.metrics import Comparison
from fxd.pipeline.disks import shortage
from fxd.pipeline.files import make_folder, sync_file
from fxd.pipeline.follower import Follower
from fxd.pipeline.job import DRY_STEM, Job, Outcome
from fxd.sound_profile import SoundProfile
from fxd.store.records import EngineName, Quality, Result

BLOCK_FRAMES = 65_536

UNKNOWN_FRAMES = 2**62
"""A header that says nothing of the length stands for more than that."""

Progress = Callable[[float, float | None], None]
"""Told the seconds of audio that are done, and of how many, where the header says it."""


class FileFault(Exception):
    """The file cannot be processed, and it is the file's own fault; the text says why and what to do."""


class CutOff(FileFault):
    """The file says that there is more of it: perhaps its writer is only slow."""


class Lane:
    """One engine at work on the file: its stream and its clocks, its writer and its loudness.

    `run` belongs to the thread of the engines, `keep` to the one that follows.
    """

    def __init__(self, engine: Engine, reader: Reader, writer: Writer) -> None:
        self.engine = engine
        self.stream = Aligned(engine.stream(reader.sample_rate, reader.channels), reader.channels)
        self.writer = writer
        self.loudness = Loudness(reader.sample_rate, reader.channels)
        self.engine_seconds = 0.0
        self.cpu_seconds = 0.0
        """Of this thread: what runs beside the engine is not the engine's."""

    def run(self, block: Array | None) -> Array:
        """Process one block, or with None what the latency still holds; returns the aligned output."""
        cpu, wall = time.thread_time(), time.perf_counter()
        wet = self.stream.finish() if block is None else self.stream.process(block)
        self.engine_seconds += time.perf_counter() - wall
        self.cpu_seconds += time.thread_time() - cpu
        return wet

    def keep(self, wet: Array) -> None:
        """Write the output and measure it."""
        self.writer.write(wet)
        self.loudness.update(wet)

    def result(self, quality: Quality | None) -> Result:
        name: EngineName = "dsp" if self.engine.name == "dsp" else "tcn"
        return Result(
            engine=name,
            version=self.engine.version,
            engine_seconds=self.engine_seconds,
            cpu_seconds=self.cpu_seconds,
            output=f"{name}.wav",
            output_bytes=self.writer.path.stat().st_size,
            peak_dbfs=self.writer.peak_dbfs,
            clipped_frames=self.writer.clipped_frames,
            loudness_lufs=self.loudness.result(),
            quality=quality,
        )


def process(job: Job, progress: Progress) -> Outcome:
    """Run `job` to its end.

    Raises FileFault where the file is to blame, OSError where the machine is (a full disk, a lost share).
    """
    make_folder(job.attempt)
    try:
        with open_reader(job.source) as reader:
            try:
                return process_open(job, reader, progress)
            except OSError as error:
                raise shortage(error, job.attempt, room_for(job, reader)) from error
    except PermissionError as error:
        if str(error.filename) != str(job.source):
            raise
        raise FileFault("it cannot be read (permission denied); change its mode and drop it again") from error
    except AudioError as error:
        raise (CutOff if error.cut_off else FileFault)(str(error)) from error


def room_for(job: Job, reader: Reader) -> int:
    """Bytes that an attempt takes at most, as far as the header tells how long the sound is."""
    _, subtype, _ = dry_format(reader)
    frames = told_frames(reader) or 0
    return frames * reader.channels * (2 * SAMPLE_BYTES[job.subtype] + SAMPLE_BYTES[subtype])


def told_frames(reader: Reader) -> int | None:
    """How long the sound is, if the header says it; that may be wrong."""
    return reader.declared_frames if reader.declared_frames < UNKNOWN_FRAMES else None


def process_open(job: Job, reader: Reader, progress: Progress) -> Outcome:
    content = ContentHash(reader.sample_rate, reader.channels)
    profile = SoundProfile(reader.sample_rate)
    comparison = Comparison(reader.channels)
    with ExitStack() as stack:
        source = stack.enter_context(closing(FileHash(job.source)))
        dry, suffix = open_dry(job, reader)
        stack.enter_context(dry)
        lanes = open_lanes(job, reader, stack)

        def keep(block: Array | None, *wets: Array) -> None:
            if block is not None:
                content.update(block)
                profile.update(block)
                source.step()
                dry.write(block)
            for lane, wet in zip(lanes, wets, strict=True):
                lane.keep(wet)
            comparison.update(*wets)

        if job.has_spare_core:
            with Follower(keep) as follower:
                frames = run_engines(reader, lanes, follower.give, progress)
        else:
            frames = run_engines(reader, lanes, keep, progress)
        sha256 = source.hexdigest()
    for writer in (dry, *(lane.writer for lane in lanes)):
        sync_file(writer.path)
    quality = Quality(**asdict(comparison.result()))
    dsp, tcn = lanes
    return Outcome(
        sha256=sha256,
        content_sha256=content.hexdigest(),
        sample_rate=reader.sample_rate,
        channels=reader.channels,
        frames=frames,
        profile=profile.text(),
        dry_suffix=suffix,
        settings_hash=dsp.engine.version,
        results=(dsp.result(None), tcn.result(quality)),
    )


def run_engines(reader: Reader, lanes: Sequence[Lane], keep: Callable[..., None], progress: Progress) -> int:
    """Run the whole file through the engines; `keep` gets each block, None at the end, and what they made of it.

    Returns the number of frames.
    """
    frames, told = 0, told_frames(reader)
    length_seconds = None if told is None else told / reader.sample_rate
    for block in reader.blocks(BLOCK_FRAMES):
        keep(block, *(lane.run(block) for lane in lanes))
        frames += block.shape[1]
        progress(frames / reader.sample_rate, length_seconds)
    keep(None, *(lane.run(None) for lane in lanes))
    return frames


def open_dry(job: Job, reader: Reader) -> tuple[Writer, str]:
    """Where the dry sound is kept, and the suffix of its name."""
    container, subtype, suffix = dry_format(reader)
    path = job.attempt / (DRY_STEM + suffix)
    shape = (reader.sample_rate, reader.channels)
    return open_writer(path, *shape, subtype, reader.declared_frames, container), suffix


def open_lanes(job: Job, reader: Reader, stack: ExitStack) -> tuple[Lane, Lane]:
    """Both engines, ready to work; their writers are closed with `stack`."""
    shape = (reader.sample_rate, reader.channels)
    engines = usable_engines(job)
    paths = [job.attempt / f"{engine.name}.wav" for engine in engines]
    writers = [open_writer(path, *shape, job.subtype, reader.declared_frames) for path in paths]
    for writer in writers:
        stack.enter_context(writer)
    try:
        dsp, tcn = (Lane(engine, reader, writer) for engine, writer in zip(engines, writers, strict=True))
    except ValueError as error:
        raise FileFault(str(error)) from error
    return dsp, tcn


def usable_engines(job: Job) -> tuple[Engine, Engine]:
    """Both engines. A model that cannot be used is no file's fault: it raises OSError, with the remedy."""
    try:
        return load_engines(job.saturator, job.model)
    except ValueError as error:
        raise OSError(f"{error}; choose another model with `fxd models promote ID`") from error


@lru_cache(maxsize=2)
def load_engines(saturator: SaturatorSettings, model: Path) -> tuple[Engine, Engine]:
    """Both engines, compiled and warmed, so that no file pays for it and no timing contains it."""
    engines: tuple[Engine, Engine] = (Saturator(saturator), Tcn(load_weights(model)))
    for engine in engines:
        for sample_rate in (44_100, 48_000):
            stream = engine.stream(sample_rate, 1)
            stream.process(silence(64))
            stream.process(silence(4096))
    Loudness(48_000, 1).update(silence(4096))
    comparison = Comparison(1)
    comparison.update(silence(4096), silence(4096))
    comparison.result()
    return engines


def silence(frames: int) -> Array:
    import numpy as np

    return np.zeros((1, frames), np.float32)
