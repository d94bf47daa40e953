"""The session in the store, kept from a thread of its own: a database that is locked holds up no key."""

import threading
from collections.abc import Callable

from fxd.store.records import LiveSession
from fxd.store.store import Store, StoreError

KEEP_SECONDS = 10.0
"""What a crash or a power cut may cost the log."""


class Logbook:
    """Keeps a session as it is every ten seconds, from `start` to `finish`."""

    def __init__(self, store: Store, tell: Callable[[], LiveSession]) -> None:
        self.store = store
        self.tell = tell
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.work, name="logbook", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def work(self) -> None:
        self.keep(self.tell())
        while not self.ended.wait(KEEP_SECONDS):
            self.keep(self.tell())

    def keep(self, session: LiveSession) -> StoreError | None:
        """Log a session; returns what kept it from that."""
        try:
            self.store.keep_live_session(session)
        except StoreError as error:
            return error
        return None

    def finish(self, last: LiveSession) -> StoreError | None:
        """Log how it ended; returns what kept it from that."""
        self.ended.set()
        if self.thread.is_alive():
            self.thread.join()
        return self.keep(last)
