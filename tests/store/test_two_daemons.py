"""Two daemons on one inbox, from two homes with one database."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
import soundfile
from homes import Home, wait_until

from fxd.home import make_home
from fxd.store.store import open_store

FILES = 60


class Server(Protocol):
    """A running PostgreSQL."""

    def emptied_url(self) -> str: ...


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_two_daemons_on_one_inbox_process_each_file_once(
    home: Home, postgresql: Server, tmp_path: Path
) -> None:
    make_home(tmp_path / "second")
    second = Home(tmp_path / "second")
    url = postgresql.emptied_url()
    for one in (home, second):
        one.configure(
            f'[paths]\ninbox = "{home.inbox}"\n[database]\nurl = "{url}"\n'
            "[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = 1\n[training]\nschedule = ''\n"
        )
    daemons = [home.start(), second.start()]
    (home.inbox / "sub").mkdir()
    rng = np.random.default_rng(0)
    try:
        for number in range(FILES):
            made = tmp_path / f"{number}.wav"
            soundfile.write(made, 0.1 * rng.standard_normal(4410), 44_100)
            shutil.move(made, home.inbox / "sub" if number % 2 else home.inbox)
        done = home.inbox / "done"
        wait_until(lambda: len(list(done.rglob("*.wav"))) == FILES, "all are archived", 600)
        assert [one.stop(daemon) for one, daemon in zip((home, second), daemons, strict=True)] == [0, 0]
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.wait()
    with open_store(url) as store:
        runs = store.runs(10 * FILES)
    assert Counter(run.state for run in runs) == {"done": FILES}
    assert len({run.sha256 for run in runs}) == FILES
    outputs = home.outputs() + second.outputs()
    assert len(outputs) == len(set(outputs)) == 2 * FILES
