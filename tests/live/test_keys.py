"""Keys of a real terminal, and what is done with them."""

import os
import pty
import sys
from collections.abc import Iterator

import pytest

if sys.platform == "win32":
    pytest.skip("terminals of Windows have no pty", allow_module_level=True)

import termios

from fxd.live.keys import Keys

ICANON, ECHO, ISIG = termios.ICANON, termios.ECHO, termios.ISIG
LOCAL = 3


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """What is written here, a person pressed."""
    far, near = pty.openpty()
    with os.fdopen(near, "r", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield far
        os.close(far)


def pressed(keyboard: int, keys: bytes) -> str:
    with Keys() as waiting:
        os.write(keyboard, keys)
        return waiting.wait(5)


def test_keys_come_without_enter_and_the_terminal_is_afterwards_as_it_was(keyboard: int) -> None:
    before = termios.tcgetattr(keyboard)
    with Keys() as keys:
        assert termios.tcgetattr(keyboard)[LOCAL] & (ICANON | ECHO | ISIG) == ISIG
        os.write(keyboard, b"q")
        assert keys.wait(5) == "q"
    assert termios.tcgetattr(keyboard) == before


@pytest.mark.parametrize(
    "sent", [b"\x1b[A", b"\x1b[D", b"\x1bOQ", b"\x1b[3~", b"\x1b[1;5C", b"\x1b[[B", b"\x1bx"]
)
def test_an_arrow_or_a_function_key_is_none_of_the_letters_that_it_sends(keyboard: int, sent: bytes) -> None:
    assert pressed(keyboard, b"1" + sent + b"2") == "12"


def test_control_z_is_a_key_and_stops_nothing(keyboard: int) -> None:
    assert pressed(keyboard, b"\x1a") == "\x1a"


def test_a_terminal_that_is_gone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = pty.openpty()
    with os.fdopen(near, "r", encoding="utf-8") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        with Keys() as keys:
            os.close(far)
            assert keys.wait(5) == ""
            assert keys.was_closed
