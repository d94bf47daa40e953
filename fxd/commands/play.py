"""`fxd live`: the playing itself."""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self, TextIO

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fxd.config import Settings
from fxd.live.controls import press
from fxd.live.desk import Load
from fxd.live.errors import LiveError
from fxd.live.keys import Keys
from fxd.live.learn import hand_over, why_not_taken
from fxd.live.logbook import Logbook
from fxd.live.record import Recorder, check_name
from fxd.live.screen import Screen, clock, load
from fxd.live.session import Session
from fxd.live.setup import Wish
from fxd.log import warn_only
from fxd.pipeline.files import display
from fxd.store.records import LiveSession
from fxd.store.store import open_store

ENDING = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP
TICK_SECONDS = 0.05
CLOSED = "its terminal was closed"
READY = "getting the engines ready; the first time on a machine takes up to a minute"


def live(settings: Settings, wish: Wish, learn: bool) -> int:
    """Play until somebody ends it; 1 where something else did, or where a take could not be written."""
    warn_only()
    if wish.record is not None:
        check_name(wish.record)
    with open_store(settings.database_url) as store:
        # Nothing has to be finished before it plays: signals then end it as they end any program, at once.
        with getting_ready():
            session = Session(settings, store, wish)
        logbook = Logbook(store, session.record)
        failures: list[str] = []
        reason = "a bug"
        with Signals() as signals:
            try:
                reason = play(session, logbook, signals)
            except LiveError as error:
                reason = str(error)
                failures.append(reason)
            except KeyboardInterrupt:
                reason = "it was ended by whoever would not wait"
                raise
            finally:
                failures += stop(session, logbook, reason)
            tell(summary(session.record(reason)))
            if session.recorder is not None:
                failures += tell_takes(settings, session.recorder, learn)
    for failure in failures:
        tell(f"fxd: {failure}", sys.stderr)
    code = 1 if failures else 0
    if session.watch is not None and session.watch.is_busy:
        leave(code)
    return code


def leave(code: int) -> None:
    """End the program as it is, while a new champion is still compiled.

    That takes a minute that nobody wants to wait for; and an interpreter that clears up under a compiler crashes.
    All that was to be kept is on disk by now.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def getting_ready() -> Iterator[None]:
    """Tell what takes so long; on a terminal with the time that it has taken, so that nobody thinks it hangs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(READY, file=sys.stderr)
        yield
        return
    columns = SpinnerColumn("line"), TimeElapsedColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=console, transient=True) as progress:
        progress.add_task(READY)
        yield


def play(session: Session, logbook: Logbook, signals: "Signals") -> str:
    """From the first callback to the wish to end, which it returns. Raises LiveError where the device fails."""
    with Keys() as keys:
        session.start()
        logbook.start()
        screen = Screen(Console())
        try:
            while not signals.received:
                session.tick()
                try:
                    screen.show(session.view())
                except OSError:
                    return CLOSED
                if not press(session, keys.wait(TICK_SECONDS)):
                    return "it was ended with a key"
                if keys.was_closed:
                    return CLOSED
        finally:
            screen.close()
    return f"it was ended by {signals.received}"


def tell(text: str, stream: TextIO | None = None) -> None:
    """Print a line; what is left to be done is done, too, where nobody can read that any more."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        # What is still in the stream's buffer would fail again as the program ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def stop(session: Session, logbook: Logbook, reason: str) -> list[str]:
    """End the sound, and log the session. Returns what went wrong."""
    told = session.record(reason)
    failures = []
    try:
        session.stop()
    except OSError as error:
        when = session.recorder.failure if session.recorder is not None else ""
        failures.append(f"the recording is not whole: {when or error}")
    if (failure := logbook.finish(told)) is not None:
        failures.append(f"the session is not in the log: {failure}")
    return failures


def tell_takes(settings: Settings, recorder: Recorder, learn: bool) -> list[str]:
    """Print what was recorded and, with `learn`, hand it over. Returns what went wrong."""
    for part in recorder.parts:
        tell("recorded " + " and ".join(display(path) for path in part))
    failures = []
    # Where the disk failed, that was told, and what came after it could not be kept.
    if recorder.lost_frames and recorder.error is None:
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
        tell(f"put {display(path)} there for the daemon (`fxd start`)")
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
        # What somebody chose to ignore (`nohup`, or `&` in a script) stays ignored.
        for number in (one for one in ENDING if signal.getsignal(one) is not signal.SIG_IGN):
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
