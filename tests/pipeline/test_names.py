"""Names in the outbox: nobody loses one, whoever else is at work there."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import pytest
import soundfile
from finishing import finish, level_of, make_publisher, show_but_not_record, take

from fxd.config import load_settings
from fxd.home import make_home
from fxd.pipeline import files
from fxd.pipeline import names as names_module
from fxd.pipeline.claims import Claims
from fxd.pipeline.finished import Unfinished, Unplaceable
from fxd.pipeline.names import Manifests
from fxd.pipeline.publish import Publisher
from fxd.store.store import open_store

CONTENTS = {"riff.flac": b"one", "riff.wav": b"two"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A home whose inbox holds two files of one stem."""
    root = tmp_path / "home"
    make_home(root)
    for name, content in CONTENTS.items():
        (root / "inbox" / name).write_bytes(content)
    return root


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Publisher, Callable[[], object]], None]:
    """Lets something happen in the moment after a publisher has chosen names, and before it gives them."""

    def arrange(publisher: Publisher, happen: Callable[[], object]) -> None:
        manifests = publisher.names.manifests
        write = manifests.write

        def write_and_wait(chosen: Any) -> None:
            write(chosen)
            monkeypatch.setattr(manifests, "write", write)
            happen()

        monkeypatch.setattr(manifests, "write", write_and_wait)

    return arrange


def levels(root: Path) -> dict[str, float]:
    """What the outputs hold, by name."""
    outputs = (path for path in (root / "outbox").rglob("*.wav") if ".attempts" not in path.parts)
    return {path.name: float(soundfile.read(path, dtype="float32")[0][0]) for path in outputs}


@pytest.mark.parametrize("has_links", [True, False])
def test_two_that_choose_one_name_at_the_same_moment_both_keep_their_outputs(
    root: Path, meanwhile: Callable[..., None], monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """As a daemon and `fxd process` may."""
    if not has_links:
        monkeypatch.setattr(files.os, "link", refuse)
    with open_store(load_settings(root).database_url) as store:
        publishers = [make_publisher(root, store) for _ in range(2)]
        claims = Claims(root / "inbox")
        taken = [take(claims, root / "inbox" / name) for name in ("riff.flac", "riff.wav")]
        slow, fast = (finish(one, claim) for one, claim in zip(publishers, taken, strict=True))
        meanwhile(publishers[0], lambda: publishers[1].release([fast]))
        publishers[0].release([slow])
        runs = [one.run for one in (slow, fast) if one.run is not None]
    one, two = (level_of(CONTENTS[name]) for name in ("riff.flac", "riff.wav"))
    assert levels(root) == {
        "riff.dsp.wav": two,
        "riff.tcn.wav": two,
        "riff.2.dsp.wav": one,
        "riff.2.tcn.wav": one,
    }
    assert [run.results[0].output for run in runs] == ["riff.2.dsp.wav", "riff.dsp.wav"]


def refuse(*_: object, **__: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_file_that_comes_between_choosing_and_giving_a_name_is_spared_and_both_outputs_move(
    root: Path, meanwhile: Callable[..., None]
) -> None:
    mine = root / "outbox" / "riff.tcn.wav"
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        finished = finish(publisher, take(Claims(root / "inbox"), root / "inbox" / "riff.wav"))
        meanwhile(publisher, lambda: mine.write_text("mine"))
        publisher.release([finished])
    assert mine.read_text() == "mine"
    mine.unlink()
    assert set(levels(root)) == {"riff.2.dsp.wav", "riff.2.tcn.wav"}


def test_a_file_that_took_a_name_while_the_daemon_was_dead_is_spared_and_nothing_is_doubled(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = root / "outbox" / "riff.tcn.wav"
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claim = take(Claims(root / "inbox"), root / "inbox" / "riff.wav")
        show_but_not_record(publisher, finish(publisher, claim), monkeypatch)
        mine.unlink()
        mine.write_text("mine")
        publisher = make_publisher(root, store)  # as the next start makes it
        publisher.release([finish(publisher, claim)])
    assert mine.read_text() == "mine"
    mine.unlink()
    assert set(levels(root)) == {"riff.2.dsp.wav", "riff.2.tcn.wav"}


def test_a_run_that_is_repeated_after_a_crash_replaces_what_it_left(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claim = take(Claims(root / "inbox"), root / "inbox" / "riff.wav")
        show_but_not_record(publisher, finish(publisher, claim), monkeypatch)
        before = (root / "outbox" / "riff.dsp.wav").stat().st_ino
        publisher = make_publisher(root, store)
        publisher.release([finish(publisher, claim)])
    assert set(levels(root)) == {"riff.dsp.wav", "riff.tcn.wav"}
    assert (root / "outbox" / "riff.dsp.wav").stat().st_ino != before


@pytest.mark.parametrize("length", [4000, 4200], ids=["file", "folder"])
def test_a_path_that_is_too_long_for_the_outbox_holds_up_no_other(root: Path, length: int) -> None:
    """The inbox may take it, if its own path is shorter."""
    folder = PurePath()
    while len(str(root / "outbox" / folder)) < length:
        folder /= "d" * 90
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claims = Claims(root / "inbox")
        bad, good = (
            finish(publisher, take(claims, root / "inbox" / f"riff.{kind}")) for kind in ("wav", "flac")
        )
        bad.claim.relative = folder / ("a" * 200 + ".wav")
        with pytest.raises(Unplaceable, match="shorten the names of its folders"):
            publisher.release([bad, good])
        publisher.release([good])
    assert {"riff.dsp.wav", "riff.tcn.wav"} <= {path.name for path in (root / "outbox").iterdir()}


def test_a_name_that_the_disk_has_not_holds_up_no_other(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """exFAT, mounted by FUSE, says of a colon in a name that there is no such file."""
    link = os.link

    def without_colons(source: Path, final: Path, **options: bool) -> None:
        if ":" in final.name:
            raise FileNotFoundError(2, "No such file or directory", str(source), None, str(final))
        link(source, final, **options)

    monkeypatch.setattr(files.os, "link", without_colons)
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        finished = finish(publisher, take(Claims(root / "inbox"), root / "inbox" / "riff.wav"))
        finished.claim.relative = PurePath("3:10.wav")
        with pytest.raises(Unplaceable, match="give it a plainer one"):
            publisher.release([finished])
        shutil.rmtree(finished.attempt)
        with pytest.raises(Unfinished):  # now it is missing indeed
            publisher.release([finished])


def test_on_a_disk_that_ignores_case_nobodys_output_is_replaced_however_alike(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a disk often keeps times to two seconds, so that sounds of one length have the same mark."""
    with open_store(load_settings(root).database_url) as store:
        publisher = make_publisher(root, store)
        claim = take(Claims(root / "inbox"), root / "inbox" / "riff.wav")
        show_but_not_record(publisher, finish(publisher, claim), monkeypatch)
        names = publisher.names
        assert names.is_of(claim.id, PurePath("riff.dsp.wav"))
        # The disk found another run's file by that name.
        monkeypatch.setattr(names_module, "has_another_spelling", lambda path: path.name == "riff.dsp.wav")
        assert names.is_taken(claim.id, PurePath("riff.dsp.wav"), "another", {})
        names.take_back(claim.id)
    assert (root / "outbox" / "riff.dsp.wav").exists()


def test_names_that_a_daemon_on_the_same_outbox_forgets_meanwhile_are_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "names.0.json").symlink_to(tmp_path / "removed")
    assert Manifests(tmp_path).chosen == {}
