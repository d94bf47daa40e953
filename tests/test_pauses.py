"""What a daemon in trouble says, without its processes."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from loguru import logger

from fxd.config import load_settings
from fxd.daemon import Daemon
from fxd.home import make_home
from fxd.screen import Screen
from fxd.store.store import StoreUnavailable, open_store


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    """A daemon that was made, and not started: it holds nothing, and has nothing under way."""
    make_home(tmp_path / "home")
    made = Daemon(load_settings(tmp_path / "home"), tmp_path / "home", once=False, screen=cast(Screen, None))
    made.dispatcher = cast(Any, SimpleNamespace(settled=0, is_at_work=False))
    return made


@pytest.fixture
def told() -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]))
    yield lines
    logger.remove(sink)


def test_troubles_that_take_turns_are_told_once_each(daemon: Daemon, told: list[str]) -> None:
    """Where the disk of a whole home is gone, its inbox and its status fail in turn, ten times a second."""
    for _ in range(5):
        daemon.pause("the inbox is gone")
        daemon.pause("the status cannot be written")
    assert [line.split(": ")[1].split(";")[0] for line in told] == [
        "the inbox is gone",
        "the status cannot be written",
    ]
    daemon.resume()
    daemon.pause("the inbox is gone")
    assert [line.split(":")[0] for line in told[2:]] == ["going on", "paused, nothing is lost"]


def test_a_database_in_which_no_model_serves_is_trouble_that_may_pass(daemon: Daemon) -> None:
    with open_store(daemon.settings.database_url) as store:
        daemon.store = store
        with pytest.raises(StoreUnavailable, match=r"fxd\.sqlite3: no model serves; .*fxd models promote"):
            daemon.model_id()
