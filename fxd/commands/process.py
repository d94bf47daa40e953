"""`fxd process`: the daemon's processing, here and now."""

import json
import signal
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from fxd.config import ConfigError, Settings
from fxd.environment import describe_environment
from fxd.factory import install_factory_model
from fxd.insight.stats import run_json
from fxd.log import warn_only
from fxd.pipeline.claim import Claim
from fxd.pipeline.dispatch import DEATHS_ALLOWED
from fxd.pipeline.files import display
from fxd.pipeline.finished import Finished, Unplaceable
from fxd.pipeline.follower import has_spare_core
from fxd.pipeline.job import Death, Done, Ending, Fault, Job, Trouble
from fxd.pipeline.loose import loose_claims
from fxd.pipeline.publish import ATTEMPTS, Publisher
from fxd.pipeline.story import summary
from fxd.pipeline.workers import CompilingNotice, Limits, Slot, wait_for_news
from fxd.places import lies_in
from fxd.store.records import Run
from fxd.store.store import open_store
from fxd.training.models import weights_path

TICK_SECONDS = 0.1


def process(settings: Settings, files: Sequence[Path], output: Path | None, as_json: bool) -> int:
    """Process `files` into `output` or the outbox, and record the runs; 1 where one of them failed.

    Raises ConfigError where `output` lies in the inbox.
    """
    warn_only()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # cleans up, as Ctrl-C does
    outbox = (output or settings.paths.outbox).absolute()
    if lies_in(outbox, settings.paths.inbox):
        raise ConfigError(
            f"-o {display(outbox)} lies in the inbox, so that a daemon would process the results; "
            "choose another folder"
        )
    claims = loose_claims(settings, files, outbox)
    with ExitStack() as stack:
        store = stack.enter_context(open_store(settings.database_url))
        install_factory_model(settings, store)
        champion = store.champion()
        assert champion is not None
        weights = weights_path(settings.paths.models, champion.id)
        publisher = Publisher(settings, store, describe_environment(threads=1), outbox)
        limits = Limits(settings.processing.timeout_factor, settings.processing.memory_limit_mb)
        bar = stack.enter_context(Progress(console=Console(stderr=True), transient=True))
        slots: list[Slot] = []
        batch = Batch(settings, publisher, weights, slots, bar)
        stack.callback(batch.clean_up)
        for _ in range(min(settings.worker_count, len(claims))):
            slot = Slot(limits, settings.saturator, weights)
            stack.callback(slot.close)
            slots.append(slot)
        runs = batch.run(claims)
    with suppress(OSError):  # others are at work there
        (outbox / ATTEMPTS).rmdir()
    for run in runs:
        report(run, outbox, as_json)
    return 1 if any(run.state == "failed" for run in runs) else 0


class Batch:
    """A list of files on its way through the slots."""

    def __init__(
        self, settings: Settings, publisher: Publisher, weights: Path, slots: list[Slot], bar: Progress
    ) -> None:
        self.settings = settings
        self.publisher = publisher
        self.weights = weights
        self.slots = slots
        self.bar = bar
        self.busy: dict[Slot, tuple[Claim, Path, TaskID]] = {}
        self.waiting: deque[Claim] = deque()
        self.runs: list[Run] = []

    def run(self, claims: Sequence[Claim]) -> list[Run]:
        """Process them all. Raises OSError where the machine is in trouble."""
        self.waiting.extend(claims)
        compiling = CompilingNotice(self.slots, self.bar.console.print)
        while self.waiting or self.busy:
            for slot in self.slots:
                self.tend(slot)
            compiling.check()
            wait_for_news(self.slots, TICK_SECONDS)
        return self.runs

    def clean_up(self) -> None:
        """Remove what an interrupted batch was at; its workers must have ended."""
        for claim in (*self.waiting, *(claim for claim, _, _ in self.busy.values())):
            self.publisher.withdraw(claim.id)

    def tend(self, slot: Slot) -> None:
        slot.enforce()
        ending = slot.listen()
        if slot in self.busy:
            self.bar.update(self.busy[slot][2], completed=slot.done_seconds)
        if ending is not None:
            claim, attempt, task = self.busy[slot]
            self.bar.remove_task(task)
            self.end(claim, attempt, ending)
            del self.busy[slot]  # not before: what fails on its way out is cleaned up, too
        if slot.is_free and self.waiting:
            self.begin(slot, self.waiting.popleft())

    def begin(self, slot: Slot, claim: Claim) -> None:
        attempt = self.publisher.attempt_folder(claim)
        claim.note("started", f"model {self.weights.parent.name}")
        subtype = self.settings.output.subtype
        spare = has_spare_core(len(self.slots))
        slot.submit(Job(claim.source, attempt, self.settings.saturator, self.weights, subtype, spare))
        self.busy[slot] = (claim, attempt, self.bar.add_task(escape(claim.file), total=None))

    def end(self, claim: Claim, attempt: Path, ending: Ending) -> None:
        match ending:
            case Done() if claim.changed():
                reason = "it changed while it was processed; process it again once it is complete"
                self.runs.append(self.publisher.record_failure(claim, reason))
            case Done(outcome):
                claim.note("processed")
                self.publish(Finished(claim, attempt, outcome))
            case Fault(reason):
                self.runs.append(self.publisher.record_failure(claim, reason))
            case Death(reason):
                claim.note("died", reason)
                if claim.deaths() < DEATHS_ALLOWED:
                    self.waiting.append(claim)
                else:
                    self.runs.append(self.publisher.record_failure(claim, reason))
            case Trouble() if claim.is_gone():
                self.runs.append(
                    self.publisher.record_failure(claim, "somebody moved or removed it meanwhile")
                )
            case Trouble(reason):
                raise OSError(reason)

    def publish(self, finished: Finished) -> None:
        try:
            self.publisher.release([finished])
        except Unplaceable as error:
            self.runs.append(self.publisher.record_failure(finished.claim, str(error)))
            return
        assert finished.run is not None
        self.runs.append(finished.run)
        self.publisher.remove_attempts(finished.claim.id)


def report(run: Run, outbox: Path, as_json: bool) -> None:
    if as_json:
        print(json.dumps(run_json(run), allow_nan=False))
    elif run.state == "failed":
        print(f"fxd: {run.file}: {run.reason}", file=sys.stderr)
    else:
        print(summary(run))
        for result in run.results:
            print(f"  {display(outbox / result.output)}")
