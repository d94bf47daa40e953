"""Runs as the store would give them, and a browser for what is made of them."""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from browser import chromium
from logs import Log, empty_home
from playwright.sync_api import Browser

from fxd.store.records import Environment, Quality, Result, Run

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with chromium(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def make_result() -> Callable[..., Result]:
    def make(engine: str, **fields: object) -> Result:
        values = {
            "version": "20260301-000000-compact-ab12" if engine == "tcn" else "5a77",
            "engine_seconds": 0.25,
            "cpu_seconds": 0.24,
            "output": f"sub/riff.{engine}.wav",
            "output_bytes": 1_764_044,
            "peak_dbfs": 2.3,
            "clipped_frames": 0,
            "loudness_lufs": -14.0,
            "quality": Quality(3e-4, -35.2, 0.002, 35.1, 0.21) if engine == "tcn" else None,
        }
        return Result(engine, **(values | fields))

    return make


@pytest.fixture
def make_run(make_result: Callable[..., Result]) -> Callable[..., Run]:
    """Makes a run of five seconds of sound, by both engines unless told otherwise."""

    def make(file: str = "sub/riff.wav", **fields: object) -> Run:
        values = {
            "id": str(uuid.uuid4()),
            "sha256": "ab" * 32,
            "state": "done",
            "reason": "",
            "received_at": MIDNIGHT,
            "finished_at": MIDNIGHT + timedelta(seconds=1.5),
            "sample_rate": 44_100,
            "channels": 2,
            "frames": 220_500,
            "bytes": 882_044,
            "queue_seconds": 0.5,
            "total_seconds": 1.5,
            "environment": Environment("studio", "Zen 4", 2, 2, "3.11.7", "0.1.0", {"numpy": "2.4.6"}),
            "results": (make_result("dsp"), make_result("tcn")),
        }
        return Run(file=file, **(values | fields))

    return make


@pytest.fixture
def failed_run(make_run: Callable[..., Run]) -> Run:
    """A file that could not even be read."""
    reason = "broken.wav is no audio that can be read; convert it to WAV and drop it again"
    unread = {"sha256": "", "sample_rate": 0, "channels": 0, "frames": 0, "results": ()}
    return make_run("broken.wav", state="failed", reason=reason, **unread)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_home(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def local_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the time zone of this test."""

    def set_zone(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield set_zone
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def log(
    template: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    local_clock: Callable[[str], None],
) -> Log:
    """An empty log, asked on 80 columns in a time zone far from UTC."""
    local_clock("America/New_York")
    monkeypatch.setenv("COLUMNS", "80")
    return Log(shutil.copytree(template, tmp_path / "home"), capsys)
