"""The checker checked: a home at rest keeps the promise, and every way to break it is told."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from crash.promise import Expectation, broken_in_the_end, broken_meanwhile
from crash.scenario import DRAIN, configure, dropped, excerpt, fxd_well, with_sounds

Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Expectation]:
    """A home whose daemon has ended, one file done and one failed, and what was dropped there."""
    home = tmp_path_factory.mktemp("crash") / "home"
    configure(home)
    excerpt(home / "inbox" / "sub" / "riff.wav", "loop_electric", 1500)
    (home / "inbox" / "bad.wav").write_text("no audio, only a few words\n" * 20)
    expected = Expectation(dropped(home, ["sub/riff.wav", "bad.wav"], ["bad.wav"]))
    expected = with_sounds(home, expected, *DRAIN)
    fxd_well(home, *DRAIN)
    return home, expected


def test_a_home_at_rest_keeps_the_promise(at_rest: tuple[Path, Expectation]) -> None:
    home, expected = at_rest
    assert len(expected.sounds) == 2
    assert broken_meanwhile(home, expected) == []
    assert broken_in_the_end(home, expected) == []


def tear(home: Path) -> None:
    path = home / "outbox" / "sub" / "riff.tcn.wav"
    path.write_bytes(path.read_bytes()[:4000] + bytes(path.stat().st_size - 4000))


def change_record(home: Path, *commands: str) -> None:
    with closing(sqlite3.connect(home / "db" / "fxd.sqlite3")) as connection:
        for command in commands:
            connection.execute(command)
        connection.commit()


DAMAGES: dict[str, Damage] = {
    "lost: sub/riff.wav": lambda home: (home / "inbox/done/sub/riff.wav").unlink(),
    "torn: outbox/sub/riff.tcn.wav": tear,
    "recorded: sub/riff.wav has 0 records": lambda home: change_record(
        home, "DELETE FROM results", "DELETE FROM steps", "DELETE FROM runs WHERE state = 'done'"
    ),
    "recorded: sub/riff.wav with 1 results": lambda home: change_record(
        home, "DELETE FROM results WHERE engine = 'dsp'"
    ),
    "archive: ": lambda home: shutil.copy(home / "inbox/done/sub/riff.wav", home / "inbox/done/riff.wav"),
    "archive: failed/bad.wav has no reason": lambda home: (home / "inbox/failed/bad.wav.error.txt").unlink(),
    "outbox: sub/riff.dsp.wav is recorded and not there": lambda home: (
        home / "outbox/sub/riff.dsp.wav"
    ).unlink(),
    "outbox: sub/riff.2.dsp.wav belongs to no": lambda home: shutil.copy(
        home / "outbox/sub/riff.dsp.wav", home / "outbox/sub/riff.2.dsp.wav"
    ),
    "litter: inbox/.claimed/dead": lambda home: (home / "inbox/.claimed/dead").mkdir(),
    "litter: outbox/.attempts/run.1": lambda home: (home / "outbox/.attempts/run.1").mkdir(parents=True),
    "litter: models/.a.12.tmp": lambda home: (home / "models/.a.12.tmp").mkdir(),
    "litter: inbox/left.wav was not taken": lambda home: shutil.copy(
        home / "inbox/done/sub/riff.wav", home / "inbox/left.wav"
    ),
    "database: ": lambda home: os.truncate(home / "db/fxd.sqlite3", 8192),
    "models: ": lambda home: os.truncate(next((home / "models").glob("*/weights.safetensors")), 100),
    "dataset: ": lambda home: next((home / "db/dataset").rglob("*.flac")).unlink(),
}


@pytest.mark.parametrize("told", DAMAGES)
def test_every_way_to_break_the_promise_is_told(
    at_rest: tuple[Path, Expectation], tmp_path: Path, told: str
) -> None:
    home, expected = at_rest
    copy = tmp_path / "home"
    shutil.copytree(home, copy)
    DAMAGES[told](copy)
    assert any(line.startswith(told) for line in broken_in_the_end(copy, expected))
