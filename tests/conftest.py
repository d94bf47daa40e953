"""What most tests need: the clips, a home, and a user's home that stays untouched."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from homes import Home

from fxd.home import make_home

AUDIO = Path(__file__).parent / "audio"

# The user's home is another one in every run of the suite; compiled code is to be found again.
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "kernels"))


@pytest.fixture(scope="session")
def clips() -> list[Path]:
    """The CC0 clips, sorted by name."""
    return sorted(AUDIO.glob("*.flac"))


@pytest.fixture(scope="session", autouse=True)
def _untouched_user_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing may be written into the user's home: it is an empty folder here, and empty at the end."""
    home = tmp_path_factory.mktemp("user-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        for name in [name for name in os.environ if name.startswith("FXD_")]:
            if not name.startswith("FXD_TEST_WITHOUT_"):
                patch.delenv(name)
        yield
    assert list(home.iterdir()) == [], "a test wrote into the user's home"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A new home that settles quickly, with one worker; its daemons end with the test."""
    root = tmp_path / "home"
    make_home(root)
    made = Home(root)
    made.configure("[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = 1\n[training]\nschedule = ''\n")
    yield made
    for daemon in made.daemons:
        if daemon.poll() is None:
            daemon.kill()
            daemon.wait()


@pytest.fixture
def short_queue() -> Iterator[None]:
    """The kernel keeps hardly any events for whoever begins to watch now."""
    setting = Path("/proc/sys/fs/inotify/max_queued_events")
    before = setting.read_text() if setting.exists() else ""
    try:
        setting.write_text("64")
    except OSError as error:
        pytest.skip(
            f"needs the right to change fs.inotify.max_queued_events: run the tests as root ({error})"
        )
    yield
    setting.write_text(before)
