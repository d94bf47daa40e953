"""Work that follows other work, in a thread of its own: what is computed here is written and measured there.

    given by the caller     block 1   block 2   block 3   block 4 (waits)
    done by the thread                block 1 ...........................

It is at most a few blocks behind, so that memory stays flat, and an error of it reaches the caller as if the
caller had done the work itself: with the next block, or at the end.
"""

import threading
from collections.abc import Callable
from queue import Queue
from types import TracebackType
from typing import Generic, Self, TypeVarTuple

from fxd.cores import usable_cores

DEPTH = 2
"""Items that may wait, beside the one that is worked on."""
Item = TypeVarTuple("Item")


def has_spare_core(workers: int) -> bool:
    """Whether each of `workers` may have a second thread, and none of them has to wait for a core."""
    return 2 * workers <= len(usable_cores())


class Follower(Generic[*Item]):
    """Calls `work` with every item that it is given, one after the other, in a thread of its own.

    To be used as a context: at its end all that was given is done, or `work` has raised. The first error ends
    the work; what comes after it is dropped.
    """

    def __init__(self, work: Callable[[*Item], None]) -> None:
        self._work = work
        self._items: Queue[tuple[*Item] | None] = Queue(DEPTH)
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def give(self, *item: *Item) -> None:
        """Hand over the next item; waits while too many do. Raises what the work on an earlier one raised."""
        self._items.put(item)
        self._raise_error()

    def _run(self) -> None:
        while (item := self._items.get()) is not None:
            try:
                if self._error is None:
                    self._work(*item)
            except BaseException as error:
                self._error = error

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._items.put(None)
        self._thread.join()
        # Also where the caller failed: the work on earlier items came first, and so does its error.
        if self._error is not error:
            self._raise_error()
