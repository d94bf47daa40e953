"""What reaches the screen, and the log of another process."""

import json
import subprocess
import sys

import pytest
from loguru import logger

from fxd.log import log_handed_on

SHUTDOWN = """
import logging
from fxd.config import LoggingSettings
from fxd.log import set_up_log
set_up_log(LoggingSettings(file=""))
logging.getLogger("watchdog.observers.inotify").error("called when the thread is inactive")
"""


HANDING_ON = """
from fxd.log import hand_on, logger
hand_on("INFO")
logger.debug("nobody asked")
logger.info("{} is silent", "{a}<red>.wav")
try:
    1 / 0
except ZeroDivisionError:
    logger.exception("a bug")
"""


def test_a_process_that_the_daemon_began_hands_its_lines_on_with_their_level(
    capsys: pytest.CaptureFixture[str],
) -> None:
    done = subprocess.run([sys.executable, "-c", HANDING_ON], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    sink = logger.add(lambda message: print(message, end=""), format="{level} {message}")
    for line in done.stdout.splitlines():
        log_handed_on(json.loads(line))
    logger.remove(sink)
    silent, bug, *traceback = capsys.readouterr().out.splitlines()
    assert (silent, bug) == ("INFO {a}<red>.wav is silent", "ERROR a bug")
    assert traceback[-1] == "ZeroDivisionError: division by zero"


def test_the_watcher_does_not_report_its_own_shutdown() -> None:
    done = subprocess.run([sys.executable, "-c", SHUTDOWN], capture_output=True, text=True, check=True)
    assert done.stderr == ""
