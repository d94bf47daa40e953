"""`fxd retrain`: when the next one is due and why; `--now` does it here."""

import json
import math
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from types import FrameType
from typing import TYPE_CHECKING

from fxd.config import Settings
from fxd.factory import install_factory_model
from fxd.insight.hints import model_hint
from fxd.log import warn_only
from fxd.store.store import open_store
from fxd.training.due import due
from fxd.training.schedule import check_schedule

if TYPE_CHECKING:
    from fxd.training.trainer import Progress

OnProgress = Callable[["Progress"], None]

LINE_SECONDS = 10.0
NICENESS = 15
"""Of a scheduled retraining: files that are dropped meanwhile come first."""


def tell_when(settings: Settings, as_json: bool) -> int:
    """Print when the next retraining is due, and why."""
    check_schedule(settings.training.schedule)
    with open_store(settings.database_url) as store:
        verdict = due(store, settings, datetime.now(UTC))
        hint = model_hint(settings, store.champion())
        last = store.last_training()
    next_at = verdict.next_at.astimezone() if verdict.next_at else None
    if as_json:
        facts = {"due": verdict.due, "next_at": next_at and next_at.isoformat(), "reason": verdict.reason}
        print(json.dumps(facts | {"last": {"state": last.state, "reason": last.reason} if last else None}))
        return 0
    when = f"{next_at:%Y-%m-%d %H:%M}" if next_at else "never ([training] schedule is empty)"
    print(f"The schedule looks next: {when}")
    print(f"It would {'retrain' if verdict.due else 'not retrain'}: {verdict.reason}")
    if last is not None:
        ending = f"{last.state}, {last.reason}" if last.reason else last.state
        print(f"The last one, {last.started_at.astimezone():%Y-%m-%d %H:%M}: {ending}")
    if hint:
        print(f"Note: {hint}")
    print("`fxd retrain --now` does it at once")
    return 0


def retrain_now(settings: Settings, scheduled: bool, as_json: bool) -> int:
    """Retrain here; Ctrl-C ends it, and the next one goes on from there. 1 where it failed."""
    from fxd.training.retrain import retrain

    warn_only()
    show = json_progress if as_json else shown_progress
    with (
        open_store(settings.database_url) as store,
        stop_flag(scheduled) as should_stop,
        show() as on_progress,
    ):
        install_factory_model(settings, store)
        result = retrain(settings, store, "schedule" if scheduled else "command", on_progress, should_stop)
    facts = {"state": result.state, "model": result.model_id, "reason": result.reason}
    print(json.dumps(facts) if as_json else f"{result.state}: {result.reason}")
    return 1 if result.state == "failed" else 0


@contextmanager
def stop_flag(scheduled: bool) -> Iterator[Callable[[], bool]]:
    """Ctrl-C, SIGTERM and, for a scheduled retraining, the death of its daemon ask for an orderly end."""
    stopped = False
    parent = os.getppid()

    def ask(_number: int, _frame: FrameType | None) -> None:
        nonlocal stopped
        if stopped:
            raise KeyboardInterrupt
        stopped = True

    previous = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    if scheduled:
        os.nice(NICENESS)
    try:
        yield lambda: stopped or (scheduled and os.getppid() != parent)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def json_progress() -> Iterator[OnProgress]:
    """Progress as JSON lines: the daemon reads them, and so can a script."""

    def show(progress: "Progress") -> None:
        facts = {name: value if math.isfinite(value) else None for name, value in asdict(progress).items()}
        print(json.dumps(facts), flush=True)

    yield show


@contextmanager
def shown_progress() -> Iterator[OnProgress]:
    """A bar on a terminal, a line now and then in a pipe: loss, validation ESR and the time left."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines_of_progress()
        return
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    with Bar(TextColumn("training"), BarColumn(), TextColumn("{task.description}"), console=console) as bar:
        task = bar.add_task("loading", total=None)
        began = time.monotonic()

        def show(progress: "Progress") -> None:
            # By time: on a machine slower than planned the clock ends it, with fewer steps.
            seconds = time.monotonic() - began
            total = seconds + progress.seconds_left
            bar.update(task, description=figures(progress), total=total, completed=seconds)

        yield show


def lines_of_progress() -> OnProgress:
    next_line = 0.0

    def show(progress: "Progress") -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + LINE_SECONDS
            percent = 100 * progress.step / progress.steps
            print(f"training {percent:.0f} %: {figures(progress)}", file=sys.stderr, flush=True)

    return show


def figures(progress: "Progress") -> str:
    loss, validation = decibels(progress.loss_db), decibels(progress.validation_esr_db)
    return f"loss {loss}, validation {validation}, {clock(progress.seconds_left)} left"


def decibels(value: float) -> str:
    return f"{value:.1f} dB" if math.isfinite(value) else "-"


def clock(seconds: float) -> str:
    """Minutes and seconds.

    >>> clock(75.4)
    '1:15'
    """
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"
