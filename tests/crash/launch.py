"""Runs `fxd` as its command does, with one difference: Python processes that it starts get tracers of their own.

    python launch.py TRACERS COMMAND...

TRACERS is a folder. A worker is started by `worker` in it, a retraining by `retrain`, where these are there: both
are programs that take the arguments of Python (`fxd` itself starts them with `sys.executable`).
"""

import multiprocessing
import sys
from pathlib import Path

from fxd.cli import main

if __name__ == "__main__":
    tracers = Path(sys.argv[1])
    if (tracers / "worker").exists():
        multiprocessing.set_executable(str(tracers / "worker"))
    if (tracers / "retrain").exists():
        sys.executable = str(tracers / "retrain")
    sys.argv[1:] = sys.argv[2:]
    main()
