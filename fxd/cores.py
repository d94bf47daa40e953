"""The cores that this process may use: in a container, or where it is pinned, fewer than the machine has."""

import os


def usable_cores() -> list[int]:
    """Their numbers; where the system does not tell (macOS, Windows), as many numbers as there are cores."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))
