"""Keeps the training set within its limit where nothing is retrained, now and then, while the daemon runs.

A retraining trims the set when it begins; a home may have no schedule, though, or one that finds nothing due.
To choose what goes takes a second with 36,000 sounds of 300 kinds, twelve were all of them different, and disks
may be slow: so it happens in a thread, and in bites, between which the daemon can add sounds and a retraining can
begin.
"""

import threading
import time

from loguru import logger

from fxd.config import Settings
from fxd.store.errors import StoreError
from fxd.store.records import Example
from fxd.store.store import Store
from fxd.training.dataset import remove, surplus, tell_of
from fxd.training.lock import training_kept_away, who_trains

FIRST_SECONDS = 300.0
"""After the start, when workers compile and files wait."""
LOOK_SECONDS = 300.0
AFTER_TROUBLE_SECONDS = 3600.0
TOO_LARGE_SECONDS = 86_400.0
"""Where the set stays too large: all that is left judges models, or belongs to another home."""
TOLERANCE = 1.02
"""How many times its limit the set may have before it is trimmed: not for every sound that comes in."""
AT_ONCE = 50
PAUSE_SECONDS = 0.2
"""Longer than it takes somebody who waits for a lock to look again."""


class Trimmer:
    """Trims the training set of one home."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.next_look = time.monotonic() + FIRST_SECONDS
        self.thread: threading.Thread | None = None
        self.ending = threading.Event()

    def tend(self, store: Store) -> None:
        """Look at the set where it is time, without waiting for what comes of it."""
        if time.monotonic() < self.next_look or (self.thread is not None and self.thread.is_alive()):
            return
        self.next_look = time.monotonic() + LOOK_SECONDS
        self.thread = threading.Thread(target=self.look, args=(store,), daemon=True)
        self.thread.start()

    def look(self, store: Store) -> None:
        """Trim the set if it is too large. Whatever goes wrong, the daemon goes on."""
        try:
            if not self.is_too_large(store) or who_trains(self.settings.paths.db) is not None:
                return
            if self.trim(store) and self.is_too_large(store):
                self.next_look = time.monotonic() + TOO_LARGE_SECONDS
        except (OSError, StoreError) as error:
            self.next_look = time.monotonic() + AFTER_TROUBLE_SECONDS
            limit = self.settings.training.max_dataset_gb
            logger.warning(
                "the training set is not trimmed to [training] max_dataset_gb = {:g} yet: {}", limit, error
            )

    def is_too_large(self, store: Store) -> bool:
        return store.dataset_bytes() > TOLERANCE * self.settings.training.max_dataset_gb * 1e9

    def trim(self, store: Store) -> bool:
        """Remove what the set has too much of; false where it did not come to its end."""
        dataset, max_gb = self.settings.dataset, self.settings.training.max_dataset_gb
        left = surplus(store, dataset, max_gb)
        removed: list[Example] = []
        try:
            while left:
                some, left = left[:AT_ONCE], left[AT_ONCE:]
                with training_kept_away(self.settings.paths.db) as is_free:
                    if self.ending.is_set() or not is_free:
                        return False
                    remove(store, dataset, some)
                removed += some
                self.ending.wait(PAUSE_SECONDS)
        finally:
            tell_of(removed, max_gb)
        return True

    def stop(self) -> None:
        """Ask it to end; what is left is trimmed after the next start."""
        self.ending.set()

    def wait(self, deadline: float) -> None:
        """Wait until it has let go of the store, or until `deadline` (monotonic seconds)."""
        if self.thread is not None:
            self.thread.join(max(0.1, deadline - time.monotonic()))
