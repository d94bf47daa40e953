"""`fxd init`."""

from pathlib import Path

from fxd.config import load_settings
from fxd.home import make_home
from fxd.store.store import open_store


def init(folder: Path) -> int:
    """Make a home in `folder`, or complete one; what is there stays as it is."""
    folder = folder.absolute()
    created = make_home(folder)
    # The tables are made here, once, so that no later command waits for it.
    open_store(load_settings(folder).database_url).close()
    if created:
        names = ", ".join(path.name for path in created)
        print(f"Made a home in {folder}: {names}")
    else:
        print(f"{folder} is a home already; nothing was changed")
    here = "" if folder == Path.cwd() else f"--home {folder} "
    print(f"Next: `fxd {here}start`, and drop files into {folder / 'inbox'}")
    return 0
