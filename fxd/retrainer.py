"""Retraining on a schedule: when one is due, and the process of its own in which it runs."""

import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler
from loguru import logger

from fxd.config import Settings
from fxd.log import log_handed_on
from fxd.store.store import Store
from fxd.training.due import due, is_overdue
from fxd.training.lock import who_trains
from fxd.training.schedule import next_fire, parse_schedule

LAST_LINES_SECONDS = 1.0
"""For what a retraining that has ended said last; longer only where a process of its own lives on."""


class Retrainer:
    """Starts a retraining when the schedule says so and there is something new to learn.

    The schedule's thread only sets a flag; everything else happens in the daemon's main loop.
    """

    def __init__(self, settings: Settings, home: Path) -> None:
        self.settings = settings
        self.home = home
        self.scheduler = BackgroundScheduler()
        self.fired = threading.Event()
        self.child: subprocess.Popen[str] | None = None
        self.reader: threading.Thread | None = None
        self.begun_at = datetime.now(UTC)
        """When the one under way was."""
        self.progress: dict[str, Any] | None = None
        """The last thing that the retraining under way has said."""
        self.awaited: int | None = None
        """The process whose retraining the next one waits for."""

    @property
    def next_at(self) -> str:
        """When it looks next whether one is due, ISO 8601 UTC; empty where it never does."""
        now = datetime.now(UTC)
        moment = now if self.fired.is_set() else next_fire(self.settings.training.schedule, now)
        return moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""

    def start(self, store: Store) -> None:
        """Start the schedule, and catch up on what fell due while no daemon ran."""
        schedule = self.settings.training.schedule
        if not schedule:
            return
        self.scheduler.add_job(
            self.fired.set, parse_schedule(schedule), coalesce=True, misfire_grace_time=None, max_instances=1
        )
        self.scheduler.start()
        if is_overdue(store, self.settings, datetime.now(UTC)):
            self.fired.set()

    def tend(self, store: Store) -> None:
        """Reap a retraining that ended; begin one that is due."""
        if self.child is not None and self.child.poll() is not None:
            self.reap(store, self.child.returncode)
            self.child = None
        if self.fired.is_set() and self.child is None and not self.must_wait():
            verdict = due(store, self.settings, datetime.now(UTC))
            if verdict.due:
                logger.info("retraining: {}", verdict.reason)
                self.begin()
            else:
                logger.info("no retraining now: {}", verdict.reason)
            self.fired.clear()  # not before: what raised above is tried again

    def must_wait(self) -> bool:
        """Whether somebody else retrains in this home: what is due then waits for the end of that."""
        holder = who_trains(self.settings.paths.db)
        if holder is not None and holder.pid != self.awaited:
            logger.info("a retraining is due, and waits for the one under way: {}", holder)
        self.awaited = holder.pid if holder is not None else None
        return holder is not None

    def begin(self) -> None:
        command = [
            sys.executable,
            "-m",
            "fxd",
            "--home",
            str(self.home),
            "retrain",
            "--now",
            "--scheduled",
            "--json",
        ]
        # A session of its own keeps the terminal's Ctrl-C away: ending it in order is `stop`'s job.
        self.begun_at = datetime.now(UTC)
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.progress = {}
        self.reader = threading.Thread(target=self.listen, args=(self.child,), daemon=True)
        self.reader.start()

    def listen(self, child: "subprocess.Popen[str]") -> None:
        """Take in what the retraining says, until it ends: its progress, and what belongs in the log."""
        assert child.stdout is not None
        with child.stdout as lines:
            for line in lines:
                try:
                    told = json.loads(line)
                except json.JSONDecodeError:
                    continue  # what a library prints is neither
                if not isinstance(told, dict):
                    continue
                if "log" in told:
                    log_handed_on(told)
                elif child is self.child and told.get("steps"):
                    self.progress = told

    def hear_out(self) -> None:
        """Log the last lines of a retraining that has ended: they come before what became of it."""
        if self.reader is not None:
            self.reader.join(LAST_LINES_SECONDS)

    def reap(self, store: Store, code: int) -> None:
        self.progress = None
        self.hear_out()
        if code and self.must_wait():
            self.fired.set()  # somebody else began in the same moment
            return
        training = store.last_training()
        # One that ended before it was recorded, as its database was away, must not pass for the one before it.
        if training is None or training.state == "running" or training.started_at < self.begun_at:
            logger.error("the retraining ended with code {} and without a result; the old model serves", code)
        else:
            self.tell_reviews(store, training.started_at)
            level = {"failed": "ERROR", "stopped": "WARNING"}.get(training.state, "INFO")
            logger.log(level, "retraining {}: {}", training.state, training.reason)

    def tell_reviews(self, store: Store, since: datetime) -> None:
        """Log what the retraining found out about the model that served when it began.

        Where that was something bad, it has said so itself.
        """
        for model_id in {promotion.model_id for promotion in store.promotions()[:3]}:
            for review in store.reviews(model_id):
                if review.at >= since and not review.worse:
                    logger.info("{}", review.reason)

    def stop(self) -> None:
        """Ask a retraining under way to end; it keeps its checkpoint, and the next one resumes it."""
        if self.scheduler.running:
            self.scheduler.shutdown(wait=False)
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()

    def wait(self, deadline: float) -> None:
        """Wait until it has ended, or until `deadline` (monotonic seconds) and end it then."""
        if self.child is None:
            return
        try:
            self.child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.hear_out()
