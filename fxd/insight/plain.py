"""Text of files, made safe to print: what could steer a terminal is written out."""

import os


def plain(text: str) -> str:
    r"""The text in one line, with everything that could steer a terminal written out.

    >>> plain("a\x1b[31m\n")
    'a\\x1b[31m\\x0a'
    """
    return "".join(character if character.isprintable() else escape(ord(character)) for character in text)


def escape(code: int) -> str:
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def stored(text: str) -> str:
    r"""An argument as a database can hold and compare it: bytes that are no UTF-8 stand as \xNN.

    >>> stored("caf\udce9")
    'caf\\xe9'
    """
    return os.fsencode(text).decode("utf-8", "backslashreplace")


def short_id(model_id: str) -> str:
    """A model's id without its date and time: enough to tell models apart, and `fxd models show` takes it.

    >>> short_id("20261124-031502-compact-ab12")
    'compact-ab12'
    """
    return model_id.split("-", 2)[-1]
