"""When a file counts as complete."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from loguru import logger

from fxd.config import InboxSettings
from fxd.pipeline.inbox import Candidate, Inbox, Signature, is_open_for_writing, signature

SETTLE_SECONDS = 0.3


def make_inbox(root: Path, **settings: object) -> Inbox:
    return Inbox(root, InboxSettings(settle_seconds=SETTLE_SECONDS, **settings))  # type: ignore[arg-type]


def next_complete(inbox: Inbox, seconds: float = 60.0) -> Candidate | None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (candidate := inbox.next_complete()) is not None:
            return candidate
        time.sleep(0.01)
    return None


def names(inbox: Inbox) -> set[str]:
    return {str(path.relative_to(inbox.root)) for path in inbox.candidates}


@pytest.mark.parametrize(
    "name",
    [
        ".hidden.wav",
        "._riff.wav",
        ".DS_Store",
        "riff.wav.part",
        "riff.tmp",
        "riff.wav.crdownload",
        "riff.wav~",
    ],
)
def test_a_half_copied_name_waits_for_its_rename(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    assert not inbox.candidates
    (tmp_path / name).rename(tmp_path / "riff.wav")
    inbox.scan()
    assert names(inbox) == {"riff.wav"}


def test_only_regular_files_are_taken(tmp_path: Path) -> None:
    outside = tmp_path / "outside.wav"
    outside.write_bytes(b"x")
    root = tmp_path / "inbox"
    root.mkdir()
    (root / "link.wav").symlink_to(outside)
    (root / "folder-link").symlink_to(tmp_path)
    os.mkfifo(root / "pipe.wav")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(root / "socket.wav"))
    (root / "folder.wav").mkdir()
    (root / "real.wav").write_bytes(b"x")
    inbox = make_inbox(root)
    inbox.scan()
    assert names(inbox) == {"real.wav"}
    for name in ("pipe.wav", "socket.wav", "link.wav"):
        assert "regular file" in str(inbox.why_ignored(root / name))
    inbox.notice(root / "folder-link" / "outside.wav")  # as an event might tell
    assert names(inbox) == {"real.wav"}
    assert "linked folder" in str(inbox.why_ignored(root / "folder-link" / "outside.wav"))


def test_own_folders_are_left_alone_but_only_at_the_top(tmp_path: Path) -> None:
    for folder in ("done", "failed", ".claimed/x", "mine/done"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "riff.wav").write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    assert names(inbox) == {"mine/done/riff.wav"}


def test_on_a_disk_that_ignores_case_own_folders_are_left_alone_however_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each original would be found in `Done`, processed and archived there once more, for ever."""
    for folder in ("Done", "Failed/x", "Done too"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "riff.wav").write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    assert names(inbox) == {"Done/riff.wav", "Failed/x/riff.wav", "Done too/riff.wav"}
    monkeypatch.setattr(os.path, "lexists", lambda path: path.with_name(path.name.title()).is_dir())
    inbox = make_inbox(tmp_path)
    inbox.scan()
    inbox.notice(tmp_path / "Done" / "riff.wav")  # as an event might tell
    assert names(inbox) == {"Done too/riff.wav"}


def test_patterns_and_recursion_are_obeyed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("a.wav", "b.txt", "sub/c.wav"):
        (tmp_path / name).write_bytes(b"x")
    inbox = make_inbox(tmp_path, patterns=("*.wav",), recursive=False)
    inbox.scan()
    assert names(inbox) == {"a.wav"}
    assert "patterns" in str(inbox.why_ignored(tmp_path / "b.txt"))
    assert "recursive" in str(inbox.why_ignored(tmp_path / "sub" / "c.wav"))


def test_an_old_file_found_by_the_scan_is_watched_before_it_counts_as_complete(tmp_path: Path) -> None:
    path = tmp_path / "riff.wav"
    path.write_bytes(b"x")
    os.utime(path, (1, 1))
    inbox = make_inbox(tmp_path)
    inbox.scan()
    assert inbox.next_complete() is None
    assert next_complete(inbox) is not None


def test_a_file_that_grows_is_left_alone_until_it_is_still(tmp_path: Path) -> None:
    path = tmp_path / "riff.wav"
    path.write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    grown_at = time.monotonic()
    for _ in range(8):
        with path.open("ab") as file:
            file.write(b"more")
        grown_at = time.monotonic()
        assert next_complete(inbox, SETTLE_SECONDS / 10) is None
    assert next_complete(inbox) is not None
    assert time.monotonic() - grown_at >= SETTLE_SECONDS


def test_a_modification_time_in_the_future_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "riff.wav"
    path.write_bytes(b"x")
    os.utime(path, (4e9, 4e9))
    inbox = make_inbox(tmp_path)
    inbox.scan()
    assert next_complete(inbox) is not None


def test_a_still_file_that_somebody_has_open_for_writing_is_not_complete(tmp_path: Path) -> None:
    path = tmp_path / "riff.wav"
    path.write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    script = "import sys; f = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        assert is_open_for_writing(path)
        assert next_complete(inbox, 4 * SETTLE_SECONDS) is None
        writer.communicate()
    assert not is_open_for_writing(path)
    assert next_complete(inbox) is not None


def test_a_file_that_is_held_is_taken_earlier_if_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "riff.wav"
    path.write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.notice(path, hold_seconds=60)
    assert next_complete(inbox, 3 * SETTLE_SECONDS) is None
    path.write_bytes(b"longer")
    assert next_complete(inbox) is not None


def test_a_file_that_goes_away_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "riff.wav"
    path.write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    path.unlink()
    assert next_complete(inbox, 2 * SETTLE_SECONDS) is None
    assert not inbox.candidates


def test_looking_for_complete_files_looks_only_at_those_whose_time_has_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        (tmp_path / f"{number:02}.wav").write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    taken, looked_at = [], []

    def look(path: Path) -> Signature | None:
        looked_at.append(path)
        return signature(path)

    monkeypatch.setattr("fxd.pipeline.inbox.signature", look)
    while (candidate := next_complete(inbox, 2.0)) is not None:
        inbox.forget(candidate.path)
        taken.append(candidate.path)
    assert len(taken) == 50
    assert len(looked_at) < 2 * 50  # and not the square of it


def test_a_complete_file_that_could_not_be_taken_is_offered_again(tmp_path: Path) -> None:
    (tmp_path / "riff.wav").write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    assert next_complete(inbox) is next_complete(inbox)


def test_a_sub_folder_that_cannot_be_read_holds_up_no_other(tmp_path: Path) -> None:
    """No privilege gets round a path that is too long, so this holds for root as well."""
    folder = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=folder)
        deeper = os.open("d" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(folder)
    (tmp_path / "a.wav").touch()
    inbox = Inbox(tmp_path, InboxSettings())
    inbox.scan()
    assert list(inbox.candidates) == [tmp_path / "a.wav"]


def test_what_is_left_alone_is_told_once_and_tried_again_with_every_scan(tmp_path: Path) -> None:
    (tmp_path / "riff.wav").write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    told: list[str] = []
    sink = logger.add(told.append, format="{message}")
    for _ in range(2):
        inbox.scan()
        assert names(inbox) == {"riff.wav"}
        inbox.leave_alone(tmp_path / "riff.wav", "it may not be moved")
        assert names(inbox) == set()
    logger.remove(sink)
    assert [line.strip() for line in told] == [f"{tmp_path}/riff.wav: left alone: it may not be moved"]


@pytest.mark.parametrize(
    "name", [b"caf\xe9.wav", b"a\nb.wav", b"-rf.wav", b"x..wav", b"..x", b"r" * 251 + b".wav"]
)
def test_any_name_but_a_hidden_one_is_seen(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "a..b").mkdir()
    path = tmp_path / "a..b" / os.fsdecode(name)
    path.write_bytes(b"x")
    inbox = make_inbox(tmp_path)
    inbox.scan()
    assert names(inbox) == ({str(path.relative_to(tmp_path))} if not name.startswith(b".") else set())
