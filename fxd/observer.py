"""Looking for changes now and then, while the daemon runs: in a process of its own, behind everything else.

A look takes some two seconds of a core and 200 MB, so it is not for the daemon's main loop, nor for its memory: a
child at the lowest priority looks and remembers, and what is new is then logged, one line a change. There is
one when RUNS_BETWEEN runs have come since the last, at most every SECONDS_BETWEEN, which is less than a
hundredth of a core; it waits for a moment without work, but not for ever.
"""

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from loguru import logger

from fxd.insight.sentences import is_of_sounds, is_worse, sentence
from fxd.store.store import Store

RUNS_BETWEEN = 20
"""Also the fewest in which a change can be: two levels of ten runs."""
FIRST_SECONDS = 10.0
"""After the start, when workers compile and files wait."""
SECONDS_BETWEEN = 300.0
PATIENCE_SECONDS = 900.0
LOWEST_PRIORITY = 19


class Observer:
    """Has looks made, one at a time, and logs what is new in them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.child: subprocess.Popen[str] | None = None
        self.next_at = time.monotonic() + FIRST_SECONDS
        self.looked_after = -RUNS_BETWEEN
        """So many runs the daemon had done at the last look; at its start there may be some of before."""
        self.known = 0
        """The highest id of a change that was there before the first look, or was logged."""
        self.complaint = ""

    def tend(self, store: Store, done: int, is_idle: bool) -> None:
        """Log what a look that ended has found; begin one that is due. `done`: runs since the daemon's start."""
        if self.child is not None:
            if self.child.poll() is not None:
                self.reap(store, self.child)
            return
        late = time.monotonic() - self.next_at
        if late < 0 or done < self.looked_after + RUNS_BETWEEN or not (is_idle or late > PATIENCE_SECONDS):
            return
        is_first, self.looked_after = self.looked_after < 0, done
        if is_first:
            self.known = max((change.id for change in store.changes()), default=0)
        if done or len(store.runs(RUNS_BETWEEN)) == RUNS_BETWEEN:
            self.begin()

    def begin(self) -> None:
        command = [sys.executable, "-m", "fxd", "--home", str(self.home), "stats", "--changes", "--json"]
        # A session of its own keeps the terminal's Ctrl-C away.
        self.child = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        with suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, self.child.pid, LOWEST_PRIORITY)

    def reap(self, store: Store, child: "subprocess.Popen[str]") -> None:
        fresh = store.changes(after=self.known)  # before all else: where it raises, it is tried again
        _, said = child.communicate()
        self.child = None
        self.next_at = time.monotonic() + SECONDS_BETWEEN
        if (
            child.returncode
            and (complaint := (said.strip().splitlines() or ["it said nothing"])[-1]) != self.complaint
        ):
            logger.warning("looking for changes ended with code {}: {}", child.returncode, complaint)
            self.complaint = complaint
        for change in reversed(fresh):
            level = "WARNING" if is_worse(change) and not is_of_sounds(change) else "INFO"
            logger.log(level, "change {}: {}", change.id, sentence(change))
            self.known = max(self.known, change.id)

    def stop(self) -> None:
        """End a look under way: the next one looks at the same runs."""
        if self.child is not None and self.child.poll() is None:
            self.child.kill()
            self.child.communicate()
