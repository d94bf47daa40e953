"""Servers, and homes for them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from homes import Home
from serving import Serve, Served, serving

from fxd.config import load_settings
from fxd.home import make_home
from fxd.store.records import Run
from fxd.store.store import open_store


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    with serving(tmp_path) as starter:
        yield starter


@pytest.fixture
def fill(home: Home) -> Callable[[list[Run]], None]:
    """Records runs in the home."""

    def record(runs: list[Run]) -> None:
        with open_store(load_settings(home.root).database_url) as store:
            store.record_runs([(run, None) for run in runs])

    return record


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server on an empty home, for tests that change nothing."""
    folder = tmp_path_factory.mktemp("served")
    make_home(folder / "home")
    with serving(folder) as starter:
        yield starter(Home(folder / "home"))
