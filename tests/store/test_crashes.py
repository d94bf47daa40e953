"""Other processes on the same database: killed in the middle, arriving at once, writing at once."""

import pickle
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from fxd.store.records import Example, Run, Step
from fxd.store.store import open_store

MakeRun = Callable[..., Run]
MakeExample = Callable[..., Example]
StartPython = Callable[[str], "subprocess.Popen[bytes]"]

RECORD_BUT_NEVER_COMMIT = """
import pickle, sys, threading
from sqlalchemy import event
from fxd.store.store import open_store

url, run, example = pickle.load(sys.stdin.buffer)
store = open_store(url)

@event.listens_for(store.engine, "commit")
def wait_for_the_end(connection):
    print("all is written", flush=True)
    threading.Event().wait()

store.record_run(run, example)
"""

OPEN_WHEN_TOLD = """
import sys
import alembic.command
from fxd.store.store import open_store

print("ready", flush=True)
url = sys.stdin.readline().strip()
with open_store(url) as store:
    print(store.count_runs(), flush=True)
"""


def test_a_writer_killed_before_its_commit_leaves_nothing(
    url: str,
    database: str,
    tmp_path: Path,
    start_python: StartPython,
    make_run: MakeRun,
    make_example: MakeExample,
) -> None:
    open_store(url).close()
    # More than SQLite holds in memory, so that the file itself is half changed when the kill comes.
    run = make_run(steps=[Step(datetime(2026, 3, 1, tzinfo=UTC), "seen", "x" * 4_000)] * 2_000)
    process = start_python(RECORD_BUT_NEVER_COMMIT)
    assert process.stdin is not None
    assert process.stdout is not None
    pickle.dump((url, run, make_example()), process.stdin)
    process.stdin.flush()
    assert process.stdout.readline() == b"all is written\n"
    process.kill()
    process.wait()
    if database != "postgresql":
        left = (
            tmp_path / "db" / ("fxd.sqlite3-journal" if database == "sqlite-rollback" else "fxd.sqlite3-wal")
        )
        assert left.stat().st_size > 0
    with open_store(url) as store:
        assert not store.has_run(run.id)
        assert store.runs_of(run.file) == []
        assert store.examples() == []
        with store.read() as connection:
            for table in ("environments", "runs", "results", "steps"):
                assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
            if database != "postgresql":
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert store.record_run(run, make_example())
        assert store.count_runs() == 1


def test_processes_that_arrive_at_once_make_the_tables_once(url: str, start_python: StartPython) -> None:
    processes = [start_python(OPEN_WHEN_TOLD) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(f"{url}\n".encode())
        process.stdin.flush()
    for process in processes:
        output, _ = process.communicate()
        assert (process.returncode, output) == (0, b"0\n")
    with open_store(url) as store, store.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 1


def test_writers_wait_for_each_other(url: str, make_run: MakeRun, make_example: MakeExample) -> None:
    def record_ten(_: int) -> list[bool]:
        with open_store(url) as store:
            return [store.record_run(make_run(), make_example()) for _ in range(10)]

    open_store(url).close()
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(record_ten, range(4))) == [[True] * 10] * 4
    with open_store(url) as store:
        assert store.count_runs() == 40
        assert len(store.examples()) == 1
