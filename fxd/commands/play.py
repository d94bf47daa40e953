"""`fxd live`: the playing itself."""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from rich.console import Console

from fxd.config import Settings
from fxd.live.controls import press
from fxd.live.desk import Load
from fxd.live.errors import LiveError
from fxd.live.keys import Keys
from fxd.live.learn import hand_over, why_not_taken
from fxd.live.record import Recorder, check_name
from fxd.live.screen import Screen, clock, load
from fxd.live.session import Session
from fxd.live.setup import Wish
from fxd.log import warn_only
from fxd.pipeline.files import display
from fxd.store.records import LiveSession
from fxd.store.store import Store, StoreError, open_store

ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
TICK_SECONDS = 0.05
KEEP_TICKS = 200
"""Ticks, ten seconds, after which the log hears of the session."""


def live(settings: Settings, wish: Wish, learn: bool) -> int:
    """Play until somebody ends it; 1 where something else did, or where a take could not be written."""
    warn_only()
    if wish.record is not None:
        check_name(wish.record)
    with open_store(settings.database_url) as store, Signals() as signals:
        print("getting the engines ready; the first time on a machine takes up to a minute", file=sys.stderr)
        session = Session(settings, store, wish)
        failures: list[str] = []
        reason = "a bug"
        try:
            reason = play(session, store, signals)
        except LiveError as error:
            reason = str(error)
            failures.append(reason)
        finally:
            failures += stop(session, store, reason)
        print(summary(session.record(reason)))
        if session.recorder is not None:
            failures += tell_takes(settings, session.recorder, learn)
    for failure in failures:
        print(f"fxd: {failure}", file=sys.stderr)
    return 1 if failures else 0


def play(session: Session, store: Store, signals: "Signals") -> str:
    """From the first callback to the wish to end, which it returns. Raises LiveError where the device fails."""
    with Keys() as keys:
        session.start()
        screen = Screen(Console())
        ticks = 0
        try:
            while not signals.received:
                session.tick()
                screen.show(session.view())
                if ticks % KEEP_TICKS == 0:
                    keep(store, session.record())
                if not press(session, keys.wait(TICK_SECONDS)):
                    return "it was ended with a key"
                ticks += 1
        finally:
            screen.close()
    return f"it was ended by {signals.received}"


def stop(session: Session, store: Store, reason: str) -> list[str]:
    """End the sound, and log the session. Returns what went wrong."""
    told = session.record(reason)
    failures = []
    try:
        session.stop()
    except OSError as error:
        failures.append(f"the recording is not whole: {error}")
    if (failure := keep(store, told)) is not None:
        failures.append(f"the session is not in the log: {failure}")
    return failures


def keep(store: Store, session: LiveSession) -> StoreError | None:
    """Log a session; returns what kept it from that."""
    try:
        store.keep_live_session(session)
    except StoreError as error:
        return error
    return None


def tell_takes(settings: Settings, recorder: Recorder, learn: bool) -> list[str]:
    """Print what was recorded and, with `learn`, hand it over. Returns what went wrong."""
    for part in recorder.parts:
        print("recorded " + " and ".join(display(path) for path in part))
    failures = []
    if recorder.lost_frames:
        seconds = recorder.lost_frames / recorder.desk.sample_rate
        failures.append(f"the disk was too slow: {seconds:.1f} s of the recording are missing")
    if learn:
        try:
            failures += tell_dropped(settings, hand_over(settings, recorder.dry_files))
        except OSError as error:
            failures.append(f"the take is not in the inbox: {error}")
    return failures


def tell_dropped(settings: Settings, dropped: Sequence[Path]) -> list[str]:
    failures = []
    for path in dropped:
        print(f"put {display(path)} there for the daemon (`fxd start`)")
        if (why := why_not_taken(settings, path)) is not None:
            failures.append(f"{display(path)}: the daemon leaves it alone: {why}")
    return failures


def summary(session: LiveSession) -> str:
    """A session in one line."""
    loads = Load(session.load_median, session.load_p99, session.load_worst, session.late)
    plural = "" if session.xruns == 1 else "s"
    return (
        f"played {clock(session.seconds)}; load {load(loads)}; {session.xruns} xrun{plural}; {session.ending}"
    )


class Signals:
    """Ctrl-C, SIGTERM and a closed terminal as a wish to end, for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.received = ""
        self.before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        for number in ENDING:
            self.before[number] = signal.signal(number, self.receive)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def receive(self, number: int, _frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt  # whoever asks twice does not want to wait
        self.received = signal.Signals(number).name
