"""A worker may die; its slot goes on, and only its own file is touched."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from homes import DEADLINE_SECONDS

from fxd.config import SaturatorSettings
from fxd.pipeline.job import Death, Done, Ending, Fault, Job
from fxd.pipeline.workers import CompilingNotice, Limits, Slot, wait_for_news

GENEROUS = Limits(timeout_factor=100, memory_limit_mb=8000)


@pytest.fixture
def hire(untrained: Path) -> Iterator[Callable[[Limits], Slot]]:
    slots: list[Slot] = []

    def make(limits: Limits) -> Slot:
        slots.append(Slot(limits, SaturatorSettings(), untrained))
        return slots[-1]

    yield make
    for slot in slots:
        slot.close()


@pytest.fixture
def long_file(tmp_path: Path) -> Path:
    """Ten minutes of noise: long enough to be interrupted."""
    path = tmp_path / "long.wav"
    noise = (2000 * np.random.default_rng(0).standard_normal(44_100 * 60)).astype(np.int16)
    with soundfile.SoundFile(path, "w", 44_100, 1, "PCM_16") as file:
        for _ in range(10):
            file.write(noise)
    return path


def job(source: Path, tmp_path: Path, untrained: Path) -> Job:
    return Job(source, tmp_path / "attempt", SaturatorSettings(), untrained, "FLOAT")


def until(slot: Slot, condition: Callable[[], bool]) -> Ending | None:
    """Tend the slot until an attempt ends or `condition` holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        slot.enforce()
        if (ending := slot.listen()) is not None:
            return ending
        if condition():
            return None
        wait_for_news([slot], 0.05)
    raise AssertionError("nothing happened in time")


def run(slot: Slot, work: Job) -> Ending:
    until(slot, lambda: slot.is_free)
    slot.submit(work)
    ending = until(slot, lambda: False)
    assert ending is not None
    return ending


def test_a_slot_does_one_job_after_another(
    hire: Callable[[Limits], Slot], clips: list[Path], tmp_path: Path, untrained: Path
) -> None:
    slot = hire(GENEROUS)
    assert isinstance(run(slot, job(clips[7], tmp_path, untrained)), Done)
    (tmp_path / "bad.wav").write_bytes(b"")
    assert isinstance(run(slot, job(tmp_path / "bad.wav", tmp_path, untrained)), Fault)
    assert isinstance(run(slot, job(clips[7], tmp_path, untrained)), Done)


def test_the_first_job_of_a_worker_and_of_other_settings_is_a_warm_up(
    hire: Callable[[Limits], Slot], clips: list[Path], tmp_path: Path, untrained: Path
) -> None:
    slot = hire(GENEROUS)
    driven = SaturatorSettings(drive=2.0)
    settings = [SaturatorSettings(), SaturatorSettings(), driven, driven, SaturatorSettings()]
    for number, saturator in enumerate(settings):
        slot.submit(replace(job(clips[7], tmp_path / str(number), untrained), saturator=saturator))
    warm_ups = []
    for _ in settings:
        ending = until(slot, lambda: False)
        assert isinstance(ending, Done)
        warm_ups.append(ending.outcome.warm_up)
    assert warm_ups == [True, False, True, False, True]


def test_a_killed_worker_is_replaced_and_its_attempt_told(
    hire: Callable[[Limits], Slot], clips: list[Path], long_file: Path, tmp_path: Path, untrained: Path
) -> None:
    slot = hire(GENEROUS)
    until(slot, lambda: slot.is_free)
    slot.submit(job(long_file, tmp_path, untrained))
    until(slot, lambda: slot.done_seconds > 0)
    os.kill(slot.process.pid or 0, signal.SIGKILL)
    ending = until(slot, lambda: False)
    assert isinstance(ending, Death)
    assert "SIGKILL" in ending.reason
    assert isinstance(run(slot, job(clips[7], tmp_path, untrained)), Done)


def test_a_job_given_ahead_follows_by_itself_and_is_not_blamed_for_the_death_of_the_one_before(
    hire: Callable[[Limits], Slot], clips: list[Path], long_file: Path, tmp_path: Path, untrained: Path
) -> None:
    slot = hire(GENEROUS)
    until(slot, lambda: slot.is_free)
    for number, source in enumerate([clips[7], long_file, clips[7]]):
        slot.submit(replace(job(source, tmp_path, untrained), attempt=tmp_path / f"attempt {number}"))
    assert isinstance(until(slot, lambda: False), Done)
    until(slot, lambda: slot.tasks[0].began_at is not None and slot.done_seconds > 0)
    assert slot.tasks[1].began_at is None
    os.kill(slot.process.pid or 0, signal.SIGKILL)
    assert isinstance(until(slot, lambda: False), Death)
    assert isinstance(until(slot, lambda: False), Done)
    assert slot.is_free


@pytest.mark.long
def test_a_worker_that_dies_before_it_begins_costs_its_jobs_nothing(
    hire: Callable[[Limits], Slot], clips: list[Path], tmp_path: Path, untrained: Path
) -> None:
    slot = hire(GENEROUS)
    until(slot, lambda: slot.is_free)
    os.kill(slot.process.pid or 0, signal.SIGSTOP)
    slot.submit(job(clips[7], tmp_path, untrained))
    os.kill(slot.process.pid or 0, signal.SIGKILL)
    assert isinstance(until(slot, lambda: False), Done)


@pytest.mark.long
def test_an_idle_worker_that_is_killed_is_replaced(
    hire: Callable[[Limits], Slot], clips: list[Path], tmp_path: Path, untrained: Path
) -> None:
    slot = hire(GENEROUS)
    until(slot, lambda: slot.is_free)
    pid = slot.process.pid or 0
    os.kill(pid, signal.SIGKILL)
    until(slot, lambda: slot.process.pid != pid)
    assert isinstance(run(slot, job(clips[7], tmp_path, untrained)), Done)


@pytest.mark.long
def test_a_worker_that_hangs_is_ended(
    hire: Callable[[Limits], Slot], long_file: Path, tmp_path: Path, untrained: Path
) -> None:
    slot = hire(Limits(timeout_factor=100, memory_limit_mb=8000, stall_seconds=4.0))
    until(slot, lambda: slot.is_free)
    slot.submit(job(long_file, tmp_path, untrained))
    until(slot, lambda: slot.done_seconds > 0)
    os.kill(slot.process.pid or 0, signal.SIGSTOP)
    ending = until(slot, lambda: False)
    assert isinstance(ending, Death)
    assert "nothing came of it" in ending.reason


def test_a_worker_is_not_ended_because_its_daemon_was_held_up(
    hire: Callable[[Limits], Slot],
    long_file: Path,
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slot = hire(GENEROUS)
    until(slot, lambda: slot.is_free)
    slot.submit(job(long_file, tmp_path, untrained))
    until(slot, lambda: slot.done_seconds > 0)
    clock = time.monotonic
    monkeypatch.setattr("fxd.pipeline.workers.time.monotonic", lambda: clock() + 10_000)
    slot.enforce()
    assert slot.fault == ""
    slot.enforce()
    assert slot.fault == ""


def test_a_worker_that_takes_too_much_memory_is_ended(
    hire: Callable[[Limits], Slot], long_file: Path, tmp_path: Path, untrained: Path
) -> None:
    slot = hire(Limits(timeout_factor=100, memory_limit_mb=10))
    ending = run(slot, job(long_file, tmp_path, untrained))
    assert isinstance(ending, Death)
    assert "memory_limit_mb" in ending.reason


def test_no_file_speaks_through_a_decoder_nor_hears_of_the_current_folder(
    hire: Callable[[Limits], Slot],
    clips: list[Path],
    tmp_path: Path,
    untrained: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # What libsndfile takes for the resource fork of a file without a name.
    (tmp_path / "._").touch()
    monkeypatch.chdir(tmp_path)
    slot = hire(GENEROUS)
    sound, rate = soundfile.read(clips[7], 22_050)
    soundfile.write(tmp_path / "clip.mp3", sound, rate)
    assert isinstance(run(slot, job(tmp_path / "clip.mp3", tmp_path, untrained)), Done)
    # libmpg123 tells of what it steps over.
    data = (tmp_path / "clip.mp3").read_bytes()
    (tmp_path / "damaged.mp3").write_bytes(data[:2000] + bytes(300) + data[2300:])
    run(slot, job(tmp_path / "damaged.mp3", tmp_path, untrained))
    assert capfd.readouterr() == ("", "")


def test_a_worker_ends_itself_when_its_daemon_is_killed(
    long_file: Path, tmp_path: Path, untrained: Path
) -> None:
    # It writes to what nobody reads, for ever, and so does not notice by itself that nobody listens any more.
    work = job(long_file, tmp_path, untrained)
    work.attempt.mkdir()
    os.mkfifo(work.attempt / "dry.flac")
    script = (
        "import pickle, sys; from pathlib import Path\n"
        "from fxd.config import SaturatorSettings\n"
        "from fxd.pipeline.workers import Limits, Slot, wait_for_news\n"
        "if __name__ == '__main__':\n"
        "    slot = Slot(Limits(1, 8000), SaturatorSettings(), Path(sys.argv[1]))\n"
        "    task = slot.submit(pickle.loads(bytes.fromhex(sys.argv[2])))\n"
        "    while not task.began_at:\n"
        "        wait_for_news([slot], 1); slot.listen()\n"
        "    print(slot.process.pid, flush=True); sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, untrained, pickle.dumps(work).hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as daemon:
        assert daemon.stdout is not None
        worker = psutil.Process(int(daemon.stdout.readline()))
        time.sleep(0.5)
        daemon.kill()
    try:
        _, alive = psutil.wait_procs([worker], timeout=10)
        assert not alive
    finally:
        with suppress(psutil.NoSuchProcess):
            worker.kill()


@pytest.mark.long
def test_workers_that_take_long_to_get_ready_are_said_to_compile(
    hire: Callable[[Limits], Slot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxd.pipeline.workers.COMPILING_SECONDS", 0.0)
    told: list[str] = []
    slot = hire(GENEROUS)
    at_once = CompilingNotice([slot], told.append)
    at_once.check()
    at_once.check()
    assert [text.split(",")[0] for text in told] == ["compiling the engines"]
    until(slot, lambda: slot.is_ready)
    CompilingNotice([slot], told.append).check()
    assert len(told) == 1


def test_a_worker_that_never_gets_ready_is_not_waited_for_for_ever(
    hire: Callable[[Limits], Slot], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fxd.pipeline.workers.START_SECONDS", 0.0)
    with pytest.raises(RuntimeError, match="workers cannot start: one was not ready after 0 s"):
        until(hire(GENEROUS), lambda: False)
