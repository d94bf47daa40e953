"""Runs `fxd` in a nursery, traced where that is wanted, and ends what it leaves behind."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .nursery import TRACED
from .scenario import DEADLINE_SECONDS, ROOT, Role, environment
from .trace import Injection, strace

TICK_SECONDS = 0.002
ANSWER_SECONDS = 300.0
OVERDUE = -99
"""Instead of the exit code of a command that did not end."""


class Supervisor:
    """Runs commands one after the other, on one core. `folder` is for its own files."""

    def __init__(self, folder: Path, core: int | None = None) -> None:
        self.folder = folder
        self.core = min(os.sched_getaffinity(0)) if core is None else core

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        nursery = ROOT / "tests" / "crash" / "nursery.py"
        self.nursery = subprocess.Popen(
            [sys.executable, str(nursery)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment(),
        )
        self.news()  # it is ready
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.nursery.kill()
        self.nursery.wait()
        for pipe in (self.nursery.stdin, self.nursery.stdout):
            assert pipe is not None
            pipe.close()

    def run(self, home: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
        """Run one command to its end. Returns its exit code, and what it said."""
        process = self.start(home, arguments, None)
        code = self.wait(lambda: False)
        self.end(process)
        return code, self.said

    def run_traced(
        self,
        home: Path,
        arguments: tuple[str, ...],
        role: Role,
        trace: Path,
        injection: Injection | None,
        *,
        all_die: bool,
    ) -> tuple[int, str]:
        """The same with one of its processes traced; with `all_die` all end as soon as that one is killed."""
        process = self.start(home, arguments, role)
        tracer = None
        try:
            if self.has_come():
                traced = int((self.folder / TRACED).read_text())
                tracer = attached(traced, trace, injection, self.folder / "strace")
            code = self.wait(lambda: all_die and was_killed(trace))
        finally:
            self.end(process)
            if tracer is not None:
                tracer.wait()
        return code, self.said

    def start(self, home: Path, arguments: tuple[str, ...], role: Role | None) -> int:
        for name in (TRACED, "said"):
            (self.folder / name).unlink(missing_ok=True)
        order = {
            "home": str(home),
            "arguments": arguments,
            "role": role,
            "folder": str(self.folder),
            "said": str(self.folder / "said"),
            "core": self.core,
        }
        assert self.nursery.stdin is not None
        self.nursery.stdin.write(json.dumps(order).encode() + b"\n")
        self.code: int | None = None
        return int(self.news()["pid"])

    def has_come(self) -> bool:
        """Wait until the process to be traced waits for its tracer; False where all is over before."""
        while not is_waiting(self.folder / TRACED):
            if self.has_ended(TICK_SECONDS):
                return False
        return True

    def wait(self, enough: Callable[[], bool]) -> int:
        """Wait until the command ends; where `enough` says so, or after too long, it is ended."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while not self.has_ended(TICK_SECONDS):
            if enough():
                return 0
            if time.monotonic() > deadline:
                return OVERDUE
        assert self.code is not None
        return self.code

    def has_ended(self, seconds: float) -> bool:
        if self.code is None and select.select([self.nursery.stdout], [], [], seconds)[0]:
            self.code = int(self.news()["code"])
        return self.code is not None

    def end(self, process: int) -> None:
        """End a command and all that it started, at once."""
        with suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        while not self.has_ended(ANSWER_SECONDS):
            pass

    def news(self) -> dict[str, Any]:
        """What the nursery says next."""
        assert self.nursery.stdout is not None
        if not select.select([self.nursery.stdout], [], [], ANSWER_SECONDS)[0]:
            raise TimeoutError("the nursery says nothing")
        line = self.nursery.stdout.readline()
        if not line:
            raise RuntimeError(f"the nursery ended with {self.nursery.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def said(self) -> str:
        return (self.folder / "said").read_text(errors="replace")


def attached(
    process: int, trace: Path, injection: Injection | None, errors: Path
) -> "subprocess.Popen[bytes]":
    """The tracer of a process that waits for it, and goes on now. Raises RuntimeError where it may not."""
    with errors.open("wb") as file:
        tracer = subprocess.Popen(strace(process, trace, injection), stderr=file)
    while status_of(process, "TracerPid") == "0":
        if tracer.poll() is not None:
            raise RuntimeError(f"strace cannot trace here: {errors.read_text(errors='replace')}")
        time.sleep(TICK_SECONDS)
    os.kill(process, signal.SIGCONT)
    return tracer


def is_waiting(traced: Path) -> bool:
    text = traced.read_text() if traced.exists() else ""
    return bool(text) and status_of(int(text), "State").startswith("T")


def status_of(process: int, name: str) -> str:
    """A line of the process's status; empty where it is no more."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(f"{name}:")), "")


def was_killed(trace: Path) -> bool:
    return trace.exists() and b"+++ killed by SIGKILL" in trace.read_bytes()[-100:]
