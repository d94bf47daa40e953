"""The slots in which attempts run: each is a worker process of its own that may die.

When a worker dies, only its own file is touched, and the slot gets a new one. (In a pool of several, the death
of one fails the files of all.) A worker that its daemon left behind ends itself. Only the worker's own functions,
at the end, import the engines: the daemon would wait a second for what it never uses.
"""

import math
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection, wait
from pathlib import Path

import psutil

from fxd.config import SaturatorSettings
from fxd.pipeline.job import Begun, Death, Done, Ending, Fault, Job, Message, Reached, Ready, Trouble

STALL_SECONDS = 60.0
"""A worker that gets no further for this long hangs."""
PROGRESS_SECONDS = 0.1
WEIGHING_SECONDS = 0.25
"""How often the memory of a worker is looked at."""
AWAY_SECONDS = 2.0
"""A daemon that did not look at its workers for longer was held up itself, by a slow disk or Ctrl-Z say."""
STILLBORN_LIMIT = 3
START_SECONDS = 600.0
"""A worker that is not ready after this long hangs; compiling the engines takes a slow machine a minute."""
COMPILING_SECONDS = 5.0
"""Workers that take longer to get ready are compiling."""
GETTING_READY = (
    "the engines are being loaded, and where fxd runs for the first time compiled, which takes up to a minute"
)
"""What is going on while no worker is ready."""


@dataclass(frozen=True)
class Limits:
    timeout_factor: float
    memory_limit_mb: int
    stall_seconds: float = STALL_SECONDS


@dataclass
class Task:
    """A job that a slot was given."""

    job: Job
    began_at: datetime | None = None


class Slot:
    """One worker process and its attempts: the one that it is at, and those that it was given ahead.

    What is given ahead is begun as soon as the worker is done with the one before, whatever its daemon is doing.
    """

    def __init__(self, limits: Limits, saturator: SaturatorSettings, model: Path) -> None:
        self.limits = limits
        self.warm = (saturator, model)
        self.stillborn = 0
        self.tasks: deque[Task] = deque()
        self.hire()

    def hire(self) -> None:
        """Start a worker; it says `Ready` once its engines are warm."""
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, *self.warm), daemon=True)
        self.process.start()
        theirs.close()
        self.is_ready = False
        self.done_seconds = 0.0
        self.length_seconds: float | None = None
        self.fault = ""
        self.next_weighing = 0.0
        self.started = self.moved = self.looked = time.monotonic()

    @property
    def is_able(self) -> bool:
        """Whether it can be given jobs."""
        return self.is_ready and self.process.is_alive()

    @property
    def is_free(self) -> bool:
        return self.is_able and not self.tasks

    def submit(self, job: Job) -> Task:
        """Give it one more attempt; `listen` tells, in the order in which they were given, how each ended."""
        if not self.tasks:
            self.moved = time.monotonic()
        task = Task(job)
        self.tasks.append(task)
        self.send(task)
        return task

    def send(self, task: Task) -> None:
        # A worker that has just died is replaced as soon as `listen` learns of it.
        with suppress(OSError):
            self.connection.send(task.job)

    def listen(self) -> Ending | None:
        """What the worker has said since: how its oldest attempt ended, or None where none has.

        A dead worker is replaced here. The attempt that it was at ends in `Death`; the new one gets the others.
        """
        try:
            while self.connection.poll():
                ending = self.hear(self.connection.recv())
                if ending is not None:
                    self.tasks.popleft()
                    return ending
        except (EOFError, OSError):
            return self.bury()
        return None

    def hear(self, message: Message) -> Ending | None:
        self.moved = time.monotonic()
        if isinstance(message, Ready):
            self.is_ready = True
            self.stillborn = 0
            return None
        if isinstance(message, Begun):
            self.tasks[0].began_at = message.at
            self.started = self.moved
            self.done_seconds, self.length_seconds = 0.0, None
            return None
        if isinstance(message, Reached):
            self.done_seconds, self.length_seconds = message.seconds, message.length_seconds
            return None
        return message

    def bury(self) -> Ending | None:
        """Replace a dead worker, and tell how the attempt ended that died with it.

        Raises RuntimeError where workers die again and again before they are ready: no file is to blame then.
        """
        self.process.join()
        self.stillborn += not self.is_ready
        if self.stillborn == STILLBORN_LIMIT:
            cause = self.fault or f"{died_of(self.process.exitcode)}, see above"
            raise RuntimeError(f"workers cannot start: {cause}")
        fault, code = self.fault, self.process.exitcode
        died_with_it = self.tasks.popleft() if self.tasks and self.tasks[0].began_at else None
        self.connection.close()
        self.process.close()
        self.hire()
        for task in self.tasks:
            self.send(task)
        return Death(fault or f"its worker process died ({died_of(code)})") if died_with_it else None

    def enforce(self) -> None:
        """End the attempt where it hangs or takes too much; `listen` then tells so."""
        now = time.monotonic()
        self.forgive_absence(now)
        if not self.is_ready:
            if now - self.moved > START_SECONDS:
                self.kill(f"one was not ready after {now - self.moved:.0f} s")
            return
        if not self.tasks:
            return
        seconds, taken = self.done_seconds, now - self.started if self.tasks[0].began_at else 0.0
        allowed = self.limits.stall_seconds + self.limits.timeout_factor * seconds
        if now - self.moved > self.limits.stall_seconds:
            self.kill(f"nothing came of it for {now - self.moved:.0f} s, at {seconds:.0f} s of audio")
        elif taken > allowed:
            self.kill(f"{taken:.0f} s passed for {seconds:.0f} s of audio ([processing] timeout_factor)")
        elif now >= self.next_weighing:
            self.next_weighing = now + WEIGHING_SECONDS
            if (used := self.memory_mb()) > (limit := self.limits.memory_limit_mb):
                self.kill(
                    f"it took {used:.0f} MB of memory, and [processing] memory_limit_mb is {limit}; raise that, "
                    "or save the file without what is large in its tags"
                )

    def forgive_absence(self, now: float) -> None:
        """Charge no attempt with time in which nobody looked: what its worker said meanwhile is not read yet."""
        away = now - self.looked
        self.looked = now
        if away > AWAY_SECONDS:
            self.started += away
            self.moved += away

    def memory_mb(self) -> float:
        try:
            return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6
        except psutil.NoSuchProcess:
            return 0.0

    def kill(self, reason: str = "") -> None:
        """End the worker at once, also one that is stopped or hangs in a decoder."""
        self.fault = reason
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self.process.join()
        self.connection.close()


class CompilingNotice:
    """Says once, where it is so, that the engines are being compiled: half a minute in which nothing is seen."""

    def __init__(self, slots: Sequence[Slot], tell: Callable[[str], None]) -> None:
        self.slots = slots
        self.tell = tell
        self.due = time.monotonic() + COMPILING_SECONDS

    def check(self) -> None:
        if time.monotonic() >= self.due:
            self.due = math.inf
            if not any(slot.is_ready for slot in self.slots):
                self.tell("compiling the engines, the first time only; files wait until that is done")


def wait_for_news(slots: Sequence[Slot], seconds: float) -> None:
    """Return as soon as one of the workers says something or dies, or after `seconds`."""
    wait([slot.connection for slot in slots], timeout=seconds)


def died_of(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"


def serve(connection: Connection, saturator: SaturatorSettings, model: Path) -> None:
    """The life of a worker: warm the engines, then one job after another until the daemon hangs up."""
    # They reach the whole terminal group, or service; when a worker ends is the daemon's decision.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    from fxd.pipeline.process import load_engines

    with suppress(OSError, ValueError):  # the first attempt meets it again, and tells it
        load_engines(saturator, model)
    shut_out_decoders()
    connection.send(Ready())
    warm_with = None
    while True:
        try:
            job = connection.recv()
        except EOFError:
            return
        connection.send(Begun(datetime.now(UTC)))
        ending, engines = attempt(job, Reporter(connection)), (job.saturator, job.model)
        if isinstance(ending, Done):
            ending = Done(replace(ending.outcome, warm_up=engines != warm_with))
            warm_with = engines
        connection.send(ending)


def shut_out_decoders() -> None:
    """Let no file speak through a decoder to the terminal, nor through the current folder to a decoder.

    libmpg123 and ALAC print about damaged files, in the middle of somebody's JSON. And where libsndfile does not
    see the kind of a file at once, as with MP3, it first looks for a resource fork: a file `._` in the current
    folder. Python's own errors are still seen.
    """
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)
    os.chdir("/")


class Reporter:
    """Tells the daemon how far an attempt is, now and then."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.next_time = time.monotonic() + PROGRESS_SECONDS

    def __call__(self, seconds: float, length_seconds: float | None) -> None:
        if time.monotonic() >= self.next_time:
            self.connection.send(Reached(seconds, length_seconds))
            self.next_time = time.monotonic() + PROGRESS_SECONDS


def attempt(job: Job, reporter: Reporter) -> Ending:
    """One attempt at one file, and what came of it."""
    from fxd.pipeline.process import CutOff, FileFault, process

    try:
        return Done(process(job, reporter))
    except FileFault as error:
        return Fault(str(error), cut_off=isinstance(error, CutOff))
    except OSError as error:
        return Trouble(str(error))
    except Exception:
        # A bug, or a crafted file that found one: the daemon retries and then quarantines with this text.
        return Death(f"internal error:\n{traceback.format_exc()}")


def end_with_parent() -> None:
    """A daemon that was killed cannot end its workers; they see it and end themselves."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
