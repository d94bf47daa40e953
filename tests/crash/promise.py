"""The promise, as functions that tell how a home breaks it.

    Every file that was completely written into the inbox ends in `inbox/done` with both outputs and exactly one
    record, or in `inbox/failed` with a reason; whatever is visible in `outbox` is whole.

`broken_meanwhile` holds at every moment, in the middle of a crash too; `broken_in_the_end` once a daemon has
worked everything off. Both only read, and both are empty for a home that keeps the promise.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import soundfile

from fxd.config import load_settings
from fxd.pipeline.archive import error_note
from fxd.pipeline.files import display
from fxd.store.records import Run
from fxd.store.store import open_store

from .order import damaged, littered, strayed, unserved, visible

ENGINES = {"dsp", "tcn"}


@dataclass(frozen=True)
class Dropped:
    """A file that was complete in the inbox."""

    name: str
    """Its path below the inbox."""
    sha256: str
    frames: int | None = None
    """None where it cannot be processed."""


@dataclass(frozen=True)
class Expectation:
    """What there was before a crash, and so what there has to be after it."""

    dropped: tuple[Dropped, ...] = ()
    runs: frozenset[str] = frozenset()
    """Ids of the runs recorded before."""
    originals: Mapping[str, str] = field(default_factory=dict)
    """What lay in `done` and `failed` before: path below the inbox -> SHA-256."""
    processed: tuple[Dropped, ...] = ()
    """What `fxd process` was given, and given again after the crash: by its path below the home."""
    sounds: frozenset[str] = frozenset()
    """What any output may hold, see `sound_of`; empty where that is not known."""


def hash_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def sound_of(path: Path) -> str:
    """Sample rate, frames and a hash of all samples; raises soundfile.LibsndfileError where it is no sound."""
    samples, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
    return f"{sample_rate} Hz, {len(samples)} frames, {sha256(samples.tobytes()).hexdigest()[:16]}"


def originals_of(home: Path) -> dict[str, str]:
    """What lies in `done` and `failed`, without the reasons: path below the inbox -> SHA-256."""
    inbox = home / "inbox"
    found = {name: path for name, path in visible(inbox).items() if name.split("/")[0] in ("done", "failed")}
    return {name: hash_of(path) for name, path in found.items() if not name.endswith(".error.txt")}


def broken_meanwhile(home: Path, expected: Expectation) -> list[str]:
    """How the home breaks what holds at every moment: no content is lost, and what is visible is whole."""
    return [*lost(home, expected), *torn(home, expected)]


def lost(home: Path, expected: Expectation) -> Iterator[str]:
    there = Counter(
        {identity(path): hash_of(path) for path in (home / "inbox").rglob("*") if path.is_file()}.values()
    )
    for one in expected.processed:
        if hash_of(home / one.name) != one.sha256:
            yield f"lost: {one.name} is not what it was"
    wanted = Counter([*(one.sha256 for one in expected.dropped), *expected.originals.values()])
    for digest in (wanted - there).elements():
        names = [one.name for one in expected.dropped if one.sha256 == digest] or ["an older original"]
        yield f"lost: {names[0]} is nowhere below the inbox"


def identity(path: Path) -> tuple[int, int]:
    """One file may have two names for a moment."""
    status = path.stat()
    return status.st_dev, status.st_ino


def torn(home: Path, expected: Expectation) -> Iterator[str]:
    for name, path in visible(home / "outbox").items():
        try:
            sound = sound_of(path)
        except soundfile.LibsndfileError as error:
            yield f"torn: outbox/{name} cannot be read: {error}"
        else:
            if expected.sounds and sound not in expected.sounds:
                yield f"torn: outbox/{name} is not what an engine made: {sound}"


def broken_in_the_end(home: Path, expected: Expectation) -> list[str]:
    """How the home breaks what holds once a daemon has worked everything off and ended."""
    settings = load_settings(home)
    damage = list(damaged(settings))
    if damage:  # nothing else can be told then
        return damage
    with open_store(settings.database_url) as store:
        runs = store.runs(1_000_000)
        return [
            *broken_meanwhile(home, expected),
            *miscounted(expected, [run for run in runs if run.id not in expected.runs]),
            *misplaced(home, expected, runs),
            *unowned(home, runs),
            *littered(home, settings),
            *unserved(settings, store),
            *strayed(settings, store),
        ]


def miscounted(expected: Expectation, fresh: list[Run]) -> Iterator[str]:
    """Exactly one record for each file, and a true one."""
    of_file: dict[str, list[Run]] = {}
    for run in fresh:
        of_file.setdefault(run.file, []).append(run)
    for one in (*expected.dropped, *expected.processed):
        found = of_file.pop(display(one.name if one in expected.dropped else Path(one.name).name), [])
        if len(found) not in ((1,) if one in expected.dropped else (1, 2)):
            yield f"recorded: {one.name} has {len(found)} records"
        for run in found:
            if run.state != ("failed" if one.frames is None else "done"):
                yield f"recorded: {one.name} is {run.state}: {run.reason}"
            elif run.state == "done" and (run.sha256, run.frames) != (one.sha256, one.frames):
                yield f"recorded: {one.name} with {run.frames} frames and another content"
            elif run.state == "done" and {result.engine for result in run.results} != ENGINES:
                yield f"recorded: {one.name} with {len(run.results)} results"
    for name, found in of_file.items():
        yield f"recorded: {name}, which nobody dropped, has {len(found)} records"


def misplaced(home: Path, expected: Expectation, runs: list[Run]) -> Iterator[str]:
    """Every original lies in the right folder, once, and nothing but originals lies there."""
    there = originals_of(home)
    for name, digest in expected.originals.items():
        if there.pop(name, None) != digest:
            yield f"archive: {name} is not what it was"
    wanted = Counter((folder_of(one), one.sha256) for one in expected.dropped)
    found = Counter((str(Path(name).parent), digest) for name, digest in there.items())
    for folder, digest in (wanted - found).elements():
        yield f"archive: {digest[:8]} is not in {folder}"
    for folder, digest in (found - wanted).elements():
        yield f"archive: {digest[:8]} is in {folder}, where it does not belong"
    ids = {run.id for run in runs if run.state == "failed"}
    for name in (name for name in there if name.startswith("failed/")):
        note = error_note(home / "inbox" / name)
        text = note.read_text(encoding="utf-8") if note.exists() else ""
        if "Reason:" not in text or not any(run_id in text for run_id in ids):
            yield f"archive: {name} has no reason beside it that tells of a recorded run"
    notes = [name for name in visible(home / "inbox" / "failed") if name.endswith(".error.txt")]
    if len(notes) != len(visible(home / "inbox" / "failed")) / 2:
        yield f"archive: failed holds {len(notes)} reasons for another number of files"


def folder_of(one: Dropped) -> str:
    return str(Path("failed" if one.frames is None else "done", one.name).parent)


def unowned(home: Path, runs: list[Run]) -> Iterator[str]:
    """What is visible in the outbox are the outputs of recorded runs, all of them."""
    frames = {result.output: run.frames for run in reversed(runs) for result in run.results}
    there = visible(home / "outbox")
    for name in frames.keys() - {display(name) for name in there}:
        yield f"outbox: {name} is recorded and not there"
    for name, path in there.items():
        if display(name) not in frames:
            yield f"outbox: {name} belongs to no recorded run"
        elif (found := soundfile.info(path).frames) != frames[display(name)]:
            yield f"outbox: {name} has {found} frames, its record {frames[display(name)]}"
