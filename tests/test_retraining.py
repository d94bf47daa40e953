"""Retraining as its users meet it: by hand, and by the daemon on its schedule."""

import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
from datetime import datetime
from pathlib import Path

import pytest
from homes import Home, wait_until

from fxd.commands.retrain import Asked, asked_to_end
from fxd.config import load_settings
from fxd.home import make_home
from fxd.store.store import open_store

SETTINGS = """
[inbox]
settle_seconds = 0.2
[processing]
workers = 1
[training]
max_minutes = 0.2
min_new_seconds = 0
schedule = "0 0 1 1 *"
"""


@pytest.fixture(scope="module")
def processed(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Path:
    """The root of a home that has processed a few clips, one of them for validation. To be copied."""
    root = tmp_path_factory.mktemp("processed") / "home"
    make_home(root)
    home = Home(root)
    home.configure(SETTINGS)
    for clip in clips:
        if clip.name in ("loop_amen.flac", "loop_electric.flac", "guit_harmonics.flac"):
            shutil.copy(clip, home.inbox)
    home.fxd("start", "--once")
    return root


@pytest.fixture
def heard(home: Home, processed: Path) -> Home:
    """A home of its own like that one."""
    shutil.rmtree(home.root)
    shutil.copytree(processed, home.root)
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
    compared = heard.fxd("models", "compare", models[1]["id"], new["id"])
    assert "dB" in compared.stdout
    assert compared.stderr == ""
    twice = heard.fxd("models", "compare", new["id"], new["id"][-4:], code=1)
    assert f"are both {new['id']}; name two models" in twice.stderr
    heard.fxd("models", "rollback")
    assert [model["serves"] for model in heard.json("models")] == [False, True]


@pytest.mark.long
def test_progress_can_be_read_by_a_program(heard: Home) -> None:
    done = heard.fxd("retrain", "--now", "--steps", "120", "--json")
    *progress, result = [json.loads(line) for line in done.stdout.splitlines()]
    assert (progress[-1]["step"], progress[-1]["steps"]) == (120, 120)
    left = [one["seconds_left"] for one in progress if one["seconds_left"] is not None]
    assert left[-1] < left[0]
    assert progress[0]["share"] < progress[-1]["share"] == 1
    assert datetime.fromisoformat(progress[-1]["ends_at"]).tzinfo is not None
    assert progress[-1]["validation_esr_db"] < 0
    assert result["state"] in ("promoted", "kept")
    (listed,) = heard.json("retrain", "--list")
    assert (listed["state"], listed["reason"]) == (result["state"], result["reason"])
    assert [point["step"] for point in listed["curve"]] == [0, *range(6, 121, 6)]
    assert all(point["validation_esr_db"] < 0 for point in listed["curve"])
    table = " ".join(heard.fxd("retrain", "--list").stdout.split())
    assert f"{result['state']}" in table
    assert "120" in table
    assert set("▁▂▃▄▅▆▇█") & set(table)


def test_a_retraining_without_examples_says_what_to_do(home: Home) -> None:
    done = home.fxd("retrain", "--now", code=1)
    assert "failed" in done.stdout
    assert "inbox" in done.stdout or "process" in done.stdout


def test_the_next_retraining_is_told_with_its_reason(heard: Home) -> None:
    told = heard.fxd("retrain").stdout
    assert "01-01 00:00" in told
    assert "new sound" in told


@pytest.mark.long
def test_of_two_retrainings_at_once_the_second_says_who_is_at_work(heard: Home) -> None:
    command = heard.command("retrain", "--now", "--steps", "1000000", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as first:
        wait_until(lambda: progress_of(heard), "the first tells how far it is")
        second = heard.fxd("retrain", "--now", code=1)
        assert f"by process {first.pid}, since " in second.stderr
        assert re.search(r": \d+ %, .*:\d\d left, ends at .*; wait for it, or end it", second.stderr)
        assert second.stderr.count("\n") == 1
        told = " ".join(heard.fxd("status").stdout.split())
        assert re.search(rf"retraining process {first.pid}, since .* %, .* left, ends at \d", told)
        assert f"One is under way: process {first.pid}" in heard.fxd("retrain").stdout
        first.terminate()
        told, _ = first.communicate()
    assert first.returncode == 0
    assert json.loads(told.splitlines()[-1])["state"] == "stopped"


def progress_of(home: Home) -> object:
    """What a retraining under way tells of itself."""
    at_work = home.json("status")["retraining"]
    return at_work and at_work["progress"]


@pytest.mark.long
def test_ctrl_c_keeps_the_best_so_far_as_a_challenger(heard: Home) -> None:
    command = heard.command("retrain", "--now", "--steps", "1000000", "--json")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.send_signal(signal.SIGINT)
        told, errors = child.communicate()
    assert child.returncode == 0, errors
    assert "Ctrl-C once more ends at once" in errors
    result = json.loads(told.splitlines()[-1])
    assert result["state"] in ("kept", "promoted")
    new = heard.json("models")[0]
    assert new["id"] == result["model"]
    assert new["details"]["recipe"]["cut_short"]
    assert f"its training was ended by hand after {new['steps']} of 1000000 steps" in result["reason"]
    assert not (heard.root / "db" / "training").exists()


def test_sigterm_may_come_twice_and_a_second_ctrl_c_ends_at_once() -> None:
    with asked_to_end(scheduled=False) as asked:
        assert not (asked.to_stop() or asked.to_end())
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
        assert asked.to_stop()
        assert not asked.to_end()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with asked_to_end(scheduled=False) as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.to_end()
        assert not asked.to_stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_scheduled_one_stops_where_the_daemon_that_began_it_died(monkeypatch: pytest.MonkeyPatch) -> None:
    scheduled, by_hand = Asked(scheduled=True), Asked(scheduled=False)
    assert not scheduled.to_stop()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert scheduled.to_stop()
    assert not by_hand.to_stop()


@pytest.mark.long
def test_a_terminal_shows_a_bar_with_loss_score_time_left_and_end(heard: Home) -> None:
    master, terminal = pty.openpty()
    command = heard.command("retrain", "--now", "--steps", "200")
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=terminal, env=os.environ | {"COLUMNS": "150", "TERM": "xterm"}
    ) as child:
        os.close(terminal)
        shown = b"".join(iter(lambda: read_terminal(master), b"")).decode()
        assert child.wait() == 0
    os.close(master)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert re.search(r"━ loss -\d+\.\d dB, validation -\d+\.\d dB, \d+:\d\d left, ends at \d", plain)


def read_terminal(master: int) -> bytes:
    try:
        return os.read(master, 65_536)
    except OSError:  # what Linux says of a terminal whose last writer has gone
        return b""


def test_steps_and_list_are_refused_where_they_mean_nothing(home: Home) -> None:
    assert "--steps goes with --now" in home.fxd("retrain", "--steps", "5", code=2).stderr
    assert "exclude each other" in home.fxd("retrain", "--now", "--list", code=2).stderr
    assert "No retraining yet" in home.fxd("retrain", "--list").stdout
    assert home.json("retrain", "--list") == []


@pytest.mark.long
def test_the_daemon_catches_up_on_a_retraining_and_processes_files_meanwhile(
    heard: Home, clips: list[Path]
) -> None:
    heard.configure(SETTINGS.replace("max_minutes = 0.2", "max_minutes = 0.25"))  # long enough to be met
    heard.fxd("retrain", "--now", "--steps", "20")
    with sqlite3.connect(heard.root / "db" / "fxd.sqlite3") as connection:
        connection.execute("UPDATE trainings SET started_at = datetime(started_at, '-400 days')")
        connection.execute("UPDATE examples SET added_at = datetime(added_at, '-399 days')")
    connection.close()
    with open_store(load_settings(heard.root).database_url) as store:
        gone = next(example for example in store.contents() if example.subset == "training")
    (heard.root / "db" / "dataset" / gone.path).unlink()
    daemon = heard.start()
    wait_until(lambda: "retraining: " in heard.stderr(), "the missed retraining begins")
    shutil.copy(clips[7], heard.inbox / "meanwhile.flac")
    wait_until(lambda: "meanwhile.dsp.wav" in heard.outputs(), "a file comes out meanwhile")
    wait_until(lambda: (heard.status().retraining or {}).get("ends_at"), "it tells when it ends")
    told = " ".join(heard.fxd("status").stdout.split())
    assert re.search(r"retraining process \d+, since .* %, .* left, ends at \d", told)
    wait_until(lambda: heard.status().retraining is None, "the daemon sees its end")
    assert len(heard.json("models")) == 3
    assert heard.stop(daemon) == 0
    log = (heard.root / "db" / "fxd.log").read_text()
    said = [" ".join(line.split()[2:]) for line in log.splitlines()]
    (how,) = [line for line in said if line.startswith("INFO training runs in compiled kernels on 1 thread")]
    (end,) = [line for line in said if line.startswith(("INFO retraining promoted", "INFO retraining kept"))]
    (skipped,) = [line for line in said if line.startswith("WARNING a training example is skipped")]
    assert f"dataset/{gone.path}: No such file" in skipped
    assert said.index(skipped) < said.index(how) < said.index(end)
    assert "WARNING: " not in heard.stderr()
