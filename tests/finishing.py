"""Claims, and attempts at them that ended well, without engines: every output holds one number of its own."""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxd.config import load_settings
from fxd.pipeline.archive import LateWrites
from fxd.pipeline.claim import Claim
from fxd.pipeline.claims import Claims
from fxd.pipeline.dispatch import Dispatcher
from fxd.pipeline.finished import Finished
from fxd.pipeline.inbox import Candidate, Inbox, signature
from fxd.pipeline.job import Outcome
from fxd.pipeline.publish import Publisher
from fxd.pipeline.workers import Slot
from fxd.store.errors import StoreUnavailable
from fxd.store.records import EngineName, Environment, Result
from fxd.store.store import Store

FRAMES = 100
HERE = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {})


def make_publisher(root: Path, store: Store) -> Publisher:
    settings = load_settings(root)
    return Publisher(settings, store, HERE, settings.paths.outbox)


def make_dispatcher(publisher: Publisher, claims: Claims, slots: Sequence[Slot] = ()) -> Dispatcher:
    settings = publisher.settings
    inbox = Inbox(settings.paths.inbox, settings.inbox)
    return Dispatcher(inbox, LateWrites(), claims, publisher, list(slots), no_job)


def no_job(source: Path, attempt: Path) -> None:
    raise AssertionError((source, attempt))


def take(claims: Claims, path: Path) -> Claim:
    found = signature(path)
    assert found is not None
    claim = claims.take(Candidate(path, found, 0.0, datetime.now(UTC), 0.0))
    assert claim is not None
    claim.note("started")
    return claim


def level_of(content: bytes) -> float:
    """What every output of a file with this content holds."""
    return sha256(content).digest()[0] / 256


def finish(publisher: Publisher, claim: Claim) -> Finished:
    """What a worker would make of a claimed file."""
    attempt = publisher.attempt_folder(claim)
    return Finished(claim, attempt, make_outputs(attempt, claim.source.read_bytes()))


def make_outputs(attempt: Path, content: bytes) -> Outcome:
    """Outputs and dry sound in an attempt's folder, and what a worker would say of them."""
    sound = np.full(FRAMES, level_of(content), np.float32)
    for name in ("dsp.wav", "tcn.wav"):
        soundfile.write(attempt / name, sound, 44_100, subtype="FLOAT")
    soundfile.write(attempt / "dry.flac", sound, 44_100)
    digest = sha256(content).hexdigest()
    results = tuple(result(engine) for engine in ("dsp", "tcn"))
    return Outcome(digest, digest, 44_100, 1, FRAMES, "", ".flac", "5a77", results)


def result(engine: EngineName) -> Result:
    return Result(engine, "v", 0.01, 0.01, f"{engine}.wav", 1, 0.0, 0, 0.0)


def show_but_not_record(publisher: Publisher, finished: Finished, monkeypatch: pytest.MonkeyPatch) -> None:
    """Publish until the database says that it is locked."""

    def be_locked(*_: object) -> None:
        raise StoreUnavailable("it is locked")

    with monkeypatch.context() as patch:
        patch.setattr(publisher.store, "record_runs", be_locked)
        with pytest.raises(StoreUnavailable):
            publisher.release([finished])
