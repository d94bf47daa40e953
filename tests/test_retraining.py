"""Retraining as its users meet it: by hand, and by the daemon on its schedule."""

import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from homes import Home, wait_until

SETTINGS = """
[inbox]
settle_seconds = 0.2
[processing]
workers = 1
[training]
max_minutes = 0.25
min_new_seconds = 0
schedule = "0 0 1 1 *"
"""


@pytest.fixture
def heard(home: Home, clips: list[Path]) -> Home:
    """A home that has processed a few clips, one of them for validation."""
    home.configure(SETTINGS)
    for clip in clips:
        if clip.name in ("loop_amen.flac", "loop_electric.flac", "guit_harmonics.flac"):
            shutil.copy(clip, home.inbox)
    home.fxd("start", "--once")
    return home


def test_a_retraining_by_hand_makes_a_model_and_decides(heard: Home, clips: list[Path]) -> None:
    done = heard.fxd("retrain", "--now")
    assert "training" in done.stderr
    assert "left" in done.stderr
    models = heard.json("models")
    assert [model["origin"] for model in models] == ["trained", "factory"]
    assert sum(model["serves"] for model in models) == 1
    new = models[0]
    assert new["reason"] in done.stdout
    assert new["details"]["trained_on"]
    assert new["details"]["recipe"]
    heard.fxd("models", "promote", new["id"])
    shutil.copy(clips[7], heard.inbox)
    heard.fxd("start", "--once")
    assert heard.json("stats")["runs"][0]["results"]["tcn"]["version"] == new["id"]
    contest = heard.json("models", "compare", models[1]["id"], new["id"])
    file = contest["files"][0]
    assert file["gain_db"] == pytest.approx(file["first_esr_db"] - file["second_esr_db"])
    assert "dB" in heard.fxd("models", "compare", models[1]["id"], new["id"]).stdout
    heard.fxd("models", "rollback")
    assert [model["serves"] for model in heard.json("models")] == [False, True]


def test_progress_can_be_read_by_a_program(heard: Home) -> None:
    lines = [json.loads(line) for line in heard.fxd("retrain", "--now", "--json").stdout.splitlines()]
    *progress, result = lines
    assert 0 < progress[-1]["step"] <= progress[-1]["steps"]
    assert progress[-1]["seconds_left"] < progress[0]["seconds_left"]
    assert result["state"] in ("promoted", "kept")


def test_a_retraining_without_examples_says_what_to_do(home: Home) -> None:
    done = home.fxd("retrain", "--now", code=1)
    assert "failed" in done.stdout
    assert "inbox" in done.stdout or "process" in done.stdout


def test_the_next_retraining_is_told_with_its_reason(heard: Home) -> None:
    told = heard.fxd("retrain").stdout
    assert "01-01 00:00" in told
    assert "new sound" in told


def test_of_two_retrainings_at_once_the_second_says_who_is_at_work(heard: Home) -> None:
    heard.configure(SETTINGS.replace("0.25", "5"))
    with subprocess.Popen(
        heard.command("retrain", "--now", "--json"), stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        first.stdout.readline()
        second = heard.fxd("retrain", "--now", code=1)
        assert str(first.pid) in second.stderr
        first.terminate()
        told, _ = first.communicate()
    assert first.returncode == 0
    assert json.loads(told.splitlines()[-1])["state"] == "stopped"


def test_the_daemon_catches_up_on_a_retraining_and_processes_files_meanwhile(
    heard: Home, clips: list[Path]
) -> None:
    heard.fxd("retrain", "--now")
    with sqlite3.connect(heard.root / "db" / "fxd.sqlite3") as connection:
        connection.execute("UPDATE trainings SET started_at = datetime(started_at, '-400 days')")
    connection.close()
    daemon = heard.start()
    wait_until(lambda: "retraining: " in heard.stderr(), "the missed retraining begins")
    shutil.copy(clips[7], heard.inbox / "meanwhile.flac")
    wait_until(lambda: "meanwhile.dsp.wav" in heard.outputs(), "a file comes out meanwhile")
    wait_until(lambda: len(heard.json("models")) == 3, "the retraining comes to its end")
    wait_until(lambda: heard.json("status")["daemon"]["retraining"] is None, "the daemon sees it")
    assert heard.stop(daemon) == 0
    assert "retraining promoted" in heard.stderr() or "retraining kept" in heard.stderr()
