"""What each key does."""

from collections.abc import Callable, Mapping

from fxd.live.session import Session

END_KEYS = frozenset("x\x03\x04")
"""x, and where the terminal hands them on Ctrl-C and Ctrl-D."""

SUSPEND_KEY = "\x1a"
"""Ctrl-Z."""

CONTROLS: Mapping[str, Callable[[Session], None]] = {
    "1": lambda session: session.choose("dsp"),
    "2": lambda session: session.choose("tcn"),
    "3": lambda session: session.choose("bypass"),
    " ": lambda session: session.go_back(),
    "q": lambda session: session.turn("drive", 1),
    "a": lambda session: session.turn("drive", -1),
    "w": lambda session: session.turn("tone_hz", 1),
    "s": lambda session: session.turn("tone_hz", -1),
    "e": lambda session: session.turn("output_gain", 1),
    "d": lambda session: session.turn("output_gain", -1),
    "r": lambda session: session.reset(),
    SUSPEND_KEY: lambda session: session.stay(),
}


def press(session: Session, keys: str) -> bool:
    """Do what the keys say; False where one of them ends the session. Other keys do nothing."""
    for key in keys.lower():
        if key in END_KEYS:
            return False
        if key in CONTROLS:
            CONTROLS[key](session)
    return True
