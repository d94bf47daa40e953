"""The daemon as its users meet it: real homes, real processes, real audio."""

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from homes import DEADLINE_SECONDS, Home, wait_until

from fxd.commands.start import start as start_here
from fxd.config import load_settings
from fxd.daemon import EXIT_INTERRUPTED

SHORT = "loop_breakbeat.flac"


@pytest.fixture
def clip(clips: list[Path]) -> Path:
    """The clip that most tests drop: two seconds of stereo."""
    return next(path for path in clips if path.name == SHORT)


def make_noise(path: Path, seconds: float, seed: int = 0) -> Path:
    """A mono file of noise."""
    rng = np.random.default_rng(seed)
    with soundfile.SoundFile(path, "w", 44_100, 1, "PCM_16") as file:
        for _ in range(max(1, round(seconds))):
            file.write((3000 * rng.standard_normal(44_100)).astype(np.int16))
    return path


def only_run(home: Home) -> dict[str, object]:
    (run,) = home.json("stats")["runs"]
    assert isinstance(run, dict)
    return run


# --- what comes out


def test_a_folder_tree_comes_out_of_both_engines(home: Home, clips: list[Path]) -> None:
    tree = home.root / "tree"
    for number, source in enumerate(clips[:3]):
        folder = tree.joinpath(*["sub"] * number)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder)
    shutil.copytree(tree, home.inbox / "tree")
    home.fxd("start", "--once")
    expected = sorted(str(path.relative_to(home.root).with_suffix("")) for path in tree.rglob("*.flac"))
    assert home.outputs() == sorted(f"{name}.{engine}.wav" for name in expected for engine in ("dsp", "tcn"))
    for name in expected:
        dry = soundfile.info(home.inbox / "done" / f"{name}.flac")
        for engine in ("dsp", "tcn"):
            wet = soundfile.info(home.outbox / f"{name}.{engine}.wav")
            shape = (wet.frames, wet.samplerate, wet.channels, wet.subtype)
            assert shape == (dry.frames, dry.samplerate, dry.channels, "FLOAT")
    assert home.claimed() == []


def test_a_run_is_recorded_with_timing_quality_and_environment(home: Home, clip: Path) -> None:
    shutil.copy(clip, home.inbox)
    home.fxd("start", "--once")
    run = home.json("stats")["runs"][0]
    assert (run["file"], run["state"], run["sample_rate"], run["channels"]) == (SHORT, "done", 44_100, 2)
    assert run["results"]["tcn"]["esr_db"] < -20, "the factory model is worse than expected"
    assert run["results"]["dsp"]["x_realtime"] > 1
    assert run["results"]["tcn"]["x_realtime"] > 1
    assert run["environment"]["cpu"]


@pytest.mark.long
def test_the_same_name_with_the_same_content_replaces_its_own_outputs(home: Home, clip: Path) -> None:
    for _ in range(2):
        shutil.copy(clip, home.inbox)
        home.fxd("start", "--once")
    assert home.outputs() == ["loop_breakbeat.dsp.wav", "loop_breakbeat.tcn.wav"]
    assert len(home.json("stats")["runs"]) == 2
    assert sorted(path.name for path in (home.inbox / "done").iterdir()) == [
        "loop_breakbeat.2.flac",
        "loop_breakbeat.flac",
    ]


@pytest.mark.long
def test_the_same_name_with_other_content_gets_a_number(home: Home, clips: list[Path]) -> None:
    for source in clips[:2]:
        shutil.copy(source, home.inbox / "riff.flac")
        home.fxd("start", "--once")
    assert home.outputs() == ["riff.2.dsp.wav", "riff.2.tcn.wav", "riff.dsp.wav", "riff.tcn.wav"]


def test_a_file_that_fxd_did_not_make_is_never_overwritten(home: Home, clip: Path) -> None:
    (home.outbox / "loop_breakbeat.tcn.wav").write_text("mine")
    shutil.copy(clip, home.inbox)
    home.fxd("start", "--once")
    assert (home.outbox / "loop_breakbeat.tcn.wav").read_text() == "mine"
    assert "loop_breakbeat.2.tcn.wav" in home.outputs()


NAMES = (
    b"with spaces [red] #1.flac",
    "ünïcödé 🎸.flac".encode(),
    b"caf\xe9 is not UTF-8.flac",
    b"new\nline.flac",
    b"-rf.flac",
    b"r" * 245 + b".flac",
    "é".encode() * 125 + b".flac",
    b"no suffix",
)


@pytest.mark.long
def test_any_name_comes_out_and_is_recorded(home: Home, clip: Path) -> None:
    for raw in NAMES:
        shutil.copy(clip, home.inbox / os.fsdecode(raw))
    home.fxd("start", "--once")
    runs = home.json("stats")["runs"]
    assert [run["state"] for run in runs] == ["done"] * len(NAMES)
    assert len({run["file"] for run in runs}) == len(NAMES)
    assert len(home.outputs()) == 2 * len(NAMES)
    for raw in NAMES:
        assert (home.inbox / "done" / os.fsdecode(raw)).exists()
        assert "archived" in home.fxd("why", home.inbox / os.fsdecode(raw)).stdout
    home.fxd("stats")


@pytest.mark.long
def test_a_changed_original_is_not_kept_where_archiving_is_off(home: Home, clip: Path) -> None:
    home.configure("[inbox]\nsettle_seconds = 0.2\narchive = false\n[processing]\nworkers = 1\n")
    shutil.copy(clip, home.inbox)
    home.fxd("start", "--once")
    assert not (home.inbox / "done").exists()
    assert len(home.outputs()) == 2


# --- what is refused


def test_bad_files_are_quarantined_with_their_reason_and_the_others_go_on(
    home: Home, clips: list[Path]
) -> None:
    (home.inbox / "sub").mkdir()
    (home.inbox / "words.wav").write_text("no audio, only a few words\n" * 20)
    (home.inbox / "empty.wav").write_bytes(b"")
    soundfile.write(home.inbox / "no frames.wav", np.zeros((0, 2)), 44_100)
    soundfile.write(home.inbox / "sub" / "nan.wav", np.full(1000, np.nan), 44_100, subtype="FLOAT")
    whole = clips[0].read_bytes()
    (home.inbox / "cut.flac").write_bytes(whole[: len(whole) // 2])
    shutil.copy(clips[1], home.inbox / "good.flac")
    done = home.fxd("start", "--once", code=3)
    failed = home.inbox / "failed"
    reasons = {str(path.relative_to(failed)): path.read_text() for path in failed.rglob("*.error.txt")}
    assert sorted(reasons) == [
        f"{name}.error.txt" for name in ("cut.flac", "empty.wav", "no frames.wav", "sub/nan.wav", "words.wav")
    ]
    for name, word in [("words.wav", "not audio"), ("empty.wav", "empty"), ("no frames.wav", "0 frames")]:
        assert word in reasons[f"{name}.error.txt"]
        assert (failed / name).exists()
        assert name in done.stderr
    assert "nan" in reasons["sub/nan.wav.error.txt"]
    assert "cut off" in reasons["cut.flac.error.txt"]
    assert home.outputs() == ["good.dsp.wav", "good.tcn.wav"]
    runs = home.json("stats")["runs"]
    assert sorted(run["state"] for run in runs) == ["done"] + ["failed"] * 5
    assert home.claimed() == []


@pytest.mark.long
def test_two_bad_files_of_one_name_keep_their_own_reasons(home: Home) -> None:
    for content in (b"", b"only words" * 30):
        (home.inbox / "bad.wav").write_bytes(content)
        home.fxd("start", "--once", code=3)
    failed = home.inbox / "failed"
    assert "empty" in (failed / "bad.wav.error.txt").read_text()
    assert "not audio" in (failed / "bad.2.wav.error.txt").read_text()
    assert (failed / "bad.2.wav").read_bytes() == b"only words" * 30


# --- files that are still being written


def test_a_file_still_being_copied_is_taken_only_when_it_is_complete(home: Home, clip: Path) -> None:
    home.configure("[inbox]\nsettle_seconds = 2.0\n[processing]\nworkers = 1\n[training]\nschedule = ''\n")
    daemon = home.start()
    content = clip.read_bytes()
    piece = len(content) // 8 + 1
    for start in range(0, len(content), piece):
        # Opened anew for every piece, so that only stillness tells; each pause is much shorter than the settle
        # time, so that a busy machine cannot make it longer, and all together are not.
        with (home.inbox / SHORT).open("ab") as copy:
            copy.write(content[start : start + piece])
        time.sleep(0.3)
    wait_until(home.outputs, "the file comes out")
    assert home.stop(daemon) == 0
    assert only_run(home)["state"] == "done"
    assert "cut off" not in home.stderr()


@pytest.mark.long
def test_a_writer_that_pauses_with_the_file_open_comes_out_whole(home: Home, clip: Path) -> None:
    daemon = home.start()
    content = clip.read_bytes()
    with (home.inbox / SHORT).open("wb") as copy:
        copy.write(content[:50_000])
        copy.flush()
        time.sleep(1.5)
        assert home.outputs() == []
        copy.write(content[50_000:])
    wait_until(home.outputs, "the file comes out")
    assert home.stop(daemon) == 0
    assert only_run(home)["frames"] == soundfile.info(clip).frames


@pytest.mark.long
def test_a_writer_that_closes_the_file_pauses_and_goes_on_comes_out_whole(home: Home, clip: Path) -> None:
    # A file that is cut off is looked at again after ten settle times: time enough for this test's own delays.
    home.configure("[inbox]\nsettle_seconds = 0.5\n[processing]\nworkers = 1\n[training]\nschedule = ''\n")
    daemon = home.start()
    content = clip.read_bytes()
    (home.inbox / SHORT).write_bytes(content[:50_000])
    wait_until(lambda: "waiting" in home.stderr(), "the daemon sees that it is cut off")
    with (home.inbox / SHORT).open("ab") as copy:
        copy.write(content[50_000:])
    wait_until(home.outputs, "the file comes out")
    assert home.stop(daemon) == 0
    assert only_run(home)["state"] == "done"


@pytest.mark.long
def test_a_writer_that_goes_on_after_the_archive_comes_out_whole_in_the_end(
    home: Home, tmp_path: Path
) -> None:
    """A growing file that is whole at every moment, as a raw recording is: no header can tell that more comes."""
    whole = make_noise(tmp_path / "noise.au", 4)
    content = whole.read_bytes()
    header = b".snd" + (24).to_bytes(4, "big") + b"\xff\xff\xff\xff" + content[12:24]
    home.configure("[inbox]\nsettle_seconds = 0.2\nrescan_seconds = 0.5\n[processing]\nworkers = 1\n")
    daemon = home.start()
    path = home.inbox / "noise.au"
    path.write_bytes(header + content[24:100_000])
    wait_until((home.inbox / "done" / "noise.au").exists, "the first part is archived")
    with (home.inbox / "done" / "noise.au").open("ab") as copy:
        copy.write(content[100_000:])
    wait_until(lambda: len(home.outputs()) == 4, "the whole file comes out too")
    assert home.stop(daemon) == 0
    assert home.json("stats")["runs"][0]["frames"] == soundfile.info(whole).frames


# --- crashes, ends and troubles


def test_a_killed_daemon_leaves_nothing_lost_doubled_or_half_written(home: Home, tmp_path: Path) -> None:
    shutil.move(make_noise(tmp_path / "long.wav", 120), home.inbox)
    daemon = home.start()
    wait_until(home.claimed, "the file is claimed")
    wait_until(lambda: list(home.outbox.glob(".attempts/*/dsp.wav")), "an attempt is under way")
    daemon.kill()
    daemon.wait()
    assert home.outputs() == []
    home.fxd("start", "--once")
    assert home.outputs() == ["long.dsp.wav", "long.tcn.wav"]
    assert only_run(home)["state"] == "done"
    assert home.claimed() == []
    assert list(home.outbox.glob(".attempts/*")) == []
    assert "recovered" in home.fxd("why", "long.wav").stdout


@pytest.mark.long
def test_a_graceful_end_gives_back_what_it_cannot_finish(home: Home, tmp_path: Path) -> None:
    shutil.move(make_noise(tmp_path / "long.wav", 1800), home.inbox)
    daemon = home.start()
    wait_until(lambda: list(home.outbox.glob(".attempts/*/dsp.wav")), "an attempt is under way")
    assert home.stop(daemon) == 0
    assert (home.inbox / "long.wav").exists()
    assert home.claimed() == []
    assert home.outputs() == []


@pytest.mark.long
def test_a_second_interrupt_ends_at_once_and_loses_nothing(home: Home, tmp_path: Path) -> None:
    shutil.move(make_noise(tmp_path / "long.wav", 1800), home.inbox)
    daemon = home.start()
    wait_until(lambda: list(home.outbox.glob(".attempts/*/dsp.wav")), "an attempt is under way")
    daemon.send_signal(signal.SIGINT)
    wait_until(lambda: "Ctrl-C again" in home.stderr(), "the first one is heard")
    daemon.send_signal(signal.SIGINT)
    assert daemon.wait(DEADLINE_SECONDS) == EXIT_INTERRUPTED  # one that gives back in peace ends with 0
    assert len(list(home.inbox.rglob("long.wav"))) == 1


def test_a_second_daemon_says_who_holds_the_home(home: Home) -> None:
    daemon = home.start()
    second = home.fxd("start", code=1)
    assert f"pid {daemon.pid}" in second.stderr
    assert home.json("status")["daemon"]["pid"] == daemon.pid
    home.fxd("stop")
    assert daemon.wait(DEADLINE_SECONDS) == 0
    assert home.json("status")["running"] is False


def test_an_inbox_that_is_removed_and_made_anew_is_watched_again(home: Home, clip: Path) -> None:
    daemon = home.start()
    shutil.rmtree(home.inbox)
    wait_until(lambda: "paused" in home.stderr(), "the daemon misses its inbox")
    home.inbox.mkdir()
    shutil.copy(clip, home.inbox)
    wait_until(home.outputs, "the file comes out")
    assert home.stop(daemon) == 0


@pytest.mark.long
def test_a_locked_database_delays_a_run_and_loses_nothing(home: Home, clip: Path) -> None:
    daemon = home.start()
    with sqlite3.connect(home.root / "db" / "fxd.sqlite3") as connection:
        connection.execute("BEGIN EXCLUSIVE")
        shutil.copy(clip, home.inbox)
        wait_until(lambda: "paused" in home.stderr(), "the daemon says that the database is locked")
        connection.rollback()
    connection.close()
    wait_until((home.inbox / "done" / SHORT).exists, "the run is recorded")
    assert home.stop(daemon) == 0
    assert only_run(home)["state"] == "done"


@pytest.fixture
def read_only_outbox(home: Home) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(home.outbox)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system: run the tests as root")
    yield home.outbox
    subprocess.run(["umount", str(home.outbox)], check=False, capture_output=True)


@pytest.mark.long
def test_a_read_only_outbox_pauses_the_daemon_until_it_can_be_written(
    home: Home, clip: Path, read_only_outbox: Path
) -> None:
    shutil.copy(clip, home.inbox)
    once = home.fxd("start", "--once", code=1)
    assert "Read-only file system" in once.stderr
    assert (home.inbox / SHORT).exists()
    daemon = home.start()
    wait_until(lambda: "Read-only file system" in home.stderr(), "the daemon says what is wrong")
    wait_until(lambda: home.status().state == "paused", "the status says so, too")
    assert home.json("status")["daemon"]["state"] == "paused"
    subprocess.run(["mount", "-o", "remount,rw", str(read_only_outbox)], check=True)
    wait_until(home.outputs, "the file comes out")
    assert home.stop(daemon) == 0
    assert not (home.inbox / "failed").exists()


@pytest.fixture
def other_file_system(home: Home) -> Iterator[Path]:
    """The outbox as a mount of its own, as an external disk is."""
    mount = ["mount", "-t", "tmpfs", "none", str(home.outbox)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("needs the right to mount a file system: run the tests as root")
    yield home.outbox
    subprocess.run(["umount", str(home.outbox)], check=False, capture_output=True)


@pytest.mark.usefixtures("other_file_system")
def test_an_outbox_on_another_disk_works_as_any(home: Home, clip: Path) -> None:
    shutil.copy(clip, home.inbox)
    home.fxd("start", "--once")
    assert len(home.outputs()) == 2
    assert len(list((home.root / "db" / "dataset").rglob("*.flac"))) == 1


@pytest.mark.long
def test_a_file_named_like_a_folder_stands_in_nobodys_way(home: Home, clips: list[Path]) -> None:
    shutil.copy(clips[7], home.inbox / "take1")
    home.fxd("start", "--once")
    (home.inbox / "take1").mkdir()
    shutil.copy(clips[8], home.inbox / "take1" / "a.flac")
    (home.outbox / "take2").write_text("mine")
    (home.inbox / "take2").mkdir()
    shutil.copy(clips[8], home.inbox / "take2" / "a.flac")
    home.fxd("start", "--once")
    assert (home.inbox / "done" / "take1.2" / "a.flac").exists()
    assert "take2.2/a.dsp.wav" in home.outputs()
    assert home.claimed() == []


def test_a_drain_waits_until_its_workers_can_take_anything(
    home: Home, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its patience with files that nobody completes is at an end from the beginning.
    monkeypatch.setattr("fxd.daemon.OPEN_PATIENCE_SECONDS", -1e6)
    shutil.copy(clip, home.inbox / "riff.flac")
    assert start_here(home.root, load_settings(home.root), once=True) == 0
    assert (home.inbox / "done" / "riff.flac").exists()


@pytest.mark.long
def test_a_damaged_model_is_not_the_files_fault(home: Home, clips: list[Path]) -> None:
    home.fxd("process", clips[7])
    (weights,) = (home.root / "models").glob("*/weights.safetensors")
    weights.write_bytes(b"damaged" * 100)
    shutil.copy(clips[7], home.inbox)
    daemon = home.start()  # puts a factory model back
    wait_until((home.inbox / "done").exists, "the file is processed")
    weights.write_bytes(b"damaged again" * 100)
    os.kill(next(iter(workers_of(daemon))), signal.SIGKILL)
    shutil.copy(clips[8], home.inbox)
    wait_until(lambda: "fxd models promote" in home.stderr(), "the daemon says what to do")
    assert home.stop(daemon) == 0
    assert (home.inbox / clips[8].name).exists()
    assert not (home.inbox / "failed").exists()


def workers_of(daemon: "subprocess.Popen[str]") -> list[int]:
    children = psutil.Process(daemon.pid).children()
    return [child.pid for child in children if "spawn_main" in " ".join(child.cmdline())]


@pytest.mark.long
def test_what_somebody_left_among_the_claims_of_a_dead_daemon_prevents_no_start(
    home: Home, clip: Path
) -> None:
    dead = home.inbox / ".claimed" / "dead"
    dead.mkdir(parents=True)
    (dead / ".DS_Store").write_bytes(b"x")
    shutil.copy(clip, home.inbox)
    home.fxd("start", "--once")
    assert len(home.outputs()) == 2
