"""Files appear whole or not at all, under names that nobody else has."""

import errno
import os
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxd.pipeline import files
from fxd.pipeline.files import (
    NAME_BYTES,
    display,
    fitted,
    located,
    make_folder,
    meant,
    move_without_replacing,
    numbered,
    whole_file,
    write_text,
)


@given(st.binary(min_size=1, max_size=400), st.sampled_from([".wav", ".dsp.wav", ".2.tcn.wav", ".error.txt"]))
def test_a_fitted_name_is_one_that_filesystems_take(raw: bytes, suffix: str) -> None:
    name = fitted(os.fsdecode(raw), suffix)
    assert len(os.fsencode(name)) <= NAME_BYTES
    assert name.endswith(suffix)


def test_two_long_names_that_differ_at_the_end_stay_different() -> None:
    assert fitted("r" * 300 + "a", ".dsp.wav") != fitted("r" * 300 + "b", ".dsp.wav")


def test_a_name_is_never_cut_within_a_character() -> None:
    for length in range(100, 130):
        os.fsencode(fitted("é" * length + "x" * 60, ".dsp.wav")).decode("utf-8")


def test_names_are_numbered_from_two() -> None:
    assert list(islice(numbered("riff"), 3)) == ["riff", "riff.2", "riff.3"]


def test_a_name_that_is_no_utf8_or_carries_escapes_is_shown_harmlessly() -> None:
    shown = display(Path(os.fsdecode(b"caf\xe9\x1b[31m\nx.wav")))
    assert shown == "caf\\xe9\\x1b[31m\\x0ax.wav"
    shown.encode("utf-8")


@pytest.mark.parametrize(
    "name", [b"caf\xe9\x1b[31m\nx.wav", b"\xff\xfe", "a\u200fb\ufeff\u00e9.wav".encode()]
)
def test_what_is_shown_leads_back_to_the_name(name: bytes, tmp_path: Path) -> None:
    raw = os.fsdecode(name)
    assert meant(display(raw)) == raw
    (tmp_path / raw).touch()
    assert located(tmp_path, display(raw)) == tmp_path / raw
    (tmp_path / display(raw)).touch()
    assert located(tmp_path, display(raw)) == tmp_path / display(raw), "as it reads, where there is one"


def test_a_file_that_could_not_be_written_to_its_end_never_appears(tmp_path: Path) -> None:
    final = tmp_path / "a.txt"
    with pytest.raises(RuntimeError), whole_file(final) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_whole_file_replaces_the_old_one(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_moving_never_replaces(tmp_path: Path) -> None:
    for content in ("one", "two", "three"):
        source = tmp_path / "riff.wav"
        source.write_text(content)
        move_without_replacing(source, tmp_path / "done", "riff.wav")
        assert not source.exists()
    kept = {path.name: path.read_text() for path in (tmp_path / "done").iterdir()}
    assert kept == {"riff.wav": "one", "riff.2.wav": "two", "riff.3.wav": "three"}


def test_a_move_cut_short_between_its_two_names_is_completed(tmp_path: Path) -> None:
    source = tmp_path / "riff.wav"
    source.write_text("one")
    (tmp_path / "done").mkdir()
    os.link(source, tmp_path / "done" / "riff.wav")
    assert move_without_replacing(source, tmp_path / "done", "riff.wav") == tmp_path / "done" / "riff.wav"
    assert [path.name for path in (tmp_path / "done").iterdir()] == ["riff.wav"]
    assert not source.exists()


def test_moving_works_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", refuse)
    for content in ("one", "two"):
        source = tmp_path / "riff.wav"
        source.write_text(content)
        move_without_replacing(source, tmp_path / "done", "riff.wav")
        assert not source.exists()
    kept = {path.name: path.read_text() for path in (tmp_path / "done").iterdir()}
    assert kept == {"riff.wav": "one", "riff.2.wav": "two"}


def test_a_disk_in_trouble_is_not_taken_for_one_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    source = tmp_path / "riff.wav"
    source.write_text("one")
    with monkeypatch.context() as patch:
        patch.setattr(files.os, "link", fail)
        with pytest.raises(OSError, match="Input/output"):
            move_without_replacing(source, tmp_path / "done", "riff.wav")
    assert list((tmp_path / "done").iterdir()) == []
    assert move_without_replacing(source, tmp_path / "done", "riff.wav").name == "riff.wav"


def test_a_move_that_cannot_be_copied_leaves_no_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    def fill(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    source = tmp_path / "riff.wav"
    source.write_text("one")
    monkeypatch.setattr(files.os, "link", refuse)
    with monkeypatch.context() as patch:
        patch.setattr(files.shutil, "copy2", fill)
        with pytest.raises(OSError, match="No space"):
            move_without_replacing(source, tmp_path / "done", "riff.wav")
    assert move_without_replacing(source, tmp_path / "done", "riff.wav").name == "riff.wav"
    assert [path.name for path in (tmp_path / "done").iterdir()] == ["riff.wav"]


def test_a_writer_that_is_the_same_after_a_crash_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)  # a crash removes nothing
        patch.setattr(files.os, "getpid", lambda: 1)
        with pytest.raises(RuntimeError), whole_file(tmp_path / "a.txt", writer="run") as temporary:
            temporary.write_text("half")
            raise RuntimeError
    assert len(list(tmp_path.iterdir())) == 1
    write_text(tmp_path / "a.txt", "whole", writer="run")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_is_made_with_its_parents(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b" / "c")
    make_folder(tmp_path / "a" / "b" / "c")
    assert (tmp_path / "a" / "b" / "c").is_dir()
