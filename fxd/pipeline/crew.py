"""Who works at what: the slots of one daemon, and the attempts that each of them has before it.

A worker is given its next files before it is done with one, so that small files do not wait for their daemon.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from fxd.pipeline.claim import Claim
from fxd.pipeline.finished import Finished
from fxd.pipeline.job import Ending, Job
from fxd.pipeline.workers import Slot, Task

AHEAD_FILES = 8
AHEAD_BYTES = 2_000_000
"""A worker is given files ahead while it has fewer than these. More would only wait where another could work."""


@dataclass
class Work:
    """An attempt and, once it ended, how."""

    claim: Claim
    task: Task
    has_begun: bool = False
    ended: float = 0.0
    """Monotonic seconds."""
    ending: Ending | None = None
    finished: Finished | None = None
    """On its way out, once it ended well."""


class Crew:
    """The slots, each with its attempts in the order in which it was given them."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.busy: dict[Slot, deque[Work]] = {slot: deque() for slot in slots}

    @property
    def working(self) -> int:
        """How many attempts they have."""
        return sum(map(len, self.busy.values()))

    def under_way(self) -> Iterator[tuple[Slot, Work]]:
        """What each worker is at."""
        for slot, works in self.busy.items():
            if works:
                yield slot, works[0]

    def given_ahead(self) -> Iterator[Claim]:
        """What workers have before them beyond that."""
        for works in self.busy.values():
            yield from (work.claim for work in islice(works, 1, None))

    def ended(self) -> list[Work]:
        """What has ended since, each with how. Never raises for the machine's trouble."""
        found = []
        for slot, works in self.busy.items():
            slot.enforce()
            while (ending := slot.listen()) is not None:
                work = works.popleft()
                note_start(work)
                work.ending, work.ended = ending, time.monotonic()
                found.append(work)
            if works:
                note_start(works[0])
        return found

    def next_slot(self) -> Slot | None:
        """The slot that may be given one more attempt and has least before it; None where all have enough."""
        return min(filter(self.has_room, self.busy), key=self.load, default=None)

    def has_room(self, slot: Slot) -> bool:
        return slot.is_able and len(self.busy[slot]) < AHEAD_FILES and self.load(slot) < AHEAD_BYTES

    def load(self, slot: Slot) -> int:
        """Bytes that a worker has before it."""
        return sum(work.claim.signature[0] for work in self.busy[slot])

    def give(self, slot: Slot, claim: Claim, job: Job) -> None:
        """Give a slot one more attempt."""
        self.busy[slot].append(Work(claim, slot.submit(job)))

    def dismiss(self) -> list[Work]:
        """End all workers; returns what they were at."""
        works = [work for given in self.busy.values() for work in given]
        for slot, given in self.busy.items():
            slot.close()
            given.clear()
        return works


def note_start(work: Work) -> None:
    """Note in the journal, once, that the worker has begun."""
    if work.task.began_at is not None and not work.has_begun:
        # Where the journal cannot be written, the publishing that follows meets the same trouble and tells it.
        with suppress(OSError):
            work.claim.note("started", f"model {work.task.job.model.parent.name}", work.task.began_at)
            work.has_begun = True
