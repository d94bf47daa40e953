"""A writer that goes on after its file was archived, also where the daemon was restarted meanwhile."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from finishing import finish, make_publisher, take

from fxd.config import load_settings
from fxd.home import make_home
from fxd.pipeline.archive import LATE_SECONDS, LateWrites, error_note
from fxd.pipeline.claims import Claims
from fxd.store.store import Store, open_store

NAME = "caf\udce9.wav"
"""It cannot be written down as it is."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_home(tmp_path / "home")
    (tmp_path / "home" / "inbox" / "sub").mkdir()
    (tmp_path / "home" / "inbox" / "sub" / NAME).write_bytes(b"sound")
    return tmp_path / "home"


@pytest.fixture
def store(root: Path) -> Iterator[Store]:
    """With a run that has just been archived."""
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        finished = finish(publisher, take(claims, root / "inbox" / "sub" / NAME))
        publisher.release([finished])
        assert finished.run is not None
        publisher.archive([(finished.claim, finished.run)])
        claims.close()
        yield store


@pytest.mark.parametrize("before_the_start", [True, False])
def test_a_writer_that_goes_on_while_the_daemon_is_restarted_comes_out_whole(
    root: Path, store: Store, before_the_start: bool
) -> None:
    inbox = root / "inbox"
    late_writes = LateWrites()
    if not before_the_start:
        late_writes.watch_on(inbox, store.runs(9))
        assert late_writes.returned(inbox) == []
    with (inbox / "done" / "sub" / NAME).open("ab") as late:
        late.write(b" and more")
    if before_the_start:
        late_writes.watch_on(inbox, store.runs(9))
    assert late_writes.returned(inbox) == [inbox / "sub" / NAME]
    assert (inbox / "sub" / NAME).read_bytes() == b"sound and more"
    assert not list((inbox / "done").rglob("*.wav"))


def test_what_was_archived_long_ago_or_is_gone_is_not_watched(root: Path, store: Store) -> None:
    (run,) = store.runs(9)
    old = replace(run, finished_at=datetime.now(UTC) - timedelta(seconds=LATE_SECONDS + 1))
    gone = replace(run, steps=())
    late_writes = LateWrites()
    late_writes.watch_on(root / "inbox", [old, gone])
    assert late_writes.watched == {}


@pytest.fixture
def quarantined(root: Path) -> Iterator[tuple[Path, Store]]:
    """An original in quarantine, whose writer has gone on since, and the store that has its run."""
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        claim = take(claims, root / "inbox" / "sub" / NAME)
        publisher.archive([(claim, publisher.record_failure(claim, "it is cut off"))])
        claims.close()
        assert claim.final is not None
        with claim.final.open("ab") as late:
            late.write(b" and more")
        yield claim.final, store


def test_a_reason_that_could_not_be_removed_when_its_file_went_back_goes_later(
    root: Path, quarantined: tuple[Path, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    final, store = quarantined
    inbox, late_writes = root / "inbox", LateWrites()
    late_writes.watch_on(inbox, store.runs(9))
    with monkeypatch.context() as patch, pytest.raises(OSError, match="busy"):
        patch.setattr(Path, "unlink", refuse)
        late_writes.returned(inbox)
    assert error_note(final).exists()
    late_writes.returned(inbox)
    assert not error_note(final).exists()


def test_the_next_daemon_removes_the_reason_of_a_file_that_went_back_when_the_last_was_killed(
    root: Path, quarantined: tuple[Path, Store]
) -> None:
    final, store = quarantined
    final.rename(root / "inbox" / "back.wav")
    LateWrites().watch_on(root / "inbox", store.runs(9))
    assert not error_note(final).exists()


def refuse(path: Path, **_: object) -> None:
    if path.name.endswith(".error.txt"):
        raise OSError(16, "busy")
    os.unlink(path)  # noqa: PTH108
