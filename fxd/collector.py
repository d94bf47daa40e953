"""When Python looks for garbage: while a command works, and not among what it starts and ends with.

Starting makes a quarter of a million objects, modules and classes, all of which stay. The collector would go
through them again and again as they come, and once more at the end: a fifth of the time of a short command.
"""

import atexit
import gc


def rest() -> None:
    """No collections until `resume`; at the end none of what is still there, which goes with the process."""
    gc.disable()
    atexit.register(gc.freeze)


def resume() -> None:
    """Collect from here on, except among what is there by now; without a `rest` before it changes nothing."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
