"""The daemon's life: start-up, main loop, shutdown."""

import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from loguru import logger

from fxd.config import Settings, settings_mark
from fxd.environment import describe_environment
from fxd.factory import install_factory_model
from fxd.insight.hints import model_hint
from fxd.instance import Instance, Status
from fxd.observer import Observer
from fxd.pipeline.archive import LATE_SECONDS, LateWrites
from fxd.pipeline.claims import Claims
from fxd.pipeline.dispatch import CUT_OFF_PATIENCE, Dispatcher
from fxd.pipeline.files import display, make_folder
from fxd.pipeline.follower import has_spare_core
from fxd.pipeline.inbox import OPEN_PATIENCE_SECONDS, Inbox
from fxd.pipeline.job import Job
from fxd.pipeline.publish import Publisher
from fxd.pipeline.retention import Retention
from fxd.pipeline.watch import Lookout
from fxd.pipeline.workers import GETTING_READY, CompilingNotice, Limits, Slot, wait_for_news
from fxd.privacy import open_to_others
from fxd.retrainer import Retrainer
from fxd.screen import Screen
from fxd.store.errors import StoreUnavailable
from fxd.store.store import open_store
from fxd.training.models import weights_path
from fxd.trimmer import Trimmer

TICK_SECONDS = 0.1
STATUS_SECONDS = 0.5
QUEUE_SHOWN = 20
MODEL_SECONDS = 0.5
"""A model that was promoted serves the files that workers are given this much later."""
SHUTDOWN_SECONDS = 8.0
REASONS_KEPT = 8
RETRY_SECONDS = (2.0, 5.0, 15.0, 30.0)

ATTEMPTS_ONCE = 3
"""With `--once` there is nobody to wait for: trouble that outlasts this many attempts ends it."""

EXIT_DONE, EXIT_FAILED, EXIT_QUARANTINED, EXIT_INTERRUPTED = 0, 1, 3, 130


class Interrupted(BaseException):
    """A second Ctrl-C or SIGTERM: end at once. What is under way is recovered at the next start."""


class Daemon:
    """One home's daemon. `run` is its whole life."""

    def __init__(self, settings: Settings, home: Path, once: bool, screen: Screen) -> None:
        self.settings = settings
        self.home = home
        self.once = once
        self.screen = screen
        self.instance = Instance(settings.paths.db)
        self.inbox = Inbox(settings.paths.inbox, settings.inbox)
        late_writes = LateWrites()
        self.lookout = Lookout(self.inbox, late_writes)
        self.late_writes = late_writes
        self.retrainer = Retrainer(settings, home)
        self.trimmer = Trimmer(settings)
        self.observer = Observer(home)
        self.slots: list[Slot] = []
        self.closing = ExitStack()
        self.stop_requests = 0
        self.gave_up = False
        self.model = ""
        self.model_known_until = 0.0
        self.paused_because = ""
        self.told: deque[str] = deque(maxlen=REASONS_KEPT)
        """Why it was paused since it last went on: with its disk gone, reasons alternate ten times a second."""
        self.pauses = self.settled_before = 0
        self.resume_at = self.next_status = 0.0
        self.only_waits_since = time.monotonic()
        self.started_at = datetime.now(UTC)

    def run(self) -> int:
        """Start up, work until told to end (or, with `once`, until the inbox is empty), shut down.

        Returns the exit code. Raises AlreadyRunning, StoreError or OSError where it cannot start.
        """
        try:
            with self.signals(), self.instance, self.closing:
                host, since = socket.gethostname(), self.started_at.isoformat(timespec="seconds")
                self.instance.write(Status(os.getpid(), host, since, "starting"))
                self.start_up()
                self.main_loop()
                self.shut_down()
        except Interrupted:
            return EXIT_INTERRUPTED
        return self.exit_code()

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Handlers that only set a flag, installed before anything starts and restored at the end."""

        def request_stop(_number: int, _frame: FrameType | None) -> None:
            self.stop_requests += 1
            if self.stop_requests > 1:
                raise Interrupted

        previous = {number: signal.signal(number, request_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def start_up(self) -> None:
        paths = self.settings.paths
        for folder in (paths.inbox, paths.outbox, paths.models, self.settings.dataset):
            make_folder(folder)
        self.store = self.closing.enter_context(open_store(self.settings.database_url))
        self.retention = Retention(self.settings, self.store)
        install_factory_model(self.settings, self.store)
        self.model = self.model_id()
        self.hire_workers()
        self.dispatcher = Dispatcher(
            self.inbox,
            self.late_writes,
            Claims(paths.inbox),
            Publisher(self.settings, self.store, describe_environment(threads=1), paths.outbox),
            self.slots,
            self.job,
        )
        self.dispatcher.recover()
        lately = datetime.now(UTC) - timedelta(seconds=LATE_SECONDS)
        self.late_writes.watch_on(paths.inbox, self.store.runs_since(lately))
        self.closing.callback(self.lookout.stop)
        self.closing.callback(self.trimmer.stop)
        if not self.once:
            self.closing.callback(self.retrainer.stop)
            self.retrainer.start(self.store)
            self.closing.callback(self.observer.stop)
        if hint := model_hint(self.settings, self.store.champion()):
            logger.warning("{}", hint)
        for note in open_to_others(self.home, self.settings):
            logger.warning("{}", note)
        logger.info(
            "watching {} with {} workers, model {}", display(paths.inbox), len(self.slots), self.model
        )

    def hire_workers(self) -> None:
        limits = Limits(self.settings.processing.timeout_factor, self.settings.processing.memory_limit_mb)
        weights = weights_path(self.settings.paths.models, self.model)
        for _ in range(self.settings.worker_count):
            slot = Slot(limits, self.settings.saturator, weights)
            self.closing.callback(slot.close)
            self.slots.append(slot)

    def job(self, source: Path, attempt: Path) -> Job:
        settings = self.settings
        if time.monotonic() >= self.model_known_until:
            self.model = self.model_id()
            self.model_known_until = time.monotonic() + MODEL_SECONDS
        return Job(
            source,
            attempt,
            settings.saturator,
            weights_path(settings.paths.models, self.model),
            settings.output.subtype,
            has_spare_core(len(self.slots)),
        )

    def model_id(self) -> str:
        champion = self.store.champion()
        if champion is None:
            # Where there was one, another database is in the place of the home's, which may come back.
            raise StoreUnavailable(
                f"{self.store.name}: no model serves; choose one of `fxd models` with `fxd models promote ID`"
            )
        return champion.id

    def main_loop(self) -> None:
        compiling = CompilingNotice(self.slots, logger.info)
        while not (self.stop_requests or self.gave_up or self.is_drained()):
            with self.pausing_on_trouble():
                if self.lookout.look():
                    self.dispatcher.recover_lost()
            self.dispatcher.listen()
            if time.monotonic() >= self.resume_at:
                with self.pausing_on_trouble():
                    self.dispatcher.settle()
                    self.dispatcher.assign()
                    self.retrainer.tend(self.store)
                    self.retention.tend()
                    self.trimmer.tend(self.store)
                    if not self.once:
                        self.observer.tend(self.store, self.dispatcher.done, self.dispatcher.is_idle)
                    self.resume()
            compiling.check()
            self.tell(self.state())
            wait_for_news(self.slots, TICK_SECONDS)

    def state(self) -> str:
        """What it is at, in the main loop."""
        if self.paused_because:
            return "paused"
        return "running" if any(slot.is_ready for slot in self.slots) else "starting"

    def is_drained(self) -> bool:
        if not self.once or self.dispatcher.is_at_work or self.paused_because or not self.lookout.has_scanned:
            self.only_waits_since = time.monotonic()
            return False
        if not self.inbox.candidates:
            return True
        if not any(slot.is_ready for slot in self.slots):  # nobody could have taken them
            self.only_waits_since = time.monotonic()
            return False
        # A file may grow for ever; whoever drains an inbox wants to come to an end.
        patience = OPEN_PATIENCE_SECONDS + 2 * CUT_OFF_PATIENCE * self.settings.inbox.settle_seconds
        if time.monotonic() - self.only_waits_since < patience:
            return False
        for path in self.inbox.candidates:
            logger.warning("{}: left for the next start: its writer does not finish", display(path))
        return True

    @contextmanager
    def pausing_on_trouble(self) -> Iterator[None]:
        """A full disk, a locked database, a lost share are no file's fault: wait, say so, go on."""
        try:
            yield
        except (OSError, StoreUnavailable) as error:
            self.pause(str(error))

    def pause(self, reason: str) -> None:
        delay = RETRY_SECONDS[min(self.pauses, len(RETRY_SECONDS) - 1)]
        if reason not in self.told:
            self.told.append(reason)
            logger.error("paused, nothing is lost: {}; it goes on by itself when that is mended", reason)
            self.next_status = 0.0  # who reads that line and asks `fxd status` is not told of a moment ago
        self.paused_because = reason
        self.pauses += 1
        self.settled_before = self.dispatcher.settled
        self.resume_at = time.monotonic() + delay
        self.gave_up = self.once and self.pauses >= ATTEMPTS_ONCE

    def resume(self) -> None:
        """Believe that the trouble is over once an attempt has come to its end, or none is waiting."""
        if self.paused_because and (
            self.dispatcher.settled > self.settled_before or not self.dispatcher.is_at_work
        ):
            logger.info("going on")
            self.paused_because = ""
            self.told.clear()
            self.pauses = 0

    def tell(self, state: str) -> None:
        """Let `fxd status` and the terminal know what is going on."""
        if time.monotonic() < self.next_status:
            return
        self.next_status = time.monotonic() + STATUS_SECONDS
        status = self.status(state)
        self.screen.show(status)
        try:
            self.instance.write(status)
        except OSError as error:
            self.pause(str(error))

    def status(self, state: str) -> Status:
        now = time.monotonic()
        return Status(
            pid=os.getpid(),
            host=socket.gethostname(),
            started_at=self.started_at.isoformat(timespec="seconds"),
            state=state,
            reason=GETTING_READY if state == "starting" else self.paused_because,
            processing=[
                {
                    "file": work.claim.file,
                    "audio_seconds": slot.done_seconds,
                    "length_seconds": slot.length_seconds,
                    "seconds": now - slot.started,
                }
                for slot, work in self.dispatcher.crew.under_way()
            ],
            waiting=self.dispatcher.queue_length,
            queue=self.dispatcher.queue(QUEUE_SHOWN),
            done=self.dispatcher.done,
            failed=self.dispatcher.failed,
            removed=self.retention.removed,
            model=self.model,
            retraining=self.retrainer.progress,
            next_retraining=self.retrainer.next_at,
            settings=settings_mark(self.settings),
        )

    def shut_down(self) -> None:
        """Finish what can be finished in a few seconds, give back the rest."""
        deadline = time.monotonic() + SHUTDOWN_SECONDS
        self.retrainer.stop()
        self.trimmer.stop()
        if working := self.dispatcher.crew.working:
            logger.info("ending once {} files are finished; Ctrl-C again ends at once", working)
        while self.dispatcher.crew.working and time.monotonic() < deadline:
            self.dispatcher.listen()
            self.tell("stopping")
            wait_for_news(self.slots, TICK_SECONDS)
        if not self.paused_because:  # what was in trouble is left as it is, for the next start
            with self.pausing_on_trouble():
                self.dispatcher.settle(at_once=True)
        self.dispatcher.give_all_back()
        self.dispatcher.claims.close()
        self.retrainer.wait(deadline)
        self.trimmer.wait(deadline)
        logger.info("ended: {} done, {} failed", self.dispatcher.done, self.dispatcher.failed)

    def exit_code(self) -> int:
        if self.gave_up:
            return EXIT_FAILED
        if self.once and self.dispatcher.failed:
            return EXIT_QUARANTINED
        return EXIT_DONE
