"""A daemon without processes, on a real home: its workers are functions, its clock is set, it can be killed."""

import errno
import os
import shutil
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path, PurePath
from types import SimpleNamespace
from typing import Any

import pytest
from finishing import HERE, make_outputs

from fxd.config import SaturatorSettings, load_settings
from fxd.home import make_home
from fxd.pipeline import archive, claims, crew, dispatch, inbox, names
from fxd.pipeline.archive import LateWrites
from fxd.pipeline.claims import Claims
from fxd.pipeline.dispatch import Dispatcher
from fxd.pipeline.finished import Finished
from fxd.pipeline.inbox import Inbox
from fxd.pipeline.job import Death, Done, Ending, Fault, Job, Trouble
from fxd.pipeline.loose import loose_claim
from fxd.pipeline.publish import Publisher
from fxd.pipeline.workers import Task
from fxd.store.database import connect
from fxd.store.errors import StoreUnavailable
from fxd.store.records import Example, Run, Step
from fxd.store.store import Store, open_store

END = b" END"
CALLS = ("rename", "replace", "link", "unlink", "rmdir", "mkdir", "fsync")


class Killed(BaseException):
    """Stands for kill -9: from then on not even clean-up gets anything done."""


@dataclass
class Fate:
    """What happens to the daemon at its so manieth change of a folder or of the database from now on."""

    kind: str = "none"
    """`kill`: nothing is done any more. `fail`: this one call fails."""
    at: int = 0


class Doom:
    """Lets a fate come true. It stands in front of the calls of the operating system that change folders."""

    def __init__(self) -> None:
        self.fate = Fate()
        self.is_dead = False

    def meet(self) -> None:
        if self.is_dead:
            raise Killed
        self.fate.at -= 1
        if self.fate.at == 0 and self.fate.kind == "kill":
            self.is_dead = True
            raise Killed
        if self.fate.at == 0 and self.fate.kind == "fail":
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    def before(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def doomed(*arguments: Any, **names: Any) -> Any:
            if self.is_dead or self.fate.at > 0:
                self.meet()
            return call(*arguments, **names)

        return doomed


class DoomedStore(Store):
    """A store whose writing may be the daemon's last act, or fail."""

    doom: Doom

    def record_runs(self, entries: Sequence[tuple[Run, Example | None]]) -> list[str]:
        return self.doomed(super().record_runs, entries)

    def add_steps(self, entries: Sequence[tuple[str, Step]]) -> None:
        self.doomed(super().add_steps, entries)

    def doomed(self, write: Callable[..., Any], entries: Any) -> Any:
        try:
            return self.doom.before(write)(entries)
        except OSError as error:
            raise StoreUnavailable("it is locked") from error


class Hand:
    """A slot whose worker does one job each time that it is listened to."""

    def __init__(self) -> None:
        self.is_able = True
        self.tasks: deque[Task] = deque()

    def enforce(self) -> None:
        pass

    def submit(self, job: Job) -> Task:
        self.tasks.append(Task(job, datetime.now(UTC)))
        return self.tasks[-1]

    def listen(self) -> Ending | None:
        return work(self.tasks.popleft().job) if self.tasks else None

    def close(self) -> None:
        pass


def kind_of(content: bytes) -> str:
    return content.split()[0].decode()


def work(job: Job) -> Ending:
    """What a worker says of a file."""
    try:
        content = job.source.read_bytes()
    except OSError as error:
        return Trouble(str(error))
    if not content.endswith(END):
        return Fault("it is cut off", cut_off=True)
    if kind_of(content) == "BAD":
        return Fault("it is bad")
    if kind_of(content) == "KILL":
        return Death("its worker process died")
    try:
        return Done(make_outputs(job.attempt, content))
    except OSError as error:
        return Trouble(str(error))


@cache
def template() -> Path:
    """A home with a database in it, made once."""
    root = Path(tempfile.mkdtemp(prefix="fxd-life-")) / "home"
    make_home(root)
    (root / "config.toml").write_text("[paths]\n")
    open_store(load_settings(root).database_url).close()
    return root


def new_home() -> Path:
    """A home in memory, where there is such a file system: it is synced some hundred times."""
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="fxd-life-", dir=memory if os.access(memory, os.W_OK) else None)
    return Path(shutil.copytree(template(), folder, dirs_exist_ok=True))


class Life:
    """The daemon of one home, from start to start."""

    def __init__(self, root: Path) -> None:
        self.settings = load_settings(root)
        self.doom = Doom()
        self.now = 1000.0
        self.patch = pytest.MonkeyPatch()
        clock = SimpleNamespace(monotonic=lambda: self.now)
        for module in (inbox, dispatch, crew, archive):
            self.patch.setattr(module, "time", clock)
        ids = count()
        for user in (claims, names):
            self.patch.setattr(user, "uuid4", lambda: SimpleNamespace(hex=f"{next(ids):032x}"))
        for name in CALLS:
            self.patch.setattr(os, name, self.doom.before(getattr(os, name)))
        self.store = DoomedStore(*connect(self.settings.database_url))
        self.store.doom = self.doom
        self.start()

    def start(self, fate: Fate | None = None) -> None:
        """Start up; where that is fatal, start once more."""
        paths = self.settings.paths
        self.claims: Claims | None = None
        if not paths.inbox.is_dir():
            return  # as `fxd start`, it is tried again later
        with self.fated(fate) as came_true:
            self.inbox = Inbox(paths.inbox, self.settings.inbox)
            self.late_writes = LateWrites()
            self.claims = Claims(paths.inbox)
            self.publisher = Publisher(self.settings, self.store, HERE, paths.outbox)
            hands: list[Any] = [Hand(), Hand()]
            self.dispatcher = Dispatcher(
                self.inbox, self.late_writes, self.claims, self.publisher, hands, self.job
            )
            self.dispatcher.recover()
            self.late_writes.watch_on(paths.inbox, self.store.runs(100))
        if came_true:
            self.kill()
            self.start()

    def job(self, source: Path, attempt: Path) -> Job:
        return Job(source, attempt, SaturatorSettings(), Path("models/m/weights.safetensors"), "FLOAT")

    def work(self, seconds: float, fate: Fate | None = None, rounds: int = 1) -> None:
        """The main loop goes round some times, and each time some of it passes."""
        self.doom.fate = replace(fate or Fate())
        for _ in range(rounds):
            self.now += seconds
            if self.claims is None:
                self.start()
                continue
            try:
                self.go_round()
            except (OSError, StoreUnavailable):
                pass  # it pauses, and tries again
            except Killed:
                self.kill()
                self.start()
        self.doom.fate = Fate()

    def go_round(self) -> None:
        self.inbox.scan()
        for path in self.late_writes.returned(self.inbox.root):
            self.inbox.notice(path)
        self.dispatcher.recover_lost()
        self.dispatcher.listen()
        self.dispatcher.settle()
        self.dispatcher.assign()

    def process_by_hand(self, folder: Path, name: str, content: bytes, fate: Fate) -> None:
        """What `fxd process` does with one file."""
        path = folder / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        claim = loose_claim(folder, PurePath(name))
        with self.fated(fate) as came_true:
            publisher = Publisher(self.settings, self.store, HERE, self.settings.paths.outbox)
            attempt = publisher.attempt_folder(claim)
            claim.note("started")
            finished = Finished(claim, attempt, make_outputs(attempt, content))
            publisher.release([finished])
            publisher.remove_attempts(claim.id)
        if came_true and fate.kind == "fail":
            publisher.withdraw(claim.id)
        self.doom.is_dead = False

    def kill(self) -> None:
        """The daemon dies; the system closes what it had open, so that its lock is free."""
        self.doom.is_dead = False
        self.doom.fate = Fate()
        if self.claims is not None:
            self.claims.lock.release()

    def end(self, fate: Fate) -> None:
        """The daemon is asked to end."""
        if self.claims is not None:
            with self.fated(fate):
                self.dispatcher.settle(at_once=True)
                self.dispatcher.give_all_back()
                self.claims.close()
        self.kill()

    @contextmanager
    def fated(self, fate: Fate | None) -> Iterator[list[BaseException]]:
        """What is done here meets its fate; the list holds what came true, in the end."""
        self.doom.fate = replace(fate or Fate())
        came_true: list[BaseException] = []
        try:
            yield came_true
        except (OSError, StoreUnavailable, Killed) as error:
            came_true.append(error)
        finally:
            self.doom.fate = Fate()

    def close(self) -> None:
        self.kill()
        self.store.close()
        self.patch.undo()
