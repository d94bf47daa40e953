"""Where log lines go: to people on stderr, and to a rotating file, as text or as JSON lines."""

import json
import logging
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from loguru import logger

from fxd.config import LoggingSettings

if TYPE_CHECKING:
    from loguru import Message, Record

ROTATION_BYTES = 10_000_000
PLAIN = "{time:YYYY-MM-DD HH:mm:ss} {level:<7} {message}"
COLOURED = "<dim>{time:HH:mm:ss}</dim> <level>{level:<7}</level> {message}"


def set_up_log(settings: LoggingSettings, terminal: Callable[[str], None] | None = None) -> None:
    """Send the log to stderr, or to `terminal` as coloured lines, and to the configured file."""
    # watchdog calls its own shutdown an error; what matters of it is seen by looking at the folder.
    logging.getLogger("watchdog").setLevel(logging.CRITICAL)
    logger.remove()
    if terminal is None:
        logger.add(sys.stderr, level=settings.level, format=PLAIN, colorize=False)
    else:
        logger.add(terminal, level=settings.level, format=COLOURED, colorize=True)
    if settings.file:
        logger.add(
            settings.file,
            level=settings.level,
            format=json_line if settings.as_json else PLAIN,
            rotation=ROTATION_BYTES,
            opener=open_private,
            encoding="utf-8",
            errors="backslashreplace",
        )


def open_private(path: str, flags: int) -> int:
    """Open a file which, if it is new, only its owner can read: the log tells the names of all files."""
    return os.open(path, flags, 0o600)


def warn_only() -> None:
    """For commands that tell their result themselves: nothing but warnings, on stderr."""
    logger.remove()
    logger.add(sys.stderr, level="WARNING", format="{level}: {message}", colorize=False)


def hand_on(level: str) -> None:
    """For a process that the daemon began: the log goes to stdout as JSON lines, for `log_handed_on` there.

    Only the daemon writes to the log file: two processes that rotate one would lose lines.
    """
    logger.remove()
    logger.add(write_handed_on, level=level, format="{message}", colorize=False)


def write_handed_on(message: "Message") -> None:
    # With a traceback where there is one, which the message of the record has not.
    line = {"log": str(message).rstrip("\n"), "level": message.record["level"].name}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def log_handed_on(line: dict[str, str]) -> None:
    """Log what another process handed on, as if it had been said here."""
    logger.log(line["level"], "{}", line["log"])


def json_line(record: "Record") -> str:
    """One JSON object a line: time, level, message, and what the line is about."""
    line = {
        "time": record["time"].astimezone().isoformat(),
        "level": record["level"].name,
        "message": record["message"],
        **{key: value for key, value in record["extra"].items() if key != "line"},
    }
    # Loguru formats what a format function returns once more; `extra` carries the text past that.
    record["extra"]["line"] = json.dumps(line, ensure_ascii=False)
    return "{extra[line]}\n{exception}"
