"""The search for changes in a process of its own: its compiler would stay in memory as long as whoever asked.

Nothing heavy is imported here at the top, as whoever asks imports this.
"""

import multiprocessing
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime

from fxd.store.records import Change


def look_aside(database_url: str) -> tuple[tuple[Change, ...], datetime]:
    """Look for changes among the newest runs. Reads only.

    Returns those found, oldest first, and the moment from which on any change would have been found. Raises
    StoreError or StoreUnavailable where the database cannot be read.
    """
    with helper() as pool:
        return pool.submit(search, database_url).result()


def helper() -> ProcessPoolExecutor:
    """One process, which ends with this one, however that ends."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), begin)


def begin() -> None:
    """What the helper does first."""
    from fxd.pipeline.workers import end_with_parent

    # Ctrl-C reaches the whole terminal group; when the search ends is decided by who asked.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Who was killed can tell nobody: a pool's process would wait for the next job for ever.
    threading.Thread(target=end_with_parent, daemon=True).start()


def search(database_url: str) -> tuple[tuple[Change, ...], datetime]:
    from fxd.insight.findings import look
    from fxd.store.store import open_store

    with open_store(database_url) as store:
        found = look(store)
    return found.changes, found.since
