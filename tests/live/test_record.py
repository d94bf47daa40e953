"""Takes: whole, aligned, readable while they grow, and no burden on the callback."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from homes import wait_until

from fxd.config import SaturatorSettings
from fxd.home import make_home, open_home
from fxd.live.callback import Cell
from fxd.live.desk import Desk
from fxd.live.engines import Shape, dsp_path
from fxd.live.errors import LiveError
from fxd.live.learn import hand_over, why_not_taken
from fxd.live.native import address_of
from fxd.live.ports import Ports
from fxd.live.record import Recorder, check_name

Array = npt.NDArray[np.float32]
RATE = 48_000


def desk() -> Desk:
    path = dsp_path(SaturatorSettings(), Shape(RATE, 1))
    made = Desk(RATE, 1, Ports(1, 0, 1), path.latency, record=True)
    made.place(0, path)
    made.begin({0}, 0)
    return made


def play(made: Desk, dry: Array) -> Array:
    return np.concatenate([made.run(dry[start : start + 64]) for start in range(0, len(dry), 64)])


def noise(frames: int) -> Array:
    return 0.1 * np.random.default_rng(0).standard_normal((frames, 1)).astype(np.float32)


def sound(path: Path) -> Array:
    read: Array = soundfile.read(path, dtype="float32", always_2d=True)[0]
    return read


def test_a_take_is_what_came_in_and_what_was_heard_from_the_same_moment_on(tmp_path: Path) -> None:
    made = desk()
    recorder = Recorder(made, tmp_path / "take.wav")
    recorder.start()
    dry = noise(64 * 2_000)
    heard = play(made, dry)
    recorder.stop()
    assert np.array_equal(sound(tmp_path / "take.dry.wav"), dry)
    assert np.array_equal(sound(tmp_path / "take.wet.wav"), heard[made.longest :])
    assert recorder.lost_frames == 0


def test_a_take_that_is_longer_than_the_ring_is_whole(tmp_path: Path) -> None:
    made = desk()
    made.ring = np.zeros((2, 12_800), np.float32)
    made.board[Cell.RING], made.board[Cell.RING_FRAMES] = address_of(made.ring), 12_800
    recorder = Recorder(made, tmp_path / "take")
    dry = noise(64 * 700)
    for part in np.split(dry, 7):
        play(made, part)
        recorder.drain()
    recorder.start()
    recorder.stop()
    assert np.array_equal(sound(tmp_path / "take.dry.wav"), dry)


def test_a_take_can_be_read_while_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fxd.live.record.TURN_SECONDS", 0.001)
    made = desk()
    recorder = Recorder(made, tmp_path / "take.wav")
    recorder.start()
    dry = noise(64 * 100)
    play(made, dry)
    wait_until(lambda: told_frames(tmp_path / "take.dry.wav") == len(dry), "the header tells all of it", 20)
    assert np.array_equal(sound(tmp_path / "take.dry.wav"), dry)
    recorder.stop()


def told_frames(path: Path) -> int:
    """What the header says; libsndfile would look for itself where that is nothing."""
    head = path.read_bytes()[:200]
    at = head.index(b"data") + 4
    return int.from_bytes(head[at : at + 4], "little") // 4


def test_a_take_too_long_for_a_file_goes_on_in_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxd.live.record.TURN_SECONDS", 0.001)
    made = desk()
    recorder = Recorder(made, tmp_path / "take.wav", limit_bytes=4 * 5_000)
    recorder.start()
    dry = noise(64 * 200)
    for part in np.split(dry, 20):
        play(made, part)
        recorder_drained(recorder)
    recorder.stop()
    names = ["take.dry.wav", "take.2.dry.wav", "take.3.dry.wav"]
    assert [path.name for path in recorder.dry_files] == names
    assert np.array_equal(np.concatenate([sound(tmp_path / name) for name in names]), dry)


def recorder_drained(recorder: Recorder) -> None:
    board = recorder.desk.board
    wait_until(lambda: board[Cell.READ] == board[Cell.WRITTEN], "the ring is empty", 20)


def test_no_take_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "take.wet.wav").write_text("mine")
    with pytest.raises(LiveError, match=r"take\.wet\.wav is there already"):
        Recorder(desk(), tmp_path / "take.wav")
    with pytest.raises(LiveError, match=r"take\.wet\.wav is there already"):
        check_name(tmp_path / "take.wav")  # before the engines take a minute to compile
    assert (tmp_path / "take.wet.wav").read_text() == "mine"
    assert not (tmp_path / "take.dry.wav").exists()


def test_a_full_disk_ends_the_recording_and_not_the_sound(tmp_path: Path) -> None:
    made = desk()
    recorder = Recorder(made, tmp_path / "take.wav")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "take.dry.wav")

    recorder.part.write = full  # type: ignore[method-assign]
    recorder.start()
    play(made, noise(64 * 100))
    wait_until(lambda: recorder.error is not None, "the error is told", 20)
    assert len(play(made, noise(640))) == 640
    with pytest.raises(OSError, match="No space left"):
        recorder.stop()


def test_names_that_cannot_be_used_are_refused_before_anybody_plays(tmp_path: Path) -> None:
    with pytest.raises(LiveError, match=r"recordings are WAV files; call it take\.wav"):
        check_name(tmp_path / "take.flac")
    with pytest.raises(LiveError, match="there is no folder"):
        check_name(tmp_path / "nowhere" / "take.wav")
    check_name(tmp_path / "take")


def test_a_take_is_handed_to_the_daemon_whole_and_over_no_other_file(tmp_path: Path) -> None:
    make_home(tmp_path / "home")
    _, settings = open_home(tmp_path / "home")
    (settings.paths.inbox / "take.wav").write_text("another")
    take = tmp_path / "take.dry.wav"
    soundfile.write(take, noise(100), RATE, subtype="FLOAT")
    (dropped,) = hand_over(settings, [take])
    assert dropped == settings.paths.inbox / "take.2.wav"
    assert dropped.read_bytes() == take.read_bytes()
    assert sorted(path.name for path in settings.paths.inbox.iterdir()) == ["take.2.wav", "take.wav"]
    assert why_not_taken(settings, dropped) is None
