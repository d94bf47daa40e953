"""A few files to listen to: dry, DSP and TCN, as loud as each other, where the difference is loudest."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile

from fxd.audio import AudioError, open_reader
from fxd.config import Settings
from fxd.engines.engine import Array
from fxd.insight.report.logbook import Logbook
from fxd.insight.report.material import FileRow, Material, file_row
from fxd.insight.report.results import is_made_by, sounds_as_made
from fxd.insight.report.spectrum import Spectrum, power, spectrum_of
from fxd.pipeline.files import display, located
from fxd.store.measurements import text_key
from fxd.store.records import Result, Run
from fxd.store.store import Store
from fxd.training.dataset import dry_path

Source = Literal["dry", "dsp", "tcn"]
Encoding = Literal["flac", "opus"]

EXCERPT_SECONDS = 10.0
HOP_SECONDS = 0.25
CANDIDATES_RECENT, CANDIDATES_WORST = 400, 100
MOST_CHECKED = 50
PEAK = 0.97
"""Of full scale: what is encoded must not clip."""
MOST_GAIN_DB = 40.0
"""By which a quiet sound is raised to be as loud as another."""
DIFFERENCE_BELOW_DB = 6.0
"""So far below the DSP's level is the difference played."""
MOST_DIFFERENCE_GAIN_DB = 80.0
QUANTUM = 2.0**-23
"""Of 24 bits: what is less is not encoded."""
OPUS_RATE = 48_000
FLAC_PLAIN_RATE = 65_535
MIME = {"flac": "audio/flac", "opus": "audio/ogg"}
COLUMNS = 240
"""Of a waveform."""


@dataclass(frozen=True)
class Take:
    """One of the sounds that are compared."""

    source: Source
    gain_db: float
    """By which it was changed to be as loud as the DSP's."""
    data: bytes
    low: tuple[float, ...]
    high: tuple[float, ...]
    """Its outline: the least and the largest sample of so many stretches, before any gain."""


@dataclass(frozen=True)
class Sound:
    """A file to listen to."""

    row: FileRow
    place: str
    """Among those that can be listened to: worst, median, best, or in between."""
    start: float
    """Seconds from the beginning of the file to that of the excerpt."""
    seconds: float
    excerpt_esr_db: float
    """nan where it is silent."""
    mime: str
    lossy: bool
    channels: int
    """That are heard: at most two."""
    trim_db: float
    """By which all takes were lowered, so that none clips."""
    difference_gain_db: float | None
    """By which the difference is raised in the player; None where there is none to be heard."""
    takes: tuple[Take, ...]
    spectrum: Spectrum | None
    """None where the excerpt is silent or too short."""


@dataclass(frozen=True)
class Choice:
    """A run that can be listened to, and where its three sounds are."""

    row: FileRow
    paths: dict[Source, Path]
    results: tuple[Result, ...] = ()

    @property
    def is_as_made(self) -> bool:
        """Whether both results still sound as the run measured them; the dry sound is named by its content."""
        return all(sounds_as_made(result, self.paths[result.engine]) for result in self.results)


def sounds_of(
    settings: Settings,
    store: Store,
    log: Logbook,
    material: Material,
    files: int,
    encoding: Encoding,
    on_progress: Callable[[float], None],
) -> tuple[list[Sound], int]:
    """Excerpts of `files` files, from the worst to the best, and how many could have been chosen."""
    available = list(listenable(settings, store, log, material))
    sounds: list[Sound] = []
    chosen, available = unaltered(available, files)
    for number, (place, choice) in enumerate(chosen):
        on_progress(number / max(files, 1))
        try:
            sounds.append(excerpt(choice, place, encoding))
        except (AudioError, OSError):
            continue  # removed or replaced meanwhile
    return sounds, len(available)


def listenable(settings: Settings, store: Store, log: Logbook, material: Material) -> Iterator[Choice]:
    """The newest files and the worst whose results are still as their runs left them; the best first."""
    recent = np.argsort(log.at[material.rows], kind="stable")[-CANDIDATES_RECENT:]
    worst = np.arange(len(material))[-CANDIDATES_WORST:]
    places = np.union1d(recent, worst).astype(np.intp)
    rows = [int(row) for row in material.rows[places]]
    runs = {
        (run.finished_at, text_key(run.file)): run
        for run in store.runs_finished_at({log.time(row) for row in rows})
    }
    for place, row in zip(places, rows, strict=True):
        run = runs.get((log.time(row), int(log.file[row])))
        if run is not None and (paths := paths_of(settings, store, run)):
            yield Choice(file_row(run, log, row, int(material.runs[place])), paths, run.results)


def unaltered(available: Sequence[Choice], files: int) -> tuple[list[tuple[str, Choice]], list[Choice]]:
    """`files` of them, each with its place, and all but those that were found to be another sound by now.

    Only those that are to be played are read. Gives up where very many were replaced.
    """
    left, checked = list(available), set[str]()
    while True:
        chosen = list(spread(left, files))
        replaced = {
            one.row.run_id for _, one in chosen if one.row.run_id not in checked and not one.is_as_made
        }
        checked |= {one.row.run_id for _, one in chosen}
        left = [one for one in left if one.row.run_id not in replaced]
        if not replaced or len(checked) > MOST_CHECKED:
            return [pair for pair in chosen if pair[1].row.run_id not in replaced], left


def paths_of(settings: Settings, store: Store, run: Run) -> dict[Source, Path] | None:
    """Where the dry sound and both results of a run are; None where one is gone, or another run's by now."""
    paths: dict[Source, Path] = {}
    for suffix in (".flac", ".wav"):
        dry = dry_path(settings.dataset, run.content_sha256 or "none", suffix)
        if dry.is_file():
            paths["dry"] = dry
    for result in run.results:
        output = located(settings.paths.outbox, result.output)
        if is_made_by(store, run, result, output):
            paths[result.engine] = output
    return paths if len(paths) == 3 else None


def spread(available: Sequence[Choice], files: int) -> Iterator[tuple[str, Choice]]:
    """`files` of them from the worst to the best, evenly; each with its place among them."""
    count = min(files, len(available))
    for number in range(count):
        share = number / (count - 1) if count > 1 else 0.0
        yield name_of_place(share), available[round((1 - share) * (len(available) - 1))]


def name_of_place(share: float) -> str:
    """Of a file than which that share of all is worse.

    >>> [name_of_place(share) for share in (0, 0.25, 0.5, 1)]
    ['worst', 'better than 25 %', 'median', 'best']
    """
    known = {0.0: "worst", 0.5: "median", 1.0: "best"}
    return known.get(share, f"better than {100 * share:.0f} %")


def excerpt(choice: Choice, place: str, encoding: Encoding) -> Sound:
    """Where the difference is loudest, level-matched and encoded. Raises AudioError or OSError."""
    with open_reader(choice.paths["dsp"]) as reader:
        rate, channels = reader.sample_rate, reader.channels
    frames = round(EXCERPT_SECONDS * rate)
    start = 0
    if choice.row.seconds > EXCERPT_SECONDS:
        start = loudest_difference(choice.paths["dsp"], choice.paths["tcn"], rate)
    whole = {source: read(path, start, frames) for source, path in choice.paths.items()}
    shortest = min(sound.shape[1] for sound in whole.values())
    sounds = {source: sound[:2, :shortest] for source, sound in whole.items()}
    difference = sounds["tcn"] - sounds["dsp"]
    gains = matching_gains(sounds, rate)
    peak = max(float(np.abs(sounds[source]).max()) * amplitude(gains[source]) for source in sounds)
    trim_db = min(0.0, decibels_of(PEAK) - decibels_of(peak)) if peak else 0.0
    order: tuple[Source, ...] = ("dry", "dsp", "tcn")
    takes = tuple(take(source, sounds[source], gains[source], trim_db, rate, encoding) for source in order)
    dsp_energy, energy = power(sounds["dsp"]), power(difference)
    return Sound(
        row=choice.row,
        place=place,
        start=start / rate,
        seconds=shortest / rate,
        excerpt_esr_db=10 * math.log10(energy / dsp_energy) if energy and dsp_energy else math.nan,
        mime=MIME[encoding],
        lossy=encoding == "opus",
        channels=min(channels, 2),
        trim_db=trim_db,
        difference_gain_db=None if encoding == "opus" else difference_gain(sounds["dsp"], difference),
        takes=takes,
        spectrum=spectrum_of(sounds["dsp"], difference, rate),
    )


def loudest_difference(dsp: Path, tcn: Path, rate: int) -> int:
    """The frame at which that stretch of `EXCERPT_SECONDS` begins in which the two differ most."""
    hop = round(HOP_SECONDS * rate)
    with open_reader(dsp) as first, open_reader(tcn) as second:
        pairs = zip(first.blocks(hop), second.blocks(hop), strict=False)
        energy = np.array([power(b - a) * a.shape[1] for a, b in pairs if a.shape == b.shape])
    width = min(round(EXCERPT_SECONDS / HOP_SECONDS), len(energy))
    sums = np.convolve(energy, np.ones(width), "valid") if width else np.zeros(1)
    return int(np.argmax(sums)) * hop


def read(path: Path, start: int, frames: int) -> Array:
    """`frames` of a file from `start` on, fewer at its end. Raises AudioError, OSError."""
    found: list[Array] = []
    with open_reader(path) as reader:
        reader.skip(start)
        missing = frames
        # Not one block more than needed: what comes after the excerpt may be an hour.
        for block in reader.blocks(min(frames, 65_536)):
            found.append(block[:, :missing])
            missing -= found[-1].shape[1]
            if missing == 0:
                break
    if not found:
        raise AudioError(f"{display(path)} ends before {start} frames")
    return np.concatenate(found, axis=1)


def matching_gains(sounds: dict[Source, Array], rate: int) -> dict[Source, float]:
    """Decibels that make each as loud as the DSP's; 0 for what is silent."""
    levels = {source: level_db(sound, rate) for source, sound in sounds.items()}
    return {
        source: max(-MOST_GAIN_DB, min(MOST_GAIN_DB, gain)) if math.isfinite(gain) else 0.0
        for source, gain in ((source, levels["dsp"] - level) for source, level in levels.items())
    }


def level_db(sound: Array, rate: int) -> float:
    """Its loudness (BS.1770); of what is too short or too quiet for that, its power; -inf of silence."""
    from fxd.loudness import Loudness

    loudness = Loudness(rate, sound.shape[0])
    loudness.update(sound)
    found = loudness.result()
    return found if math.isfinite(found) else decibels_of(math.sqrt(power(sound)))


def take(source: Source, sound: Array, gain_db: float, trim_db: float, rate: int, encoding: Encoding) -> Take:
    edges = np.linspace(0, sound.shape[1], min(COLUMNS, sound.shape[1]) + 1).astype(int)[:-1]
    low = np.minimum.reduceat(sound.min(axis=0), edges).astype(float).round(4)
    high = np.maximum.reduceat(sound.max(axis=0), edges).astype(float).round(4)
    played = sound * np.float32(amplitude(gain_db + trim_db))
    return Take(source, gain_db, encoded(played, rate, encoding), tuple(low.tolist()), tuple(high.tolist()))


def encoded(sound: Array, rate: int, encoding: Encoding) -> bytes:
    """The sound as a file: FLAC of 24 bits, or Opus."""
    buffer = io.BytesIO()
    # FLAC takes other rates above this only where they are multiples of 10.
    if encoding == "opus" or (rate > FLAC_PLAIN_RATE and rate % 10):
        sound, rate = resampled(sound, rate), OPUS_RATE
    kind = ("FLAC", "PCM_24") if encoding == "flac" else ("OGG", "OPUS")
    with soundfile.SoundFile(buffer, "w", rate, sound.shape[0], kind[1], format=kind[0]) as file:
        for start in range(0, sound.shape[1], OPUS_RATE):
            file.write(sound[:, start : start + OPUS_RATE].T)
    return buffer.getvalue()


def resampled(sound: Array, rate: int) -> Array:
    """At 48 kHz, which is all that Opus knows."""
    from scipy.signal import resample_poly

    common = math.gcd(rate, OPUS_RATE)
    return np.asarray(resample_poly(sound, OPUS_RATE // common, rate // common, axis=1), np.float32)


def difference_gain(dsp: Array, difference: Array) -> float | None:
    """Decibels that bring the difference near the DSP's level, without clipping; None where there is none."""
    if float(np.abs(difference).max()) <= QUANTUM or not power(dsp):
        return None
    wanted = 10 * math.log10(power(dsp) / power(difference)) - DIFFERENCE_BELOW_DB
    room = decibels_of(PEAK) - decibels_of(float(np.abs(difference).max()))
    return max(0.0, min(wanted, room, MOST_DIFFERENCE_GAIN_DB))


def amplitude(gain_db: float) -> float:
    return float(10 ** (gain_db / 20))


def decibels_of(magnitude: float) -> float:
    return 20 * math.log10(magnitude) if magnitude > 0 else -math.inf
