"""What is told while points or states are tried, one after the other or side by side."""

import threading
import time
from collections.abc import Sequence

LINE_SECONDS = 10.0


class Progress:
    """A line now and then: how far, how many violations, the expected end; every violation at once."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = self.broken = 0
        self.began = time.monotonic()
        self.next_line = self.began + LINE_SECONDS
        self.lock = threading.Lock()

    def tell(self, what: str, violations: Sequence[str]) -> None:
        """One more was tried; `what` says how to try it again, and is printed where the promise was broken."""
        with self.lock:
            self.done += 1
            if violations:
                self.broken += 1
                print(what)
                print("".join(f"    {line}\n" for line in violations), end="", flush=True)
            now = time.monotonic()
            if now >= self.next_line or self.done == self.total:
                self.next_line = now + LINE_SECONDS
                left = (now - self.began) / self.done * (self.total - self.done)
                end = time.strftime("%H:%M", time.localtime(time.time() + left))
                print(f"{self.done} of {self.total}, {self.broken} violations, ends at {end}", flush=True)
