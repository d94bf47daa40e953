"""The promise at a sample of all points; the checker that tells how it is broken; the reading of traces."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crash.attempt import Prepared
from crash.explorer import Target, chosen, seek, targets_of
from crash.promise import broken_in_the_end, broken_meanwhile
from crash.scenario import DRAIN, SCENARIOS, copy_home
from crash.supervisor import Supervisor
from crash.trace import Site, calls_in, check_strace

POINTS = 6
SEED = 6
Damage = Callable[[Path], object]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="strace is for Linux")


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    check_strace()
    with Supervisor(tmp_path_factory.mktemp("supervisor")) as made:
        yield made


@pytest.fixture(scope="module")
def ready(supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Files in an inbox, which nobody has touched yet."""
    home = tmp_path_factory.mktemp("drop") / "home"
    return Prepared(SCENARIOS["drop"], home, SCENARIOS["drop"].prepare(home, supervisor))


@pytest.fixture(scope="module")
def at_rest(supervisor: Supervisor, ready: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home after a daemon has worked them off."""
    home = tmp_path_factory.mktemp("rest") / "home"
    copy_home(ready.home, home)
    supervisor.run(home, DRAIN)
    return home


def test_the_promise_is_kept_at_a_sample_of_all_points(
    supervisor: Supervisor, ready: Prepared, tmp_path: Path
) -> None:
    targets: list[Target] = []
    for role in ready.scenario.roles:
        targets += targets_of(supervisor, ready, role, tmp_path / "reference")
    assert len(targets) > 1000
    hits = 0
    for target in chosen(targets, POINTS, SEED):
        outcome = seek(supervisor, ready, target, tmp_path / "attempt")
        assert outcome.violations == [], f"{target}\n{outcome.told}"
        hits += outcome.hit is not None
    # On a machine that is very busy a call may come later than all its neighbours.
    assert hits >= POINTS // 2


RIFF = "(SELECT id FROM runs WHERE file = 'sub/riff.wav')"


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
        home,
        *(f"DELETE FROM {table} WHERE run_id IN {RIFF}" for table in ("results", "steps")),
        f"DELETE FROM runs WHERE id IN {RIFF}",
    ),
    "recorded: sub/riff.wav with 1 results": lambda home: change_record(
        home, f"DELETE FROM results WHERE engine = 'dsp' AND run_id IN {RIFF}"
    ),
    "archive: ": lambda home: shutil.copy(home / "inbox/done/sub/riff.wav", home / "inbox/done/riff.wav"),
    "archive: failed/sub/er/cut.flac has no reason": lambda home: (
        home / "inbox/failed/sub/er/cut.flac.error.txt"
    ).unlink(),
    "outbox: sub/riff.dsp.wav is recorded and not there": lambda home: (
        home / "outbox/sub/riff.dsp.wav"
    ).unlink(),
    "outbox: sub/riff.3.dsp.wav belongs to no": lambda home: shutil.copy(
        home / "outbox/sub/riff.dsp.wav", home / "outbox/sub/riff.3.dsp.wav"
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


def test_a_home_at_rest_keeps_the_promise(ready: Prepared, at_rest: Path) -> None:
    assert len(ready.expected.sounds) == 6
    assert broken_meanwhile(at_rest, ready.expected) == []
    assert broken_in_the_end(at_rest, ready.expected) == []


@pytest.mark.parametrize("told", DAMAGES)
def test_every_way_to_break_the_promise_is_told(
    ready: Prepared, at_rest: Path, tmp_path: Path, told: str
) -> None:
    copy_home(at_rest, tmp_path / "home")
    DAMAGES[told](tmp_path / "home")
    assert any(line.startswith(told) for line in broken_in_the_end(tmp_path / "home", ready.expected))


TRACE = """\
openat(AT_FDCWD</>, "/home/inbox/a.wav", O_RDONLY|O_CLOEXEC) = 3</home/inbox/a.wav>
openat(AT_FDCWD</>, "/home/db/.a.json.123.tmp", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 4</home/db/.a.json.123.tmp>
write(4</home/db/.a.json.123.tmp>, ""..., 12) = 12
write(2</dev/pts/0>, ""..., 12)         = 12
unlinkat(5</home/outbox/.attempts/0123456789abcdef0123456789abcdef.1>, "dry.flac", 0) = 0
write(4</home/db/.a.json.123.tmp>, ""..., 12) = -1 ENOSPC (No space left on device) (INJECTED)
--- SIGCONT {si_signo=SIGCONT, si_code=SI_USER, si_pid=1, si_uid=0} ---
rename("/home/db/.a.json.123.tmp", "/home/db/a.json") = ?
+++ killed by SIGKILL +++
"""


def test_a_trace_tells_which_calls_touch_a_home_and_which_was_the_last(tmp_path: Path) -> None:
    (tmp_path / "trace").write_text(TRACE)
    calls = list(calls_in(tmp_path / "trace", Path("/home")))
    assert [call.site for call in calls] == [
        None,
        Site("openat", "db/.a.json.*.tmp"),
        Site("write", "db/.a.json.*.tmp"),
        None,
        Site("unlinkat", "outbox/.attempts/*.1/dry.flac"),
        Site("write", "db/.a.json.*.tmp", 2),
        Site("rename", "db/.a.json.*.tmp -> db/a.json"),
    ]
    assert [call.count for call in calls] == [1, 2, 1, 2, 1, 3, 1]
    assert [call.injected for call in calls].index(True) == 5
    assert [call.returned for call in calls] == [True] * 6 + [False]
