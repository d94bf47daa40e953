"""A search aside is no process that outlives who asked for it."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
from homes import wait_until

import fxd

ASK = """
import os, time
from fxd.insight.aside import helper
if __name__ == "__main__":
    with helper() as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_the_helper_ends_with_who_was_killed() -> None:
    where = {**os.environ, "PYTHONPATH": str(Path(fxd.__file__).parents[1])}
    asking = subprocess.Popen([sys.executable, "-c", ASK], stdout=subprocess.PIPE, env=where)
    assert asking.stdout is not None
    pid = int(asking.stdout.readline())
    asking.kill()
    asking.wait()
    asking.stdout.close()
    wait_until(lambda: not psutil.pid_exists(pid), "the helper ends", 30)
