"""What the page and the metrics read: one home, its database opened once it can be."""

from threading import Lock

from fxd.config import Settings
from fxd.instance import Instance, Status
from fxd.store.store import Store, open_store


class Source:
    """A home to read from; several threads may."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.instance = Instance(settings.paths.db)
        self.lock = Lock()
        self.opened: Store | None = None

    def store(self) -> Store:
        """The database. Raises StoreError or OSError where it cannot be opened now: ask again later."""
        with self.lock:
            if self.opened is None:
                self.opened = open_store(self.settings.database_url)
            return self.opened

    def status(self) -> Status | None:
        """What the daemon does; None where none runs."""
        return self.instance.glance()

    def close(self) -> None:
        if self.opened is not None:
            self.opened.close()
