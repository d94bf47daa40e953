"""What reaches the screen."""

import subprocess
import sys

SHUTDOWN = """
import logging
from fxd.config import LoggingSettings
from fxd.log import set_up_log
set_up_log(LoggingSettings(file=""))
logging.getLogger("watchdog.observers.inotify").error("called when the thread is inactive")
"""


def test_the_watcher_does_not_report_its_own_shutdown() -> None:
    done = subprocess.run([sys.executable, "-c", SHUTDOWN], capture_output=True, text=True, check=True)
    assert done.stderr == ""
