"""How many runs of what kind a home has had, counted once: of a million, only the latest are counted again."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from threading import Lock

from fxd.insight.reasons import class_of
from fxd.store.store import Store
from fxd.store.tallies import Tally

SETTLED = timedelta(hours=1)
"""A run is recorded a moment after it finished, or later where the database was away. After this, hardly ever."""
RUNS_AT_A_TIME = 20_000
"""A tenth of a second, in which nobody writes where SQLite has no write-ahead log."""


class Ledger:
    """What was counted so far; several threads may ask.

    settled       counted once, part by part, and kept            [first run, until)
    the others    counted anew each time                          [until, now)
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.start_over()

    def start_over(self) -> None:
        self.settled = Tally()
        self.until: datetime | None = None

    def read(self, store: Store) -> Tally:
        """All runs. What was counted before an error is kept."""
        with self.lock:
            total, count = self.count(store)
            if total.states.total() != count:
                # One was recorded late, or the database is another one.
                self.start_over()
                total, _ = self.count(store)
            return total

    def count(self, store: Store) -> tuple[Tally, int]:
        """All runs, and how many the database says there are."""
        before = datetime.now(UTC) - SETTLED
        until = self.until
        while until is None or until < before:
            part, until = store.tally(until, before, RUNS_AT_A_TIME)
            self.settled.add(classed(part))
            self.until = until
        latest, count = store.tally_since(until)
        total = classed(latest)
        total.add(self.settled)
        return total, count


def classed(tally: Tally) -> Tally:
    """With the classes of the reasons in their place: the texts of a million failures are not kept."""
    classes = Counter[str]()
    for reason, count in tally.reasons.items():
        classes[class_of(reason)] += count
    tally.reasons = classes
    return tally
