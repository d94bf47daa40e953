"""Two workers against one: what a second core adds when both do what the daemon's workers do."""

import math
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

from fxd.cores import usable_cores
from fxd.engines.engine import Array
from fxd.insight.bench.contenders import Contender
from fxd.insight.bench.figures import figure
from fxd.insight.bench.pinning import pin
from fxd.insight.bench.rotation import Runner, signal_for

LEAST_SECONDS = 0.3
"""A repetition lasts at least this long, so that the start of both at once does not matter."""
ANSWER_SECONDS = 300
"""A worker that has not answered by then never will."""


def measure_pair(contenders: Sequence[Contender], sound: Array, repetitions: int) -> dict[str, Any] | None:
    """How many times as much two processes on two cores do in the same time as one; None with one core.

    Alone and together take turns. Each process runs all `contenders` on `sound` [2, frames].
    """
    available = usable_cores()
    if len(available) < 2:
        return None
    ratios = []
    with worker(available[-1], contenders, sound) as one, worker(available[-2], contenders, sound) as other:
        passes = max(1, math.ceil(LEAST_SECONDS / time_together([one], 1)))
        time_together([one, other], passes)
        for _ in range(repetitions):
            alone, together = time_together([one], passes), time_together([one, other], passes)
            ratios.append(2 * alone / together)
    return figure(ratios)


def time_together(workers: Sequence[Connection], passes: int) -> float:
    """Seconds until every worker has done its passes, all begun at once."""
    begin = time.perf_counter()
    for connection in workers:
        connection.send(passes)
    for connection in workers:
        await_answer(connection)
    return time.perf_counter() - begin


def await_answer(connection: Connection) -> None:
    """Raises ChildProcessError where the worker died or hangs."""
    if not connection.poll(ANSWER_SECONDS):
        raise ChildProcessError(f"a worker of the benchmark did not answer within {ANSWER_SECONDS} s")
    try:
        connection.recv()
    except EOFError:
        raise ChildProcessError("a worker of the benchmark died; is there enough memory?") from None


@contextmanager
def worker(core: int, contenders: Sequence[Contender], sound: Array) -> Iterator[Connection]:
    """A process on `core`, ready to work; it takes numbers of passes and answers when they are done."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=work, args=(there, core, contenders, sound), daemon=True)
    process.start()
    there.close()
    try:
        await_answer(here)
        yield here
    finally:
        here.close()
        process.join(10)
        if process.is_alive():
            process.kill()
            process.join()


def work(connection: Connection, core: int, contenders: Sequence[Contender], sound: Array) -> None:
    pin([core])
    runners = [Runner(one, one.build(), signal_for(one, sound)) for one in contenders]
    for runner in runners:
        runner.time_pass()
    while True:
        connection.send(None)
        try:
            passes = connection.recv()
        except EOFError:
            return
        for _ in range(passes):
            for runner in runners:
                runner.time_pass()
