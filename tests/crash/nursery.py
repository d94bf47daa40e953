"""A process that has loaded all of fxd, and forks for every command: that saves two seconds a run.

    python nursery.py        orders come on stdin, news go to stdout, one JSON object a line

The commands are the real ones, in processes of their own; only how they came to be is another way, and so it is
for their workers. What is to be traced waits for its tracer before it does anything.
"""

import ctypes
import gc
import json
import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

from fxd.cli import run as fxd_run
from fxd.config import SaturatorSettings, Settings, TcnSettings
from fxd.factory import DEFAULT_PRESET, factory_folder
from fxd.log import warn_only
from fxd.pipeline.process import load_engines
from fxd.training.models import WEIGHTS_NAME
from fxd.training.preparation import warm_up

ANY_TRACER = (0x59616D61, ctypes.c_ulong(-1 % 2**64))
"""PR_SET_PTRACER, PR_SET_PTRACER_ANY: where a system asks for it, any process may trace the one that says so."""
TRACED = "traced"
"""A file in the folder of an order: the process to be traced, which waits for it."""


def work() -> None:
    """Fork for one order after the other. The forked process returns from here as `fxd`."""
    get_context = multiprocessing.get_context
    multiprocessing.get_context = lambda _=None: get_context("fork")  # type: ignore[assignment]
    load_everything()
    gc.freeze()  # what is loaded is shared by all, until somebody writes to it
    tell({"ready": True})
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            become_fxd(order)
            return
        tell({"pid": child})
        tell({"code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])})


def load_everything() -> None:
    import fxd.commands.process
    import fxd.commands.retrain
    import fxd.daemon
    import fxd.training.retrain  # noqa: F401

    warn_only()
    load_engines(SaturatorSettings(), factory_folder(DEFAULT_PRESET) / WEIGHTS_NAME)
    warm_up(Settings(tcn=TcnSettings(preset="nano", device="cpu")))


def tell(news: dict[str, Any]) -> None:
    print(json.dumps(news), flush=True)


def become_fxd(order: dict[str, Any]) -> None:
    """Be what the order asks for: `arguments` of fxd in `home`, on one `core`, traced in one `role`."""
    os.setsid()
    os.chdir(order["home"])
    os.sched_setaffinity(0, {order["core"]})
    with open(order["said"], "ab") as said, open(os.devnull, "rb") as nothing:  # noqa: PTH123
        for file, descriptor in ((nothing, 0), (said, 1), (said, 2)):
            os.dup2(file.fileno(), descriptor)
    sys.argv[1:] = ["fxd", "--home", order["home"], *order["arguments"]]
    traced = Path(order["folder"], TRACED)
    if order["role"] == "main":
        wait_for_tracer(traced)
    elif order["role"] == "worker":
        os.register_at_fork(after_in_child=lambda: wait_for_tracer(traced))


def wait_for_tracer(traced: Path) -> None:
    """The first that comes here is traced; the others go on at once."""
    try:
        descriptor = os.open(traced, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    except FileExistsError:
        return
    ctypes.CDLL(None).prctl(*ANY_TRACER, 0, 0, 0)
    os.write(descriptor, str(os.getpid()).encode())
    os.close(descriptor)
    os.kill(os.getpid(), signal.SIGSTOP)


if __name__ == "__main__":
    nursery = os.getpid()
    work()
    if os.getpid() != nursery:
        code = fxd_run(sys.argv[2:])
        sys.stdout.flush()
        sys.stderr.flush()
        # To take all apart that the nursery had loaded would take three times as long as all before.
        os._exit(code)
