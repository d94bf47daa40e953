"""One database, SQLite or PostgreSQL: its address, its connections, its transactions."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import URL, Connection, Engine, QueuePool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from fxd.store import sqlite
from fxd.store.errors import AddressError, StoreError, explain

SQLITE_DRIVERS = ("sqlite", "sqlite+pysqlite")
POSTGRESQL_DRIVERS = ("postgres", "postgresql", "postgresql+psycopg")
URL_FORMS = "sqlite:////folder/file.sqlite3 or postgresql+psycopg://user:password@host/name"
CONNECT_SECONDS = 10
WRITES = "fxd_writes"
DATASET = "dataset"
"""Folder beside the database of a home, see `fxd.training.dataset`."""


class Database:
    """An open database; several threads and processes may use one at the same time."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine = engine
        self.writer = engine.execution_options(**{WRITES: True})
        self.name = name
        """What messages call it; holds no password."""

    def read(self) -> AbstractContextManager[Connection]:
        """A transaction that only reads."""
        return self.transaction(self.engine)

    def write(self) -> AbstractContextManager[Connection]:
        """A transaction that may write: all of it is kept, or nothing."""
        return self.transaction(self.writer)

    @contextmanager
    def transaction(self, engine: Engine) -> Iterator[Connection]:
        try:
            with engine.begin() as connection:
                yield connection
        except DBAPIError as error:
            explanation = explain(error, self.name)
            if explanation is None:
                raise
            raise explanation from error

    def close(self) -> None:
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def connect(url: str) -> tuple[Engine, str]:
    """An engine for `url`, not yet connected, and the name of the database for messages.

    A missing SQLite file is made. Raises StoreError for an address that fxd cannot use.
    """
    address = parse(url)
    if address.drivername in SQLITE_DRIVERS:
        return sqlite_engine(Path(address.database or "")), str(address.database)
    if address.drivername in POSTGRESQL_DRIVERS:
        name = f"PostgreSQL database {address.database or ''} on {address.host or 'this machine'}"
        return postgresql_engine(address), name
    raise AddressError(f"[database] url: fxd cannot keep its log in {address.drivername}; use {URL_FORMS}")


def parse(url: str) -> URL:
    """The parts of a database URL. Messages never repeat any of it, as it may hold a password."""
    try:
        address = make_url(url)
    except (ArgumentError, ValueError):
        raise AddressError(f"[database] url cannot be read as a URL; use {URL_FORMS}") from None
    if "@" in (address.host or ""):
        raise AddressError("[database] url: an @ in the password must be written as %40")
    if address.drivername in SQLITE_DRIVERS and address.database in (None, "", ":memory:"):
        raise AddressError("[database] url names no file; use sqlite:////folder/file.sqlite3")
    return address


def refuse_to_forget(path: Path) -> None:
    """Raise StoreError where a database is gone, and the training set beside it is not.

    An empty one in its place would look like a home without a past, also to the daemon at work there.
    """
    dataset = path.parent / DATASET
    if not path.exists() and dataset.is_dir() and any(entry.is_dir() for entry in dataset.iterdir()):
        raise StoreError(
            f"{path}: the database is gone, but {dataset} holds sounds that it knew; put it or a backup back, or "
            f"move {dataset} away to begin anew"
        )


def sqlite_engine(path: Path) -> Engine:
    refuse_to_forget(path)
    try:
        sqlite.create_file(path)
    except OSError as error:
        raise StoreError(
            f"{path}: the database cannot be made here: {error.strerror}; check the folder, or [paths] db"
        ) from error

    def connect_file() -> sqlite3.Connection:
        return sqlite.connect(path)

    def remember_file(_connection: object, record: ConnectionPoolEntry) -> None:
        record.info["file"] = sqlite.identity(path)

    def reconnect_if_moved(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
        if record.info["file"] != sqlite.identity(path):
            raise DisconnectionError

    engine = create_engine("sqlite+pysqlite://", creator=connect_file, poolclass=QueuePool)
    event.listen(engine, "connect", remember_file)
    event.listen(engine, "checkout", reconnect_if_moved)
    event.listen(engine, "begin", begin_on_sqlite)
    return engine


def begin_on_sqlite(connection: Connection) -> None:
    """A writer takes the lock at once: one that read first could not wait for another writer, only fail."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes(connection) else "BEGIN")


def postgresql_engine(address: URL) -> Engine:
    address = address.set(drivername="postgresql+psycopg")
    if "connect_timeout" not in address.query:
        address = address.update_query_dict({"connect_timeout": str(CONNECT_SECONDS)})
    try:
        engine = create_engine(address, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise StoreError(
            "[database] url: PostgreSQL needs psycopg; install it with pip install 'fxd[postgres]'"
        ) from None
    event.listen(engine, "begin", begin_on_postgresql)
    return engine


def begin_on_postgresql(connection: Connection) -> None:
    """A reader sees one state of all tables, as it does on SQLite, not a newer one with every query."""
    if not writes(connection):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")


def writes(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get(WRITES, False))
