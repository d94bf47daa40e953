"""Keys as they are pressed, without Enter; nothing where there is no terminal."""

import os
import select
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self


class Keys:
    """A terminal that gives single keys for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        self.before: list[Any] | None = None

    def __enter__(self) -> Self:
        if self.is_terminal and sys.platform != "win32":
            import termios
            import tty

            self.before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.before is not None and sys.platform != "win32":
            import termios

            with suppress(termios.error):  # it was closed
                termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.before)

    def wait(self, seconds: float) -> str:
        """The keys that were pressed, after at most so many seconds; empty where there were none."""
        if not self.is_terminal:
            time.sleep(seconds)
            return ""
        if sys.platform == "win32":
            return self.wait_on_windows(seconds)
        if not select.select([sys.stdin], [], [], seconds)[0]:
            return ""
        pressed = b""
        with suppress(OSError):
            pressed = os.read(sys.stdin.fileno(), 64)
        if not pressed:
            self.is_terminal = False  # it was closed
        return pressed.decode("utf-8", "ignore")

    def wait_on_windows(self, seconds: float) -> str:
        import msvcrt

        deadline = time.monotonic() + seconds
        pressed = ""
        while not pressed and time.monotonic() < deadline:
            time.sleep(0.01)
            while msvcrt.kbhit():  # type: ignore[attr-defined, unused-ignore]
                pressed += msvcrt.getwch()  # type: ignore[attr-defined, unused-ignore]
        return pressed
