"""The errors that are a person's or a machine's to mend: they are told in a line, without a traceback."""

import sys


def expected_errors() -> tuple[type[Exception], ...]:
    """The kinds of error that can have happened so far: what was never imported was never raised."""
    names = (
        ("fxd.store.errors", "StoreError"),
        ("fxd.instance", "AlreadyRunning"),
        ("fxd.training.lock", "AlreadyTraining"),
        ("fxd.training.models", "ModelError"),
        ("fxd.audio", "AudioError"),
        ("fxd.live.errors", "LiveError"),
    )
    found = [getattr(sys.modules[module], name) for module, name in names if module in sys.modules]
    return (OSError, *found)
