"""The store: everything that fxd remembers, in one database. All SQL is in this package."""

from fxd.store.benches import Benches
from fxd.store.changes import Changes
from fxd.store.database import connect
from fxd.store.errors import StoreError, StoreUnavailable
from fxd.store.examples import Examples
from fxd.store.live_sessions import LiveSessions
from fxd.store.measurements import Columns
from fxd.store.models import Models
from fxd.store.overview import Overview
from fxd.store.runs import Runs
from fxd.store.schema import ensure_current
from fxd.store.tallies import Tallies
from fxd.store.trainings import Trainings

__all__ = ["Store", "StoreError", "StoreUnavailable", "open_store"]


class Store(Runs, Columns, Overview, Tallies, Examples, Models, Trainings, Benches, LiveSessions, Changes):
    """One open database, with a part for each thing that it remembers; `open_store` makes it.

    Every method is one transaction. It raises StoreUnavailable where trying again later can help,
    StoreError where it cannot.
    """


def open_store(url: str) -> Store:
    """Open the database at `url`, make it where it is missing, and bring its tables to this version.

    `url` is `sqlite+pysqlite:////folder/file.sqlite3` or `postgresql+psycopg://user:password@host/name`.
    Raises StoreError for an address, a file or a version that fxd cannot use, StoreUnavailable for a
    database that cannot be reached now.
    """
    store = Store(*connect(url))
    try:
        ensure_current(store)
    except BaseException:
        store.close()
        raise
    return store
