"""`fxd stop`."""

import sys

from fxd.config import Settings
from fxd.instance import Instance

STOP_SECONDS = 15.0


def stop(settings: Settings) -> int:
    """End the daemon of this home gracefully, and wait until it has ended."""
    instance = Instance(settings.paths.db)
    if not instance.is_held():
        print("no daemon runs on this home")
        return 0
    if instance.stop(STOP_SECONDS):
        print("ended")
        return 0
    print(
        f"fxd: the daemon did not end within {STOP_SECONDS:.0f} s; see its log, or kill it", file=sys.stderr
    )
    return 1
