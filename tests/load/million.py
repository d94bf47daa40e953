"""Whether a log of many runs is as quick to ask as a log of few: `python -m tests.load.million`.

Two homes are made, one with 50 runs and one with a million; both are asked in turn. What is timed is what people
wait for: `fxd stats --last 50`, `fxd status`, `fxd stats --changes` and `fxd report --no-audio` as commands, the
record of one run as the daemon does it.
"""

import argparse
import sqlite3
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from fxd.home import make_home
from fxd.store.records import Environment, Example, Quality, Result, Run, Step
from fxd.store.store import Store, open_store

FEW = 50
"""So many as `fxd stats --last 50` prints: an empty log prints a hint instead of a table."""
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ENVIRONMENT = Environment("studio", "a processor", 2, 1, "3.11.7", "0.1.0", {"numpy": "2.4.6"})
STEPS = ("seen", "claimed", "started", "processed", "published", "recorded", "archived")

CHANGES, REPORT = "fxd stats --changes", "fxd report --no-audio"
SLOW_ROUNDS = 3
PAGE = "report.html"
# Asked of a process that is small itself: what begins as a copy of a large one counts as large.
MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e6)
"""
BATCH = 1_000
RENAMED = {
    "runs": ("id", "file", "name", "sha256", "content_sha256"),
    "results": ("run_id", "output", "output_name"),
    "steps": ("run_id",),
    "examples": ("content_sha256", "path"),
}
"""What is another one in every copy of a row."""


def run(number: int) -> tuple[Run, Example]:
    """The run of one file of five seconds, and the example that it brought."""
    key, at = uuid.uuid4().hex, FIRST + timedelta(seconds=20 * number)
    cost = {"engine_seconds": 0.02, "cpu_seconds": 0.02, "output_bytes": 882_044, "clipped_frames": 0}
    level = {"peak_dbfs": 1.0, "loudness_lufs": -14.0}
    quality = Quality(esr=1e-5, esr_db=-50.0, mae=1e-3, si_sdr_db=50.0, mrstft=0.1)
    sound = {"sample_rate": 44_100, "channels": 2, "frames": 220_500}
    made = Run(
        id=key,
        file=f"{key}.wav",
        sha256=key,
        state="done",
        reason="",
        received_at=at,
        finished_at=at + timedelta(seconds=2),
        bytes=882_044,
        queue_seconds=0.5,
        total_seconds=1.5,
        environment=ENVIRONMENT,
        content_sha256=key,
        results=(
            Result("dsp", "settings", output=f"{key}.dsp.wav", **cost, **level),
            Result("tcn", "model", output=f"{key}.tcn.wav", quality=quality, **cost, **level),
        ),
        steps=tuple(Step(at, name) for name in STEPS),
        **sound,
    )
    subset = "training" if number % 5 else "validation"
    return made, Example(key, "settings", subset, f"{key}.flac", bytes=600_000, added_at=at, **sound)


def fill(database: Path, count: int) -> None:
    """Record `count` runs: the first thousand as the daemon does, the others as copies with their own names."""
    with open_store(f"sqlite+pysqlite:///{database}") as store:
        store.record_runs([run(number) for number in range(min(BATCH, count))])
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -2000000")
        first = {
            table: connection.execute(f"SELECT max(rowid) FROM {table}").fetchone()[0] for table in RENAMED
        }
        for batch in range(1, count // BATCH):
            mark = uuid.uuid4().hex[:8]
            for table, last in first.items():
                copy_rows(connection, table, last, batch, mark)


def copy_rows(connection: sqlite3.Connection, table: str, last: int, batch: int, mark: str) -> None:
    """Copy the rows of the first thousand runs, `batch` thousand runs later.

    `mark` is the same in all tables: results and steps are to be found by the new ids of their runs.
    """
    copied = {}
    for name in (row[1] for row in connection.execute(f"PRAGMA table_info({table})")):
        if name in RENAMED[table]:
            copied[name] = f"'{mark}' || {name}"
        elif name == "finished_at":
            copied[name] = f"strftime('%Y-%m-%d %H:%M:%f000', {name}, '+{batch * BATCH * 20} seconds')"
        elif name != "id":
            copied[name] = name
    connection.execute(
        f"INSERT INTO {table} ({', '.join(copied)}) SELECT {', '.join(copied.values())} FROM {table} "
        f"WHERE rowid <= {last}"
    )


def command(home: Path, *arguments: str) -> Callable[[], None]:
    call = [sys.executable, "-m", "fxd", "--home", str(home), *arguments]
    return lambda: void(subprocess.run(call, check=True, stdout=subprocess.DEVNULL))


def megabytes(home: Path, *arguments: str) -> float:
    """The most memory that a command had."""
    call = [sys.executable, "-c", MEASURE, sys.executable, "-m", "fxd", "--home", str(home), *arguments]
    return float(subprocess.run(call, check=True, stdout=subprocess.PIPE, text=True).stdout)


def void(_: object) -> None:
    pass


def record(store: Store) -> Callable[[], None]:
    def one_run() -> None:
        store.record_runs([run(0)])

    return one_run


def timed(action: Callable[[], None]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=9, help="of what is quick; of the others three")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fxd-million-") as folder, ExitStack() as stack:
        actions: dict[str, list[Callable[[], None]]] = {}
        for count in (FEW, options.runs):
            home = Path(folder) / str(count)
            make_home(home)
            database = home / "db" / "fxd.sqlite3"
            began = time.perf_counter()
            fill(database, count)
            size = database.stat().st_size / 1e6
            print(f"{count:,} runs: {size:,.1f} MB, made in {time.perf_counter() - began:.0f} s", flush=True)
            store = stack.enter_context(open_store(f"sqlite+pysqlite:///{database}"))
            actions.setdefault("fxd stats --last 50", []).append(command(home, "stats", "--last", "50"))
            actions.setdefault("fxd status", []).append(command(home, "status"))
            actions.setdefault("one run recorded", []).append(record(store))
            actions.setdefault(CHANGES, []).append(command(home, "stats", "--changes"))
            output = ("-o", str(home / PAGE))
            actions.setdefault(REPORT, []).append(command(home, *REPORT.split()[1:], *output))
        print(f"| | {FEW} runs | {options.runs:,} runs | ratio |\n|---|---|---|---|")
        for name, pair in actions.items():
            count = SLOW_ROUNDS if name in (CHANGES, REPORT) else options.rounds
            rounds = [[timed(action) for action in pair] for _ in range(count)]
            few, many = (median(column) for column in zip(*rounds, strict=True))
            print(f"| {name} | {1e3 * few:.1f} ms | {1e3 * many:.1f} ms | {many / few:.2f} |", flush=True)
        for name, options_of in ((CHANGES, ()), (REPORT, output)):
            most = megabytes(home, *name.split()[1:], *options_of)
            print(f"{name}: {most:.0f} MB of memory at most", flush=True)
        print(f"the page has {(home / PAGE).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
