"""`fxd retrain`: when the next one is due and why; `--now` does it here."""

import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from types import FrameType
from typing import Any, Literal

from fxd.config import Settings, settings_mark
from fxd.factory import install_factory_model
from fxd.insight.hints import model_hint
from fxd.instance import Instance, Status
from fxd.log import hand_on, warn_only
from fxd.store.store import open_store
from fxd.training.due import Due, due
from fxd.training.lock import refuse_a_second, who_trains
from fxd.training.progress import Progress, clock, ending, facts_of, minutes
from fxd.training.schedule import check_schedule

OnProgress = Callable[[Progress], None]

LINE_SECONDS = 10.0
BAR_COLUMNS = 76
"""Of a terminal that has room for a bar beside all figures."""
ENDING = b"""
ending: the best weights so far, if it has learned anything, are judged and kept as a model;
Ctrl-C once more ends at once, and the next retraining goes on from here
"""
NICENESS = 15
"""Of a scheduled retraining: files that are dropped meanwhile come first."""


def tell_when(settings: Settings, as_json: bool) -> int:
    """Print when the next retraining is due, and why."""
    check_schedule(settings.training.schedule)
    with open_store(settings.database_url) as store:
        verdict = due(store, settings, datetime.now(UTC))
        hint = model_hint(settings, store.champion())
        last = store.last_training()
    at_work = who_trains(settings.paths.db)
    running = Instance(settings.paths.db).read()
    next_at = next_look(verdict, running)
    needs_daemon = running is None and bool(settings.training.schedule)
    if as_json:
        facts: dict[str, Any] = {
            "due": verdict.due,
            "next_at": next_at and next_at.isoformat(),
            "needs_daemon": needs_daemon,
            "reason": verdict.reason,
        }
        facts["last"] = {"state": last.state, "reason": last.reason} if last else None
        print(json.dumps(facts | {"at_work": asdict(at_work) if at_work else None}))
        return 0
    print(f"The schedule looks next: {in_words(next_at, needs_daemon)}")
    print(f"It would {'retrain' if verdict.due else 'not retrain'}: {verdict.reason}")
    if at_work is not None:
        print(f"One is under way: {at_work}")
    if last is not None and (last.state != "running" or at_work is None):
        ended = ending(last.state, last.reason, at_work is not None)
        print(f"The last one, {last.started_at.astimezone():%Y-%m-%d %H:%M}: {ended}")
    if running is not None and running.settings not in ("", settings_mark(settings)):
        print("Note: the daemon runs with other settings than those here: restart it to take them up")
    if hint:
        print(f"Note: {hint}")
    at_once = "" if at_work else "`fxd retrain --now` does it at once, "
    print(f"{at_once}`fxd retrain --list` lists those of before")
    return 0


def next_look(verdict: Due, running: Status | None) -> datetime | None:
    """When the schedule looks next, on the local clock; None where it never does, or once a daemon starts.

    A daemon that runs looks when it says, whatever has become due meanwhile; only one that starts catches up.
    """
    if running is not None and (running.next_retraining or running.state != "starting"):
        told = running.next_retraining
        return datetime.fromisoformat(told).astimezone() if told else None
    if verdict.next_at is None or (running is None and verdict.next_at <= datetime.now(UTC)):
        return None
    return verdict.next_at.astimezone()


def in_words(next_at: datetime | None, needs_daemon: bool) -> str:
    if next_at is not None:
        when = f"{next_at:%Y-%m-%d %H:%M}"
        return f"{when}, if a daemon runs then (`fxd start`)" if needs_daemon else when
    return "when a daemon starts (`fxd start`)" if needs_daemon else "never ([training] schedule is empty)"


def retrain_now(settings: Settings, scheduled: bool, as_json: bool, steps: int | None) -> int:
    """Retrain here. 1 where it failed, or stopped though nobody asked for it."""
    refuse_a_second(settings.paths.db)
    from fxd.training.retrain import retrain

    if scheduled:
        hand_on(settings.logging.level)
    else:
        warn_only()
    show = json_progress if as_json else shown_progress
    with open_store(settings.database_url) as store, asked_to_end(scheduled) as asked, show() as on_progress:
        install_factory_model(settings, store)
        trigger: Literal["schedule", "command"] = "schedule" if scheduled else "command"
        result = retrain(settings, store, trigger, on_progress, asked.to_stop, asked.to_end, steps)
    facts = {"state": result.state, "model": result.model_id, "reason": result.reason}
    print(json.dumps(facts) if as_json else f"{result.state}: {result.reason}")
    troubled = result.state == "stopped" and not (asked.to_stop() or asked.to_end())
    return 1 if troubled or result.state == "failed" else 0


class Asked:
    """What signals have asked of a retraining."""

    def __init__(self, scheduled: bool) -> None:
        self.parent = os.getppid() if scheduled else None
        self.by: set[int] = set()

    def hear(self, number: int, _frame: FrameType | None) -> None:
        """The first signal asks for an orderly end; a Ctrl-C after it ends it at once.

        SIGTERM may come twice and mean it once: systemd sends it to all processes, and the daemon to this one.
        """
        if number == signal.SIGINT and self.by:
            raise KeyboardInterrupt
        self.by.add(number)
        if number == signal.SIGINT:
            # Not by print: the signal may have come in the middle of one. And nobody may be there to read it.
            with suppress(OSError):
                os.write(sys.stderr.fileno(), ENDING)

    def to_stop(self) -> bool:
        """Whether the next one is to go on with it: after SIGTERM, and where the daemon that began it died."""
        return signal.SIGTERM in self.by or (self.parent is not None and os.getppid() != self.parent)

    def to_end(self) -> bool:
        """Whether the best so far is to be the challenger: after Ctrl-C."""
        return signal.SIGINT in self.by


@contextmanager
def asked_to_end(scheduled: bool) -> Iterator[Asked]:
    """Has signals ask while the block runs; a scheduled retraining steps back behind everything else."""
    asked = Asked(scheduled)
    previous = {number: signal.signal(number, asked.hear) for number in (signal.SIGINT, signal.SIGTERM)}
    if scheduled:
        os.nice(NICENESS)
    try:
        yield asked
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def json_progress() -> Iterator[OnProgress]:
    """Progress as JSON lines: the daemon reads them, and so can a script."""

    def show(progress: Progress) -> None:
        print(json.dumps(facts_of(progress, datetime.now(UTC))), flush=True)

    yield show


@contextmanager
def shown_progress() -> Iterator[OnProgress]:
    """A bar on a terminal, if there is room, a line now and then in a pipe; with the figures of `figures`."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines_of_progress()
        return
    from rich.progress import BarColumn, ProgressColumn, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    columns: list[ProgressColumn] = [TextColumn("training"), BarColumn(), TextColumn("{task.description}")]
    if console.width < BAR_COLUMNS:
        columns = [TextColumn("{task.description}", table_column=Column())]  # one that breaks its lines
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("loading", total=None)
        began = time.monotonic()

        def show(progress: Progress) -> None:
            # By time: on a machine slower than planned the clock ends it, with fewer steps.
            seconds = time.monotonic() - began
            total = seconds + progress.seconds_left if math.isfinite(progress.seconds_left) else None
            bar.update(task, description=figures(progress), total=total, completed=seconds)

        yield show


def lines_of_progress() -> OnProgress:
    next_line = 0.0

    def show(progress: Progress) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + LINE_SECONDS
            print(f"training {100 * progress.share:.0f} %: {figures(progress)}", file=sys.stderr, flush=True)

    return show


def figures(progress: Progress) -> str:
    """Loss, validation ESR, time left, expected end."""
    loss, validation = decibels(progress.loss_db), decibels(progress.validation_esr_db)
    text = f"loss {loss}, validation {validation}"
    if not math.isfinite(progress.seconds_left):
        return text
    now = datetime.now().astimezone()
    end = clock(now + timedelta(seconds=progress.seconds_left), now)
    return f"{text}, {minutes(progress.seconds_left)} left, ends at {end}"


def decibels(value: float) -> str:
    return f"{value:.1f} dB" if math.isfinite(value) else "-"
