"""What can go wrong with a database, in words: the thing, the trouble, the remedy; never a password."""

import sqlite3

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError

from fxd.config import ConfigError


class StoreError(Exception):
    """The store cannot do what was asked; the message names the database, the trouble and the remedy."""


class AddressError(StoreError, ConfigError):
    """`[database] url` is not an address that fxd can use: a setting to correct."""


class StoreUnavailable(StoreError):
    """The store cannot do it now, but could later: it is locked, full, or out of reach. Try again."""


# By the family of SQLite's result code: SQLITE_BUSY_SNAPSHOT is of the family BUSY.
SQLITE_TEMPORARY = {
    "BUSY": "it is locked by another program; end that program or wait for it",
    "LOCKED": "it is locked by another program; end that program or wait for it",
    "PROTOCOL": "it is locked by another program; end that program or wait for it",
    "FULL": "the disk is full; make room on it",
    "IOERR": "it cannot be read or written; check the disk or the share that it lies on",
    "CANTOPEN": "it cannot be opened; check that its folder is there and may be written",
    "READONLY": "it cannot be written; check owner and mode of the file and its folder, and the disk",
    "PERM": "it cannot be written; check owner and mode of the file and its folder",
}
SQLITE_LASTING = {
    "NOTADB": "this file is not a SQLite database; move it away, or set [database] url",
    "CORRUPT": "the database is damaged; move it away and put a backup in its place",
}

# By SQLSTATE, whole or its class of two letters: connection, resources, operator, deadlock, locks, standby.
POSTGRESQL_TEMPORARY = ("08", "53", "57", "40", "55P03", "25006")
# Authorisation, no such database, no such schema, no privilege.
POSTGRESQL_LASTING = ("28", "3D", "3F", "42501")
POSTGRESQL_NO_TABLE = "42P01"
NO_TABLE = "its tables are gone: something else is in its place; start fxd again, or set [database] url"


def explain(error: DBAPIError, database: str) -> StoreError | None:
    """The same error for a person; None where it is a bug of fxd's, which must keep its traceback.

    `database` names it in the message and holds no password.
    """
    if isinstance(error, IntegrityError | DataError):
        return None
    if isinstance(error.orig, sqlite3.Error):
        return explain_sqlite(error.orig, database)
    return explain_postgresql(error, database)


def explain_postgresql(error: DBAPIError, database: str) -> StoreError | None:
    state = getattr(error.orig, "sqlstate", None) or ""
    detail = " ".join(str(error.orig).split())
    if state == POSTGRESQL_NO_TABLE:
        return StoreError(f"{database}: {NO_TABLE} ({detail})")
    if state.startswith(POSTGRESQL_LASTING):
        return StoreError(f"{database}: {detail}; check what fxd's user may do there, and [database] url")
    # Without a state the server was not reached, or went away.
    unreached = not state and isinstance(error, OperationalError | InterfaceError)
    if unreached or error.connection_invalidated or state.startswith(POSTGRESQL_TEMPORARY):
        return StoreUnavailable(f"{database}: {detail}; check that the server runs, and [database] url")
    return None


def explain_sqlite(error: sqlite3.Error, database: str) -> StoreError | None:
    name = getattr(error, "sqlite_errorname", "")
    family = name.removeprefix("SQLITE_").split("_")[0]
    if family in SQLITE_TEMPORARY:
        return StoreUnavailable(f"{database}: {SQLITE_TEMPORARY[family]} ({error})")
    if str(error).startswith("no such table: "):  # it has no code of its own
        return StoreError(f"{database}: {NO_TABLE} ({error})")
    if family in SQLITE_LASTING:
        return StoreError(f"{database}: {SQLITE_LASTING[family]} ({error})")
    return None
