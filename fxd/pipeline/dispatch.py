"""From the inbox through the slots to an end: published, quarantined, tried again or given back.

Small files come in their thousands, so nothing here waits for one of them: a worker has its next files before it
is done with one, and what the workers have done is published in groups, for which every sync and transaction is
paid once (`fxd.pipeline.publish`).
"""

import shutil
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path, PurePath

from loguru import logger

from fxd.pipeline.archive import LateWrites
from fxd.pipeline.claim import Claim
from fxd.pipeline.claims import Claims, Unclaimable
from fxd.pipeline.crew import Crew, Work
from fxd.pipeline.files import display
from fxd.pipeline.finished import Finished, Unfinished, Unplaceable
from fxd.pipeline.inbox import Inbox
from fxd.pipeline.job import Death, Done, Fault, Job, Trouble
from fxd.pipeline.leftovers import put_aside
from fxd.pipeline.publish import Publisher
from fxd.pipeline.story import summary
from fxd.pipeline.workers import Slot
from fxd.store.errors import StoreUnavailable
from fxd.store.records import Run

DEATHS_ALLOWED = 2
CUT_OFF_PATIENCE = 10.0
"""A file that is cut off is looked at again after this many settle times: its writer may go on."""

GATHER_SECONDS = 0.2
GROUP_FILES = 64
"""What has ended waits this long for company, or until so many have come, while others are still at work."""


class Dispatcher:
    """The files under way in one daemon.

    Whatever it raises (OSError, StoreUnavailable) is the machine's trouble and no file's: everything stays
    where it is, and the same call continues later.
    """

    def __init__(
        self,
        inbox: Inbox,
        late_writes: LateWrites,
        claims: Claims,
        publisher: Publisher,
        slots: list[Slot],
        make_job: Callable[[Path, Path], Job],
    ) -> None:
        self.inbox = inbox
        self.late_writes = late_writes
        self.claims = claims
        self.publisher = publisher
        self.crew = Crew(slots)
        self.make_job = make_job
        self.waiting: deque[Claim] = deque()
        self.ended: list[Work] = []
        self.recorded: list[tuple[Claim, Run]] = []
        """What only has to be archived."""
        self.cut_off: dict[PurePath, tuple[int, int]] = {}
        self.done = self.failed = self.settled = 0

    def recover(self) -> None:
        """Complete what a daemon that died had begun."""
        for claim in self.claims.recover():
            self.take_up(claim, "the daemon that had claimed it died")
        with suppress(OSError, StoreUnavailable):  # the main loop meets it again, pauses and tells it
            self.archive()
            self.publisher.remove_strays({claim.id for claim in self.waiting})

    def recover_lost(self) -> None:
        """Go on with what went away with the inbox, as a share does, if it is back."""
        works = (work for works in self.crew.busy.values() for work in works)
        claims = [*self.waiting, *(work.claim for work in (*works, *self.ended))]
        known = {claim.id for claim in (*claims, *(claim for claim, _ in self.recorded))}
        for claim in self.claims.lost(known):
            self.take_up(claim, "its inbox was away")

    def take_up(self, claim: Claim, why: str) -> None:
        run = self.publisher.store.run(claim.id)
        if run is not None:
            logger.info("{}: was recorded, and is archived now", claim.file)
            self.recorded.append((claim, run))
        else:
            with suppress(OSError):  # a line of its story is no reason not to begin
                claim.note("recovered", why)
            logger.info("{}: recovered: {}", claim.file, why)
            self.waiting.append(claim)

    @property
    def is_idle(self) -> bool:
        return not (self.is_at_work or self.inbox.candidates)

    @property
    def is_at_work(self) -> bool:
        return bool(self.crew.working or self.waiting or self.ended or self.recorded)

    @property
    def queue_length(self) -> int:
        ahead = sum(1 for _ in self.crew.given_ahead())
        return ahead + len(self.waiting) + len(self.inbox.candidates)

    def queue(self, most: int) -> list[str]:
        """The files that wait, about in the order in which their turn comes: the first `most` of them."""
        claimed = (claim.file for claim in chain(self.crew.given_ahead(), self.waiting))
        seen = (display(path.relative_to(self.inbox.root)) for path in self.inbox.candidates)
        return list(islice(chain(claimed, seen), most))

    def listen(self) -> None:
        """Hear what the workers say; never raises for the machine's trouble."""
        self.ended += self.crew.ended()

    def assign(self) -> None:
        """Give the workers files, the idle first: what waits first, then what is complete in the inbox."""
        while (slot := self.crew.next_slot()) is not None:
            claim = self.waiting.popleft() if self.waiting else self.claim_next()
            if claim is None:
                return
            try:
                job = self.make_job(claim.source, self.publisher.attempt_folder(claim))
                self.crew.give(slot, claim, job)
            except BaseException:
                self.waiting.appendleft(claim)
                raise

    def claim_next(self) -> Claim | None:
        while (candidate := self.inbox.next_complete()) is not None:
            try:
                claim = self.claims.take(candidate)
            except Unclaimable as error:
                self.inbox.leave_alone(candidate.path, str(error))
                continue
            self.inbox.forget(candidate.path)
            if claim is not None:
                return claim
        return None

    def settle(self, at_once: bool = False) -> None:
        """Do what the endings ask for. What has ended waits for company, unless it is to be `at_once`."""
        self.archive()  # what an earlier trouble left
        if not (at_once or self.is_due()):
            return
        whole = []
        troubles = []
        for work in list(self.ended):
            if isinstance(work.ending, Done) and (is_on_its_way_out(work) or not work.claim.changed()):
                whole.append(work)
                continue
            was_removed = work.claim.is_gone() and work.claim.folder.is_dir()
            if isinstance(work.ending, Trouble) and not was_removed:
                troubles.append(work.ending.reason)
            self.clear(work)
            self.judge(work)
            self.count(work)
        self.publish(whole)
        self.archive()
        if troubles:
            raise OSError(troubles[0])

    def clear(self, work: Work) -> None:
        """Remove what an attempt wrote that came to nothing, unless `[retention] attempts` keeps it."""
        attempt, keep = work.task.job.attempt, self.publisher.settings.retention.attempts
        if not isinstance(work.ending, Done):
            # Nobody has to wait because a leftover cannot be kept. Where the machine is in trouble, none is.
            with suppress(OSError):
                put_aside(attempt, 0 if isinstance(work.ending, Trouble) else keep)
        # What half an attempt wrote would keep a full disk full, so that not even those in `whole` came out.
        shutil.rmtree(attempt, ignore_errors=True)

    def is_due(self) -> bool:
        if not self.ended:
            return False
        waited = time.monotonic() - self.ended[0].ended
        return not self.crew.working or waited >= GATHER_SECONDS or len(self.ended) >= GROUP_FILES

    def count(self, work: Work) -> None:
        self.ended.remove(work)
        self.settled += 1

    def judge(self, work: Work) -> None:
        """Do what the end of one attempt asks for that brought nothing to publish."""
        claim = work.claim
        match work.ending:
            case _ if claim.is_gone():
                self.lose(claim)
            case _ if claim.changed():
                self.writer_went_on(claim)
            case Fault(reason, cut_off):
                self.refuse(claim, reason, cut_off)
            case Death(reason):
                self.retry(claim, reason)
            case Trouble():
                self.waiting.append(claim)

    def lose(self, claim: Claim) -> None:
        """Let go of a file that is not there any more."""
        if claim.folder.is_dir():
            self.publisher.record_failure(claim, "it was removed from the inbox while it was processed")
            claim.remove()
            self.failed += 1
            logger.error("{}: it was removed while it was processed", claim.file)
        else:
            # The whole inbox went away. It may be a share that comes back, and outputs may be visible already.
            if not self.publisher.has_chosen_names(claim):
                self.publisher.remove_attempts(claim.id)
            logger.error("{}: its inbox is gone; it is processed if that returns", claim.file)

    def publish(self, whole: Sequence[Work]) -> None:
        """Publish and record attempts that ended well; they are archived together with what failed."""
        for work in whole:
            if work.claim.steps[-1].name == "started":
                work.claim.note("processed")
            assert isinstance(work.ending, Done)
            # Kept with the work: where something below fails, the next try goes on with it.
            work.finished = work.finished or Finished(work.claim, work.task.job.attempt, work.ending.outcome)
        lost = self.release(whole)
        for work in whole:
            if work.finished is not None and work.finished.run is not None:
                self.recorded.append((work.claim, work.finished.run))
                self.count(work)
        if lost is not None:
            raise lost

    def release(self, whole: Sequence[Work]) -> Unfinished | None:
        """Make the outputs appear, but of those that the disk lost: these attempts are made once more.

        Returns the last such loss. All are found at once, as a pause follows: after a share came and went, each
        of a group would cost one of its own.
        """
        lost = None
        rest = list(whole)
        while True:
            try:
                self.publisher.release([work.finished for work in rest if work.finished is not None])
            except Unfinished as error:
                lost = error
                (work,) = (work for work in rest if work.finished is error.finished)
                rest.remove(work)
                self.ended.remove(work)
                self.waiting.append(work.claim)
            except Unplaceable as error:
                (work,) = (work for work in rest if work.finished is error.finished)
                rest.remove(work)
                self.quarantine(work.claim, str(error))
                self.count(work)
            else:
                return lost

    def quarantine(self, claim: Claim, reason: str) -> None:
        self.recorded.append((claim, self.publisher.record_failure(claim, reason)))

    def archive(self) -> None:
        """Move the originals of all recorded runs to where they stay, and tell of them."""
        if self.recorded:
            self.publisher.archive(self.recorded)
        for claim, run in self.recorded:
            if claim.final is not None:
                self.late_writes.watch(claim.final, claim)
            self.cut_off.pop(claim.relative, None)
            if run.state == "done":
                self.done += 1
                logger.info("{}", summary(run))
            else:
                self.failed += 1
                logger.error("{}: {}; it lies in inbox/failed", claim.file, run.reason)
        self.recorded.clear()

    def refuse(self, claim: Claim, reason: str, cut_off: bool) -> None:
        """Quarantine a file, unless it is cut off and its writer may go on."""
        # Without the inode: where there are no hard links, what is given back is a copy.
        if cut_off and self.cut_off.get(claim.relative) != claim.signature[:2]:
            patience = CUT_OFF_PATIENCE * self.inbox.settings.settle_seconds
            self.give_back(claim, patience)
            self.cut_off[claim.relative] = claim.signature[:2]
            logger.warning("{}: {}; waiting {:.0f} s for the rest", claim.file, reason, patience)
        else:
            self.quarantine(claim, reason)

    def retry(self, claim: Claim, reason: str) -> None:
        claim.note("died", reason)
        if claim.deaths() < DEATHS_ALLOWED:
            logger.warning("{}: {}; tried once more", claim.file, reason)
            self.waiting.append(claim)
        else:
            self.quarantine(claim, f"{reason} ({claim.deaths()} attempts)")

    def writer_went_on(self, claim: Claim) -> None:
        self.give_back(claim, 0.0)
        logger.warning("{}: it changed while it was processed; waiting until it is complete", claim.file)

    def give_back(self, claim: Claim, hold_seconds: float) -> None:
        """Put a file back into the inbox, to be taken when it is complete, or after `hold_seconds`."""
        self.publisher.remove_attempts(claim.id)
        self.inbox.notice(self.claims.give_back(claim), hold_seconds)

    def give_all_back(self) -> None:
        """End what is under way, and leave the inbox as if it had never begun."""
        works = [*self.ended, *self.crew.dismiss()]
        claims = [*self.waiting, *(work.claim for work in works)]
        for claim in claims:
            if claim.is_gone() or self.publisher.has_chosen_names(claim):
                continue  # it may be half published: the next start completes it, under the same names
            self.publisher.remove_attempts(claim.id)
            final = self.claims.give_back(claim)
            logger.info("{}: given back", display(final.relative_to(self.inbox.root)))
        self.waiting.clear()
        self.ended.clear()


def is_on_its_way_out(work: Work) -> bool:
    """Whether outputs of it may be visible: then they are recorded, and what changed since is late writing."""
    return work.finished is not None and bool(work.finished.names)
