"""What events tell of the inbox, and what they do not."""

import errno
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from finishing import take
from homes import wait_until
from watchdog.events import DirCreatedEvent, FileCreatedEvent, FileMovedEvent, FileSystemEvent

from fxd.config import InboxSettings
from fxd.pipeline import watch
from fxd.pipeline.archive import LateWrites
from fxd.pipeline.claims import Claims
from fxd.pipeline.inbox import Inbox
from fxd.pipeline.watch import FLOOD_HINTS, Hints, Lookout

MakeLookout = Callable[..., Lookout]


@pytest.fixture
def hints(tmp_path: Path) -> Hints:
    return Hints(tmp_path)


def tell(hints: Hints, kind: type[FileSystemEvent], *names: str, root: Path) -> None:
    hints.on_any_event(kind(*(str(root / name) if name else "" for name in names)))


def test_what_fxd_does_in_its_own_folders_is_no_reason_to_look(hints: Hints, tmp_path: Path) -> None:
    for name in (".claimed/daemon/run", "done", "done/sub", "failed/sub"):
        tell(hints, DirCreatedEvent, name, root=tmp_path)
    tell(hints, FileCreatedEvent, ".claimed/daemon/run/.journal", root=tmp_path)
    tell(hints, FileMovedEvent, "riff.wav", ".claimed/daemon/run/riff.wav", root=tmp_path)
    tell(hints, FileMovedEvent, "riff.wav", "", root=tmp_path)
    assert hints.drain() == []
    assert not hints.folder_changed.is_set()


def test_what_others_do_is_looked_at(hints: Hints, tmp_path: Path) -> None:
    tell(hints, FileCreatedEvent, "riff.wav", root=tmp_path)
    tell(hints, FileMovedEvent, "riff.wav.part", "sub/riff.wav", root=tmp_path)
    tell(hints, FileMovedEvent, "done/old.wav", "old.wav", root=tmp_path)
    tell(hints, FileCreatedEvent, "done.wav", root=tmp_path)
    names = [str(path.relative_to(tmp_path)) for path in hints.drain()]
    assert names == ["riff.wav", "sub/riff.wav", "old.wav", "done.wav"]
    assert not hints.folder_changed.is_set()
    tell(hints, DirCreatedEvent, "done at last", root=tmp_path)
    assert hints.folder_changed.is_set()


@pytest.fixture
def make_lookout(tmp_path: Path) -> Iterator[MakeLookout]:
    """Makes a lookout on `tmp_path` that scans once an hour, unless something makes it."""
    made: list[Lookout] = []

    def make(**settings: object) -> Lookout:
        chosen = InboxSettings(settle_seconds=0.05, rescan_seconds=3600, **settings)  # type: ignore[arg-type]
        made.append(Lookout(Inbox(tmp_path, chosen), LateWrites()))
        made[-1].look()
        return made[-1]

    yield make
    for lookout in made:
        lookout.stop()


def look_until_seen(lookout: Lookout, *names: str) -> None:
    def all_are_seen() -> bool:
        lookout.look()
        return {lookout.inbox.root / name for name in names} <= lookout.inbox.candidates.keys()

    wait_until(all_are_seen, f"{names} are seen")


def test_a_file_is_seen_however_it_arrives(make_lookout: MakeLookout, tmp_path: Path) -> None:
    lookout = make_lookout()
    (tmp_path / "written.wav").write_bytes(b"x")
    outside = tmp_path.with_name("outside")
    (outside / "folder" / "deep").mkdir(parents=True)
    (outside / "moved.wav").write_bytes(b"x")
    (outside / "folder" / "deep" / "inner.wav").write_bytes(b"x")
    (outside / "moved.wav").rename(tmp_path / "moved.wav")
    (tmp_path / "a.part").write_bytes(b"x")
    (tmp_path / "a.part").rename(tmp_path / "renamed.wav")
    look_until_seen(lookout, "written.wav", "moved.wav", "renamed.wav")
    # Only now: what comes with a folder makes the lookout look everywhere.
    (outside / "folder").rename(tmp_path / "folder")
    look_until_seen(lookout, "folder/deep/inner.wav")


def test_where_no_events_come_the_folder_is_looked_at_again_and_again(
    make_lookout: MakeLookout, tmp_path: Path
) -> None:
    lookout = make_lookout(polling=True)
    assert lookout.watch.observer is None
    (tmp_path / "riff.wav").write_bytes(b"x")
    look_until_seen(lookout, "riff.wav")


def test_where_the_system_has_no_watch_left_the_folder_is_looked_at_again_and_again(
    make_lookout: MakeLookout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "inotify watch limit reached")

    threads = threading.active_count()
    with monkeypatch.context() as patch:
        patch.setattr("watchdog.observers.inotify.InotifyWatchGroup", refuse)
        lookout = make_lookout()
        (tmp_path / "riff.wav").write_bytes(b"x")
        look_until_seen(lookout, "riff.wav")
        wait_until(lambda: threading.active_count() == threads, "what was begun in vain has ended")
    wait_until(lambda: lookout.look() and lookout.watch.sees(), "it watches once there is a watch for it")
    assert lookout.next_scan > time.monotonic() + 60


def test_a_watcher_whose_thread_died_is_replaced(make_lookout: MakeLookout, tmp_path: Path) -> None:
    lookout = make_lookout()
    assert lookout.watch.observer is not None
    (emitter,) = lookout.watch.observer.emitters
    emitter.stop()
    emitter.join()
    assert not lookout.watch.sees()
    (tmp_path / "unseen.wav").write_bytes(b"x")
    look_until_seen(lookout, "unseen.wav")
    (tmp_path / "seen.wav").write_bytes(b"x")
    look_until_seen(lookout, "seen.wav")


def test_a_folder_that_the_watcher_finds_twice_fills_no_terminal(make_lookout: MakeLookout) -> None:
    make_lookout()
    text, module = "Callback with id '7' already exists for watch", "watchdog.observers.inotify"
    warnings.warn_explicit(text, RuntimeWarning, "inotify.py", 365, module)  # would fail the test


def test_after_a_flood_of_events_the_folder_is_looked_through_for_those_that_were_dropped(
    make_lookout: MakeLookout, tmp_path: Path
) -> None:
    lookout = make_lookout()
    lookout.watch.stop()
    lookout.watch.sees = lambda: True  # type: ignore[method-assign]
    assert not lookout.look()
    for number in range(FLOOD_HINTS + 1):
        (tmp_path / f"{number}.wav").write_bytes(b"x")
        if number < FLOOD_HINTS:
            tell(lookout.hints, FileCreatedEvent, f"{number}.wav", root=tmp_path)
    assert not lookout.look()
    assert len(lookout.inbox.candidates) == FLOOD_HINTS
    assert lookout.look()
    assert len(lookout.inbox.candidates) == FLOOD_HINTS + 1
    assert not lookout.look()


def test_late_writing_is_noticed_without_a_scan(
    make_lookout: MakeLookout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LATE_LOOK_SECONDS", 0.0)
    lookout = make_lookout()
    (tmp_path / "riff.wav").write_bytes(b"x")
    claims = Claims(tmp_path)
    claim = take(claims, tmp_path / "riff.wav")
    (tmp_path / "done").mkdir()
    final = claim.source.rename(tmp_path / "done" / "riff.wav")
    lookout.late_writes.watch(final, claim)
    assert not lookout.look()
    with final.open("ab") as late:
        late.write(b"more")
    assert not lookout.look()
    assert (tmp_path / "riff.wav").read_bytes() == b"xmore"
    assert tmp_path / "riff.wav" in lookout.inbox.candidates
    claims.close()


WATCHER = """
import sys, time
from pathlib import Path
from fxd.pipeline.watch import Hints, Watch

hints = Hints(Path(sys.argv[1]))
Watch(Path(sys.argv[1]), True, hints).start()
print("watching", flush=True)
print(hints.folder_changed.wait(20), flush=True)
"""


@pytest.mark.usefixtures("short_queue")
def test_that_the_kernel_dropped_events_is_a_reason_to_look_also_where_none_arrived(tmp_path: Path) -> None:
    inbox, outside = tmp_path / "inbox", tmp_path / "outside"
    inbox.mkdir()
    outside.mkdir()
    for number in range(300):
        (outside / f"{number}.wav").touch()
    with subprocess.Popen(
        [sys.executable, "-c", WATCHER, inbox], stdout=subprocess.PIPE, text=True
    ) as watcher:
        assert watcher.stdout is not None
        assert watcher.stdout.readline() == "watching\n"
        watcher.send_signal(signal.SIGSTOP)  # it can read nothing meanwhile
        for path in list(outside.iterdir()):
            path.rename(inbox / path.name)
        watcher.send_signal(signal.SIGCONT)
        assert watcher.stdout.readline() == "True\n"


@pytest.mark.slow
@pytest.mark.usefixtures("short_queue")
def test_of_ten_thousand_files_moved_in_at_once_none_is_missed_though_the_kernel_drops_their_events(
    make_lookout: MakeLookout, tmp_path: Path
) -> None:
    lookout = make_lookout()
    outside = tmp_path.with_name("outside")
    outside.mkdir()
    for number in range(10_000):
        (outside / f"{number}.wav").write_bytes(b"x")
    (tmp_path / "sub").mkdir()
    look_until_seen(lookout)
    for path in list(outside.iterdir()):
        path.rename(tmp_path / "sub" / path.name if path.stem.endswith("7") else tmp_path / path.name)
    assert lookout.hints.files.qsize() < 10_000, "the queue of the kernel was long enough: nothing is tested"

    def all_are_seen() -> bool:
        lookout.look()
        return len(lookout.inbox.candidates) == 10_000

    wait_until(all_are_seen, "all are seen")
    (tmp_path / "later.wav").write_bytes(b"x")
    look_until_seen(lookout, "later.wav")
