"""`fxd start`."""

from pathlib import Path

from rich.console import Console

from fxd.config import Settings


def start(home: Path, settings: Settings, once: bool) -> int:
    """Run the daemon until it is told to end, or with `once` until the inbox is empty."""
    from fxd.daemon import Daemon
    from fxd.log import set_up_log
    from fxd.screen import Screen
    from fxd.training.schedule import check_schedule

    check_schedule(settings.training.schedule)
    screen = Screen(Console(stderr=True))
    terminal = screen.log if screen.console.is_terminal else None
    set_up_log(settings.logging, terminal)
    try:
        return Daemon(settings, home, once, screen).run()
    finally:
        screen.close()
