"""From the inbox through the slots to an end: published, quarantined, tried again or given back."""

import errno
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath

from loguru import logger

from fxd.pipeline.archive import LateWrites
from fxd.pipeline.claims import Claim, Claims
from fxd.pipeline.files import display
from fxd.pipeline.inbox import Inbox
from fxd.pipeline.process import Job
from fxd.pipeline.publish import Publisher, Unfinished
from fxd.pipeline.workers import Death, Done, Ending, Fault, Slot, Trouble
from fxd.store.records import Result, Run

DEATHS_ALLOWED = 2
CUT_OFF_PATIENCE = 10.0
"""A file that is cut off is looked at again after this many settle times: its writer may go on."""


@dataclass
class Work:
    """An attempt and, once it ended, how."""

    claim: Claim
    attempt: Path
    ending: Ending | None = None


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
        self.slots = slots
        self.make_job = make_job
        self.busy: dict[Slot, Work] = {}
        self.waiting: deque[Claim] = deque()
        self.ended: deque[Work] = deque()
        self.cut_off: dict[PurePath, tuple[int, int]] = {}
        self.done = self.failed = self.settled = 0

    def recover(self) -> None:
        """Complete what a daemon that died had begun."""
        self.publisher.remove_strays()
        for claim in self.claims.recover():
            run = self.publisher.store.run(claim.id)
            if run is not None:
                self.publisher.archive(claim, run)
                logger.info("{}: was recorded before a crash; archived", claim.file)
            else:
                claim.note("recovered", "the daemon that had claimed it died")
                logger.info("{}: recovered from a daemon that died", claim.file)
                self.waiting.append(claim)

    @property
    def is_idle(self) -> bool:
        return not (self.is_at_work or self.inbox.candidates)

    @property
    def is_at_work(self) -> bool:
        return bool(self.busy or self.waiting or self.ended)

    @property
    def queue_length(self) -> int:
        return len(self.waiting) + len(self.inbox.candidates)

    def listen(self) -> None:
        """Hear what the workers say; never raises for the machine's trouble."""
        for slot in self.slots:
            slot.enforce()
            ending = slot.listen()
            if ending is not None:
                work = self.busy.pop(slot)
                work.ending = ending
                self.ended.append(work)

    def assign(self) -> None:
        """Give every free slot a file: what waits first, then what is complete in the inbox."""
        for slot in self.slots:
            if slot.is_free:
                claim = self.waiting.popleft() if self.waiting else self.claim_next()
                if claim is None:
                    return
                try:
                    self.begin(slot, claim)
                except BaseException:
                    self.waiting.appendleft(claim)
                    raise

    def claim_next(self) -> Claim | None:
        while (candidate := self.inbox.next_complete()) is not None:
            self.inbox.forget(candidate.path)
            try:
                claim = self.claims.take(candidate)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                self.inbox.leave_alone(candidate.path)
                logger.error("{}: left alone: it lies on another file system than the inbox", candidate.path)
                continue
            if claim is not None:
                return claim
        return None

    def begin(self, slot: Slot, claim: Claim) -> None:
        attempt = self.publisher.attempt_folder(claim)
        job = self.make_job(claim.source, attempt)
        claim.note("started", f"model {job.model.parent.name}")
        slot.submit(job)
        self.busy[slot] = Work(claim, attempt)

    def settle(self) -> None:
        """Do what the endings ask for, in their order."""
        while self.ended:
            self.settle_one(self.ended[0])
            self.ended.popleft()
            self.settled += 1

    def settle_one(self, work: Work) -> None:
        claim = work.claim
        match work.ending:
            case _ if claim.is_gone():
                self.lose(claim)
            case _ if claim.changed():
                self.writer_went_on(claim)
            case Done():
                self.publish(work, work.ending)
            case Fault(reason, cut_off):
                self.refuse(claim, reason, cut_off)
            case Death(reason):
                self.retry(claim, reason)
            case Trouble(reason):
                self.waiting.append(claim)
                self.ended.popleft()
                raise OSError(reason)

    def lose(self, claim: Claim) -> None:
        """Let go of a file that is not there any more."""
        if claim.folder.is_dir():
            self.publisher.record_failure(claim, "it was removed from the inbox while it was processed")
            claim.remove()
            self.failed += 1
            logger.error("{}: it was removed while it was processed", claim.file)
        else:
            # The whole inbox went away. If it was a share and comes back, the next start recovers the claim.
            self.publisher.remove_attempts(claim.id)
            logger.error("{}: its inbox is gone; it is processed at the next start if it returns", claim.file)

    def publish(self, work: Work, ending: Done) -> None:
        claim = work.claim
        if claim.steps[-1].name == "started":
            claim.note("processed")
        try:
            run, final = self.publisher.publish(claim, work.attempt, ending.outcome)
        except (Unfinished, FileNotFoundError):
            # What the worker wrote is not there any more (a full disk, a share that came and went): once more.
            self.waiting.append(claim)
            self.ended.popleft()
            raise
        self.done += 1
        self.remember(final, claim)
        logger.info("{}", summary(run))

    def quarantine(self, claim: Claim, reason: str) -> None:
        final = self.publisher.fail(claim, reason)
        self.failed += 1
        self.remember(final, claim)
        logger.error("{}: {}; it lies in inbox/failed", claim.file, reason)

    def remember(self, final: Path | None, claim: Claim) -> None:
        if final is not None:
            self.late_writes.watch(final, claim)
        self.cut_off.pop(claim.relative, None)

    def refuse(self, claim: Claim, reason: str, cut_off: bool) -> None:
        """Quarantine a file, unless it is cut off and its writer may go on."""
        # Without the inode: where there are no hard links, what is given back is a copy.
        if cut_off and self.cut_off.get(claim.relative) != claim.signature[:2]:
            self.cut_off[claim.relative] = claim.signature[:2]
            patience = CUT_OFF_PATIENCE * self.inbox.settings.settle_seconds
            self.give_back(claim, patience)
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
        claims = [*self.waiting, *(work.claim for work in (*self.busy.values(), *self.ended))]
        for slot in self.slots:
            slot.close()
        for claim in claims:
            if claim.is_gone() or self.publisher.has_chosen_names(claim):
                continue  # it may be half published: the next start completes it, under the same names
            self.publisher.remove_attempts(claim.id)
            final = self.claims.give_back(claim)
            logger.info("{}: given back", display(final.relative_to(self.inbox.root)))
        self.waiting.clear()
        self.ended.clear()
        self.busy.clear()


def summary(run: Run) -> str:
    """One line about a run that went well."""
    speeds = ", ".join(f"{one.engine} {speed(one, run):.0f}x" for one in run.results)
    quality = next((one.quality for one in run.results if one.quality is not None), None)
    esr = f", ESR {quality.esr_db:.1f} dB" if quality is not None and quality.esr == quality.esr else ""
    return f"{run.file}: {run.seconds:.1f} s, {speeds}{esr}"


def speed(result: Result, run: Run) -> float:
    return run.seconds / result.engine_seconds if result.engine_seconds else float("inf")
