"""The home: the folder with `config.toml`, `inbox`, `outbox`, `models` and `db`."""

import os
from pathlib import Path

from fxd.config import CONFIG_NAME, HOME_VARIABLE, ConfigError, Settings, default_config, load_settings
from fxd.pipeline.files import make_folder, sync_file, sync_folders


def find_home(given: Path | None) -> Path:
    """The home that was given, else `FXD_HOME`, else the current folder; absolute.

    Raises ConfigError where that is no home.
    """
    home = (given or Path(os.environ.get(HOME_VARIABLE) or ".")).absolute()
    if not (home / CONFIG_NAME).is_file() and not (home / "inbox").is_dir():
        raise ConfigError(
            f"{home} is not an fxd home (no {CONFIG_NAME} there): make one with `fxd init {home}`, "
            f"or name one with --home or {HOME_VARIABLE}"
        )
    return home


def open_home(given: Path | None) -> tuple[Path, Settings]:
    """The home and its settings."""
    home = find_home(given)
    return home, load_settings(home)


def make_home(home: Path) -> list[Path]:
    """Create what a home needs and is not there yet; returns what was created.

    Only its owner can read the settings, which may hold a database password, and the folder of the database.
    """
    created = []
    make_folder(home)
    config = home / CONFIG_NAME
    if not config.exists():
        config.touch(mode=0o600)
        config.write_text(default_config(), encoding="utf-8")
        created.append(config)
    paths = load_settings(home).paths
    for folder in (paths.inbox, paths.outbox, paths.models, paths.db):
        if not folder.is_dir():
            make_folder(folder.parent)
            folder.mkdir(mode=0o700 if folder == paths.db else 0o777)
            created.append(folder)
    # For good: what somebody drops must not go with the inbox that a power cut takes away.
    sync_file(config)
    sync_folders(path.parent for path in created)
    return created
