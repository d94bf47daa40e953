"""Keys as they are pressed, without Enter; nothing where there is no terminal."""

import os
import re
import select
import sys
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

CHARACTERS = 6
"""Where a terminal's special characters stand among its attributes."""
SEQUENCES = re.compile(r"\x1b(?:\[\[.|\[[0-?]*[ -/]*[@-~]|O.|[^\x1b])?", re.DOTALL)
"""What a terminal sends for arrows, function keys and Alt with a key."""
WINDOWS_PREFIXES = "\0\xe0"
"""Of the same on Windows: one more follows."""


def letters(pressed: str) -> str:
    """The keys without those that send more than what stands on them: nobody who presses Left wants a d.

    >>> letters("1\\x1b[Dq\\x1b[3~\\x1bOQ\\x1b[[Ax\\x1b")
    '1qx'
    """
    return SEQUENCES.sub("", pressed)


class Keys:
    """A terminal that gives single keys for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self.is_terminal = sys.stdin.isatty()
        self.was_closed = False
        """Whether the terminal is gone, and whoever sat at it."""
        self.before: list[Any] | None = None

    def __enter__(self) -> Self:
        if self.is_terminal and sys.platform != "win32":
            import termios
            import tty

            self.before = termios.tcgetattr(sys.stdin)
            tty.setcbreak(sys.stdin)
            # A process that Ctrl-Z has stopped keeps a JACK server, and all its clients, waiting.
            mode = termios.tcgetattr(sys.stdin)
            mode[CHARACTERS][termios.VSUSP] = bytes([os.fpathconf(sys.stdin.fileno(), "PC_VDISABLE") & 0xFF])
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, mode)
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
            self.is_terminal, self.was_closed = False, True
        return letters(pressed.decode("utf-8", "ignore"))

    def wait_on_windows(self, seconds: float) -> str:
        import msvcrt

        deadline = time.monotonic() + seconds
        pressed = ""
        while not pressed and time.monotonic() < deadline:
            time.sleep(0.01)
            while msvcrt.kbhit():  # type: ignore[attr-defined, unused-ignore]
                key = msvcrt.getwch()  # type: ignore[attr-defined, unused-ignore]
                if key in WINDOWS_PREFIXES:
                    msvcrt.getwch()  # type: ignore[attr-defined, unused-ignore]
                else:
                    pressed += key
        return pressed
