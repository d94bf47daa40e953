"""Real databases: SQLite with either journal, and a PostgreSQL server that lives as long as the session."""

import os
import pwd
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

import fxd
from fxd.store.records import Environment, Example, Model, Quality, Result, Run, Step
from fxd.store.store import Store, open_store

DATABASES = ("sqlite-rollback", "sqlite-wal", "postgresql")
SQLITE_VERSIONS = {"sqlite-rollback": (3, 40, 1), "sqlite-wal": (3, 51, 3)}
PASSWORD = "correct horse"
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL: trusted through its socket, by password through the loopback address."""

    folder: Path
    port: int
    user: str

    def url(self, database: str) -> str:
        return f"postgresql+psycopg://{self.user}@/{database}?host={self.folder}&port={self.port}"

    def loopback_url(self, database: str, password: str) -> str:
        return f"postgresql+psycopg://{self.user}:{password}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        place = {"host": str(self.folder), "port": self.port, "user": self.user}
        with psycopg.connect(dbname="postgres", autocommit=True, **place) as connection:
            connection.execute(statement)

    def disconnect_all(self) -> None:
        """What a restart of the server does to its clients."""
        self.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname IS NOT NULL AND pid <> pg_backend_pid()"
        )

    def emptied_url(self) -> str:
        """A database with nothing in it. Always the same one: to make a new one takes longer than a test."""
        self.disconnect_all()
        self.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        return self.url("postgres")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A server of its own, in a folder of its own; it refuses to run as root, so another user runs it."""
    if os.environ.get("FXD_TEST_WITHOUT_POSTGRES") == "1":
        pytest.skip("FXD_TEST_WITHOUT_POSTGRES=1: PostgreSQL is not tested")
    if (programs := postgresql_programs()) is None:
        pytest.fail(
            "PostgreSQL is not installed: apt-get install postgresql, "
            "or set FXD_TEST_WITHOUT_POSTGRES=1 to leave its tests out"
        )
    user = unprivileged_user()
    # Not pytest's own folder: only root may enter that.
    folder = Path(tempfile.mkdtemp(prefix="fxd-postgresql-"))
    try:
        if user:
            shutil.chown(folder, user)
        owner = user or pwd.getpwuid(os.getuid()).pw_name
        make_cluster(programs, folder, user, owner)
        port = start_server(programs, folder, user)
        try:
            yield Server(folder, port, owner)
        finally:
            control(programs, folder, user, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def postgresql_programs() -> Path | None:
    """The folder with initdb and postgres, the newest where there are several."""
    if (found := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(found).parent
    versions = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    return max((path.parent for path in versions), key=lambda path: int(path.parent.name), default=None)


def unprivileged_user() -> str | None:
    """Who runs the server: another user where this one is root."""
    if os.getuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def make_cluster(programs: Path, folder: Path, user: str | None, owner: str) -> None:
    password_file = folder / "password"
    password_file.write_text(PASSWORD)
    command = [programs / "initdb", "-D", folder / "data", "-U", owner, "--no-sync", "-E", "UTF8"]
    command += ["--locale=C", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={password_file}"]
    assert succeeds(command, folder, user)


def start_server(programs: Path, folder: Path, user: str | None) -> int:
    """Start it on a free port; another program may take that port first, so try a few."""
    for _ in range(5):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        options = f"-k {folder} -p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c timezone=Asia/Tokyo"
        if control(programs, folder, user, "-l", folder / "log", "-o", options, "start"):
            return port
    pytest.fail(f"PostgreSQL did not start:\n{(folder / 'log').read_text()}")


def control(programs: Path, folder: Path, user: str | None, *arguments: str | Path) -> bool:
    return succeeds([programs / "pg_ctl", "-D", folder / "data", "-w", *arguments], folder, user)


def succeeds(command: Sequence[str | Path], folder: Path, user: str | None) -> bool:
    return (
        subprocess.run(command, user=user, cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode == 0
    )


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Which of the databases the test runs on; it runs on each."""
    name: str = request.param
    if name in SQLITE_VERSIONS:
        monkeypatch.setattr(sqlite3, "sqlite_version_info", SQLITE_VERSIONS[name])
    return name


@pytest.fixture
def start_python(database: str) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Starts another fxd process on the same database; what is left of them is killed in the end."""
    processes = []

    def start(script: str) -> subprocess.Popen[bytes]:
        version = f"import sqlite3; sqlite3.sqlite_version_info = {SQLITE_VERSIONS.get(database)}\n"
        process = subprocess.Popen(
            [sys.executable, "-c", version + script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(fxd.__file__).parents[1])},
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that does not hold anything yet."""
    if database == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        return server.emptied_url()
    return f"sqlite+pysqlite:///{tmp_path / 'db' / 'fxd.sqlite3'}"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url) as opened:
        yield opened


@pytest.fixture
def make_run() -> Callable[..., Run]:
    """Makes a run of `file`, `minute` minutes after midnight, by both engines unless told otherwise."""

    def make(file: str = "sub/riff.wav", minute: int = 0, **fields: object) -> Run:
        at = MIDNIGHT + timedelta(minutes=minute)
        stem = file.rpartition(".")[0]
        common = {"engine_seconds": 0.25, "cpu_seconds": 0.24, "output_bytes": 1_764_044, "clipped_frames": 0}
        values = {
            "id": str(uuid.uuid4()),
            "file": file,
            "sha256": "ab" * 32,
            "state": "done",
            "reason": "",
            "received_at": at,
            "finished_at": at + timedelta(seconds=1.5),
            "sample_rate": 44_100,
            "channels": 2,
            "frames": 220_500,
            "bytes": 882_044,
            "queue_seconds": 0.5,
            "total_seconds": 1.5,
            "environment": Environment("studio", "Zen 4", 2, 2, "3.11.7", "0.1.0", {"numpy": "2.4.6"}),
            "results": (
                Result("dsp", "5a77", output=f"{stem}.dsp.wav", peak_dbfs=2.3, loudness_lufs=-14.0, **common),
                Result(
                    "tcn",
                    "model-1",
                    output=f"{stem}.tcn.wav",
                    peak_dbfs=2.1,
                    loudness_lufs=-14.1,
                    quality=Quality(esr=3e-4, esr_db=-35.2, mae=0.002, si_sdr_db=35.1, mrstft=0.21),
                    **common,
                ),
            ),
            "steps": (Step(at, "seen"), Step(at + timedelta(seconds=0.5), "started", "worker 1")),
        }
        return Run(**(values | fields))

    return make


@pytest.fixture
def make_example() -> Callable[..., Example]:
    def make(content: str = "c0", settings: str = "5a77", **fields: object) -> Example:
        values = {
            "subset": "training",
            "path": f"{content}.flac",
            "sample_rate": 44_100,
            "channels": 2,
            "frames": 220_500,
            "bytes": 600_000,
            "added_at": MIDNIGHT,
        }
        return Example(content, settings, **(values | fields))

    return make


@pytest.fixture
def make_model() -> Callable[..., Model]:
    def make(id: str = "3f0c9c1e-1111-4c6e-9d2b-000000000001", minute: int = 0, **fields: object) -> Model:
        values = {
            "created_at": MIDNIGHT + timedelta(minutes=minute),
            "preset": "compact",
            "sample_rate": 48_000,
            "settings_hash": "5a77",
            "parent": None,
            "origin": "trained",
            "train_seconds": 600.0,
            "steps": 4_700,
            "weights": 3_098,
            "esr_db": -35.2,
            "reason": "",
            "details": {"recipe": {"seed": 0}, "scores": {"riff.wav": -35.2}},
        }
        return Model(id, **(values | fields))

    return make
