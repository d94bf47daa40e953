"""Two models side by side, as a person asks for it."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fxd.commands.compare import facts, print_comparison
from fxd.config import Settings
from fxd.engines.tcn import TcnModel
from fxd.factory.clips import factory_clips
from fxd.store.records import Environment, Example, Run
from fxd.store.store import Store
from fxd.training.comparison import compare

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AddModel = Callable[..., str]


@pytest.fixture
def add_model(make_network: Callable[..., TcnModel], keep_model: Callable[..., str]) -> AddModel:
    """Puts an untrained model, quiet enough to be no worse than silence by far, into the home."""

    def add(model_id: str, scale: float, trained_on: tuple[str, ...] = ()) -> str:
        return keep_model(make_network(model_id, scale=scale), trained_on=trained_on)

    return add


def came_as(store: Store, file: str, example: Example) -> None:
    """Record that a sound of the training set came in as this file."""
    run = Run(
        id=file,
        file=file,
        sha256="ab" * 32,
        state="done",
        reason="",
        received_at=NOON,
        finished_at=NOON,
        sample_rate=example.sample_rate,
        channels=example.channels,
        frames=example.frames,
        bytes=example.bytes,
        queue_seconds=0.0,
        total_seconds=1.0,
        environment=Environment("here", "cpu", 1, 1, "3.11", "0.1.0", {}),
        results=(),
        steps=(),
        content_sha256=example.content_sha256,
    )
    store.record_run(run, None)


def test_files_are_paired_worst_first_with_their_names(
    settings: Settings,
    store: Store,
    add_model: AddModel,
    add_excerpt: Callable[..., Example],
    capsys: pytest.CaptureFixture[str],
) -> None:
    sounds = [add_excerpt(clip, "validation") for clip in ("loop_amen", "loop_breakbeat", "guit_harmonics")]
    came_as(store, "sub/amen.wav", sounds[0])
    came_as(store, "harmonics.wav", sounds[2])
    first = add_model("first", 0.02)
    second = add_model("second", 0.1, trained_on=(sounds[2].content_sha256, "ab" * 32))
    shares: list[float] = []
    found = compare(settings, store, first, second, shares.append)
    told = facts(first, second, found)
    gains = [file["gain_db"] for file in told["files"]]
    assert gains == sorted(gains)
    for file in told["files"]:
        assert file["gain_db"] == pytest.approx(file["first_esr_db"] - file["second_esr_db"])
    names = {file["content_sha256"]: (file["file"], file["fxds_own"]) for file in told["files"]}
    assert names[sounds[0].content_sha256] == ("sub/amen.wav", False)
    assert names[sounds[1].content_sha256] == (None, False)
    # Two files are too few, so fxd's own clips judge too.
    assert ("loop_weirdo.flac", True) in names.values()
    assert told["left_out"] == [
        {
            "content_sha256": sounds[2].content_sha256,
            "file": "harmonics.wav",
            "fxds_own": False,
            "trained_on_by": ["second"],
        }
    ]
    assert told["ci95"][0] <= told["median_gain_db"] <= told["ci95"][1]
    assert 0 < shares[0] < shares[-1] == 1
    print_comparison(first, second, found)
    lines = capsys.readouterr().out.splitlines()
    told_files = [line.split()[0] for line in lines[1 : len(gains) + 1]]
    assert "sub/amen.wav" in told_files
    assert sounds[1].content_sha256[:12] in told_files
    text = " ".join(" ".join(lines).split())
    assert "loop_weirdo.flac (fxd's own)" in text
    assert "left out, as trained on by the model in brackets: harmonics.wav (the second)" in text
    assert "first first, second second: the new model is " in text


def test_where_both_know_every_file_that_is_said(
    settings: Settings,
    store: Store,
    add_model: AddModel,
    add_excerpt: Callable[..., Example],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fxd.factory.clips.factory_clips", list)
    sound = add_excerpt("loop_amen", "validation").content_sha256
    models = [add_model(name, 0.1, trained_on=(sound,)) for name in ("first", "second")]
    found = compare(settings, store, *models, lambda _: None)
    assert found.decision.files == ()
    assert "no validation file that neither model trained on" in found.decision.reason
    (left_out,) = found.left_out
    assert (left_out.content_sha256, left_out.trained_on_by) == (sound, ("first", "second"))


def test_a_clip_of_fxds_own_that_is_damaged_is_left_out(
    settings: Settings,
    store: Store,
    add_model: AddModel,
    warned: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clips = factory_clips()[:2]
    damaged = tmp_path / "damaged.flac"
    damaged.write_bytes(clips[0].read_bytes()[:20])
    monkeypatch.setattr("fxd.factory.clips.factory_clips", lambda: [damaged, *clips])
    found = compare(settings, store, add_model("first", 0.02), add_model("second", 0.1), lambda _: None)
    assert sorted(found.names.values()) == [clip.name for clip in clips]
    assert all(f"{damaged} cannot be read" in line for line in warned)
    assert warned
