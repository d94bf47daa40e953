"""What a running daemon has to survive: deaths, hangs, full and vanishing disks, clocks, and files without end.

They take their time: `make survive` runs them. Those that mount a file system or change a setting of the kernel
need root.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile
from heavy_ogg import with_comment
from homes import DEADLINE_SECONDS, Home, wait_until
from mounts import SmallDisk, mounted

from fxd.config import SaturatorSettings
from fxd.pipeline.job import Job
from fxd.pipeline.process import FileFault, process
from fxd.training.job import CHECKPOINT_NAME, job_folder, read_job
from fxd.training.lock import who_trains
from fxd.training.trainer import usable_checkpoint

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

QUICK = "[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = {workers}\n[training]\nschedule = ''\n"
LONG_DEADLINE = 600.0


def make_noise(path: Path, seconds: float, seed: int = 0, channels: int = 1) -> Path:
    """A file of noise."""
    rng = np.random.default_rng(seed)
    with soundfile.SoundFile(path, "w", 44_100, channels, "PCM_16") as file:
        for _ in range(max(1, round(seconds))):
            file.write((3000 * rng.standard_normal((44_100, channels))).astype(np.int16))
    return path


def drop(home: Home, name: str, seconds: float, seed: int = 0) -> None:
    """Move a file into the inbox that is complete at once."""
    shutil.move(make_noise(home.root / f"made.{name}", seconds, seed), home.inbox / name)


def workers_of(pid: int) -> list[psutil.Process]:
    children = psutil.Process(pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def names_of(*stems: str) -> list[str]:
    return sorted(f"{stem}.{engine}.wav" for stem in stems for engine in ("dsp", "tcn"))


def states(home: Home) -> dict[str, str]:
    """Of every run, by file; a file that was recorded twice fails the test."""
    runs = home.json("stats")["runs"]
    found = {run["file"]: run["state"] for run in runs}
    assert len(found) == len(runs), "a file was recorded twice"
    return found


def is_under_way(home: Home, name: str) -> bool:
    return any(one["file"] == name and one["audio_seconds"] > 0 for one in home.status().processing)


# --- processes that die or hang


def test_a_daemon_that_is_killed_and_started_at_once_leaves_no_orphan_and_doubles_nothing(home: Home) -> None:
    home.configure(QUICK.format(workers=2))
    for number in range(3):
        drop(home, f"{number}.wav", 60, number)
    daemon = home.start()
    wait_until(lambda: list(home.outbox.glob(".attempts/*/dsp.wav")), "attempts are under way")
    orphans = workers_of(daemon.pid)
    assert len(orphans) == 2
    daemon.kill()
    daemon.wait()
    second = home.start()
    _, alive = psutil.wait_procs(orphans, timeout=10)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
    done = home.inbox / "done"
    wait_until(lambda: len(list(done.glob("*.wav"))) == 3, "all are archived", LONG_DEADLINE)
    assert home.stop(second) == 0
    assert states(home) == {"0.wav": "done", "1.wav": "done", "2.wav": "done"}
    assert home.outputs() == names_of("0", "1", "2")
    assert not list(home.outbox.glob(".attempts/*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
def test_a_file_whose_workers_die_or_hang_is_tried_again_and_quarantined_and_the_others_go_on(
    home: Home, number: signal.Signals
) -> None:
    drop(home, "deadly.wav", 240)
    daemon = home.start()
    strikes, is_new = 0, True

    def strike() -> bool:
        """Hit the worker that is at the file, until it lies in quarantine."""
        nonlocal strikes, is_new
        # What the daemon says is half a second old: the next worker is not to be hit for the attempt of this one.
        if not is_under_way(home, "deadly.wav"):
            is_new = True
        elif is_new:
            (worker,) = workers_of(daemon.pid)
            worker.send_signal(number)
            strikes, is_new = strikes + 1, False
        return (home.inbox / "failed" / "deadly.wav").exists()

    wait_until(lambda: is_under_way(home, "deadly.wav"), "the file is begun")
    drop(home, "harmless.wav", 1)
    wait_until(strike, "the file is quarantined", LONG_DEADLINE)
    wait_until((home.inbox / "done" / "harmless.wav").exists, "the other file comes out")
    assert home.stop(daemon) == 0
    assert strikes == 2, "one retry, and no more"
    reason = "killed by SIGKILL" if number == signal.SIGKILL else "nothing came of it for"
    told = (home.inbox / "failed" / "deadly.wav.error.txt").read_text()
    assert reason in told
    assert "(2 attempts)" in told
    assert states(home) == {"deadly.wav": "failed", "harmless.wav": "done"}
    assert home.outputs() == names_of("harmless")


def test_a_file_that_takes_more_memory_than_it_may_is_quarantined_and_the_others_go_on(home: Home) -> None:
    home.configure(QUICK.format(workers=1).replace("workers = 1", "workers = 1\nmemory_limit_mb = 256"))
    sound = make_noise(home.root / "sound.wav", 20)
    soundfile.write(home.root / "sound.ogg", *soundfile.read(sound), format="OGG", subtype="VORBIS")
    (home.root / "heavy").write_bytes(with_comment((home.root / "sound.ogg").read_bytes(), 100_000_000))
    assert soundfile.info(home.root / "heavy").frames == 20 * 44_100, "a whole file, to a decoder"
    (home.root / "heavy").rename(home.inbox / "heavy.ogg")
    daemon = home.start()
    wait_until((home.inbox / "failed" / "heavy.ogg").exists, "the heavy file is quarantined")
    drop(home, "light.wav", 1)
    wait_until((home.inbox / "done" / "light.wav").exists, "the other file comes out")
    assert home.stop(daemon) == 0
    told = (home.inbox / "failed" / "heavy.ogg.error.txt").read_text()
    assert "MB of memory, and [processing] memory_limit_mb is 256; raise that" in told
    assert "(2 attempts)" in told
    assert states(home) == {"heavy.ogg": "failed", "light.wav": "done"}
    assert home.outputs() == names_of("light")


def test_a_scheduled_retraining_that_is_killed_is_gone_on_with_by_the_next_and_the_old_model_serves(
    home: Home,
) -> None:
    home.configure(
        "[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = 1\n[tcn]\npreset = 'nano'\n"
        "[training]\nschedule = '* * * * *'\nmin_new_seconds = 1\nmax_minutes = 1.5\n"
    )
    for number, clip in enumerate(sorted((Path(__file__).parent / "audio").glob("*.flac"))):
        shutil.copy(clip, home.inbox / f"{number}.flac")
    home.fxd("start", "--once")
    champion = home.json("status")["model"]
    daemon = home.start()
    db = home.root / "db"

    def has_steps() -> bool:
        saved = usable_checkpoint(job_folder(db) / CHECKPOINT_NAME)
        return saved is not None and saved.step > 0

    wait_until(has_steps, "a checkpoint has some steps", LONG_DEADLINE)
    killed = who_trains(db)
    assert killed is not None
    os.kill(killed.pid, signal.SIGKILL)
    job = read_job(job_folder(db))
    assert job is not None
    wait_until(lambda: "without a result; the old model serves" in home.stderr(), "the daemon says so")
    assert home.json("status")["model"] == champion
    drop(home, "meanwhile.wav", 1)
    wait_until((home.inbox / "done" / "meanwhile.wav").exists, "files are processed as before")
    wait_until(lambda: who_trains(db) is not None, "the next retraining begins", LONG_DEADLINE)
    wait_until(lambda: who_trains(db) is None, "it ends", LONG_DEADLINE)
    assert home.stop(daemon) == 0
    second, first = home.json("retrain", "--list")[:2]
    assert first["state"] == "stopped"
    assert "goes on with it" in first["reason"]
    assert second["state"] in ("promoted", "kept")
    assert second["model_id"] == job.model_id, "it began anew"


# --- floods


@pytest.mark.usefixtures("short_queue")
def test_ten_thousand_files_whose_events_the_kernel_dropped_are_processed_once_each(home: Home) -> None:
    home.configure(QUICK.format(workers=2).replace("settle", "rescan_seconds = 3600\nsettle"))
    outside = home.root / "outside"
    outside.mkdir()
    rng = np.random.default_rng(0)
    for number in range(10_000):
        sound = (3000 * rng.standard_normal(800)).astype(np.int16)
        soundfile.write(outside / f"{number}.wav", sound, 16_000)
    daemon = home.start()
    daemon.send_signal(signal.SIGSTOP)  # so it can read no event meanwhile, and the queue must overflow
    for path in list(outside.iterdir()):
        path.rename(home.inbox / path.name)
    daemon.send_signal(signal.SIGCONT)
    done = home.inbox / "done"
    wait_until(lambda: sum(1 for _ in done.glob("*.wav")) == 10_000, "all are archived", 1500)
    assert home.stop(daemon) == 0
    runs = home.json("stats", "--last", "20000")["runs"]
    assert sorted(run["file"] for run in runs) == sorted(f"{number}.wav" for number in range(10_000))
    assert len(home.outputs()) == 20_000


# --- disks


@pytest.fixture
def small_outbox(home: Home) -> Iterator[SmallDisk]:
    """The outbox as a disk of its own, of sixteen megabytes."""
    with mounted(home.outbox, 16_000) as disk:
        yield disk


def test_a_full_disk_is_waited_for_and_says_how_much_is_missing(home: Home, small_outbox: SmallDisk) -> None:
    ballast = small_outbox.fill(left=1_000_000)
    drop(home, "long.wav", 20)
    daemon = home.start()
    wait_until(lambda: "MB are missing for the results" in home.stderr(), "it says how much is missing")
    assert "No space left on device" in home.json("status")["daemon"]["reason"]
    assert home.outputs() == ["ballast"]
    ballast.unlink()
    wait_until((home.inbox / "done" / "long.wav").exists, "it goes on by itself")
    assert home.stop(daemon) == 0
    assert states(home) == {"long.wav": "done"}
    assert home.outputs() == names_of("long")
    assert not (home.inbox / "failed").exists()


def test_an_outbox_that_is_unplugged_is_waited_for(home: Home, small_outbox: SmallDisk) -> None:
    daemon = home.start()
    drop(home, "before.wav", 1, 1)
    wait_until((home.inbox / "done" / "before.wav").exists, "the first file comes out")
    small_outbox.unmount()
    drop(home, "meanwhile.wav", 1, 2)
    wait_until(lambda: "is not mounted" in home.stderr(), "the daemon misses the disk")
    assert list(home.outbox.iterdir()) == [], "something was written below the mount point"
    small_outbox.mount()
    wait_until((home.inbox / "done" / "meanwhile.wav").exists, "the second file comes out")
    assert home.stop(daemon) == 0
    assert states(home) == {"before.wav": "done", "meanwhile.wav": "done"}
    assert home.outputs() == names_of("meanwhile")


def test_an_inbox_that_is_unplugged_while_its_file_is_processed_is_gone_on_with(home: Home) -> None:
    drop(home, "long.wav", 60)
    daemon = home.start()
    wait_until(lambda: list(home.outbox.glob(".attempts/*/dsp.wav")), "an attempt is under way")
    away = home.inbox.rename(home.root / "away")
    home.inbox.mkdir()
    drop(home, "meanwhile.wav", 1, 1)
    wait_until((home.inbox / "done" / "meanwhile.wav").exists, "what lies there meanwhile is processed")
    shutil.rmtree(home.inbox)
    away.rename(home.inbox)
    wait_until((home.inbox / "done" / "long.wav").exists, "it is gone on with", LONG_DEADLINE)
    assert home.stop(daemon) == 0
    assert states(home) == {"long.wav": "done", "meanwhile.wav": "done"}
    assert home.outputs() == names_of("long", "meanwhile")
    assert home.claimed() == []


# --- the database


def test_a_database_that_is_locked_for_a_minute_costs_no_run(home: Home) -> None:
    daemon = home.start()
    script = (
        "import sqlite3, sys, time\n"
        "connection = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "connection.execute('BEGIN EXCLUSIVE'); print('locked', flush=True); time.sleep(60)\n"
    )
    database = home.root / "db" / "fxd.sqlite3"
    command = ["python3", "-c", script, str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        for number in range(3):
            drop(home, f"{number}.wav", 1, number)
        wait_until(
            lambda: "it is locked by another program" in home.stderr(), "the daemon says what is wrong"
        )
        other.wait(DEADLINE_SECONDS)
    done = home.inbox / "done"
    wait_until(lambda: len(list(done.glob("*.wav"))) == 3, "all are recorded")
    assert home.stop(daemon) == 0
    assert states(home) == {"0.wav": "done", "1.wav": "done", "2.wav": "done"}
    assert not (home.inbox / "failed").exists()


def test_a_database_whose_disk_is_full_costs_no_run(home: Home) -> None:
    with mounted(home.root / "disk", 4_000) as disk:
        url = f"sqlite:///{disk.folder / 'fxd.sqlite3'}"
        home.configure(QUICK.format(workers=1) + f'[database]\nurl = "{url}"\n')
        daemon = home.start()
        ballast = disk.fill()
        for number in range(3):
            drop(home, f"{number}.wav", 1, number)
        wait_until(lambda: "the disk is full" in home.stderr(), "the daemon says what is wrong")
        ballast.unlink()
        done = home.inbox / "done"
        wait_until(lambda: len(list(done.glob("*.wav"))) == 3, "all are recorded")
        assert home.stop(daemon) == 0
        assert states(home) == {"0.wav": "done", "1.wav": "done", "2.wav": "done"}
        assert home.outputs() == names_of("0", "1", "2")
        with sqlite3.connect(disk.folder / "fxd.sqlite3") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()


# --- clocks


@pytest.fixture
def clock(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets the clock of all that is started from now on, by so many seconds from the true time."""
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not libraries:
        pytest.fail("libfaketime is not installed: apt-get install faketime")
    offset = home.root / "offset"
    monkeypatch.setenv("LD_PRELOAD", str(libraries[0]))
    monkeypatch.setenv("FAKETIME_TIMESTAMP_FILE", str(offset))
    for name in ("FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"):
        monkeypatch.setenv(name, "1")

    def set_by(seconds: int) -> None:
        offset.with_suffix(".new").write_text(f"{seconds:+d}\n")
        offset.with_suffix(".new").rename(offset)

    set_by(0)
    return set_by


def test_a_clock_that_is_set_back_by_an_hour_stops_nothing(home: Home, clock: Callable[[int], None]) -> None:
    daemon = home.start()
    drop(home, "riff.wav", 60, 1)
    wait_until(lambda: is_under_way(home, "riff.wav"), "the first is under way")
    clock(-3600)
    wait_until((home.inbox / "done" / "riff.wav").exists, "it comes out", LONG_DEADLINE)
    for seed in (2, 2):  # other content under the same name, twice
        (home.inbox / "done" / "riff.wav").unlink()
        drop(home, "riff.wav", 1, seed)
        wait_until((home.inbox / "done" / "riff.wav").exists, "the next comes out")
    assert home.stop(daemon) == 0
    runs = home.json("stats")["runs"]
    assert [run["state"] for run in runs] == ["done"] * 3
    assert all(run["queue_seconds"] >= 0 and run["total_seconds"] >= 0 for run in runs)
    assert home.outputs() == names_of("riff", "riff.2")
    # The watcher's thread may die of this clock, which disturbs its sleep, as the system's would not.
    assert daemon.returncode == 0


def test_a_file_from_the_future_is_processed(home: Home) -> None:
    make_noise(home.root / "made.wav", 1)
    os.utime(home.root / "made.wav", (4e9, 4e9))
    (home.root / "made.wav").rename(home.inbox / "future.wav")
    home.fxd("start", "--once")
    assert states(home) == {"future.wav": "done"}


# --- files


@contextmanager
def growing(path: Path) -> Iterator[None]:
    """A recorder that never stops; it opens the file anew for every second."""
    ended = threading.Event()

    def grow() -> None:
        while not ended.wait(0.05):
            with path.open("ab") as file:
                file.write(bytes(4410))

    thread = threading.Thread(target=grow)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def test_a_file_that_grows_for_ever_holds_up_nobody_and_is_left_for_the_next_start(home: Home) -> None:
    with growing(home.inbox / "endless.raw.wav"):
        drop(home, "riff.wav", 1)
        begun = time.monotonic()
        done = home.fxd("start", "--once")
        assert time.monotonic() - begun > 60, "somebody who writes for a minute is waited for"
        assert "endless.raw.wav: left for the next start" in done.stderr
        assert states(home) == {"riff.wav": "done"}
        assert "it waits" in home.fxd("why", home.inbox / "endless.raw.wav").stdout
    assert (home.inbox / "endless.raw.wav").exists()


def test_a_file_that_cannot_be_read_is_its_own_fault_and_the_remedy_is_told() -> None:
    """Root can read everything, so a child of it becomes somebody else first."""
    with tempfile.TemporaryDirectory() as made:  # not pytest's own folder: only root may enter that
        folder = Path(made)
        folder.chmod(0o777)
        make_noise(folder / "secret.wav", 1).chmod(0)
        job = Job(folder / "secret.wav", folder / "attempt", SaturatorSettings(), folder, "FLOAT")
        child = os.fork()
        if child == 0:
            if os.getuid() == 0:
                os.setuid(65_534)
            try:
                process(job, lambda _seconds, _length: None)
            except FileFault as fault:
                is_told = "(permission denied); change its mode and drop it again" in str(fault)
                os._exit(0 if is_told else 2)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
