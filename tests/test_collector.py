import atexit
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from fxd import cli, collector
from fxd.home import make_home


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.enable()
    gc.unfreeze()
    atexit.unregister(gc.freeze)


def test_a_command_collects_garbage_while_it_works_but_not_among_what_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_home(tmp_path)
    monkeypatch.setattr("sys.argv", ["fxd", "--home", str(tmp_path), "stats"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0, capsys.readouterr().err
    assert gc.isenabled()
    assert gc.get_freeze_count() > 10_000


def test_who_calls_a_command_from_python_keeps_a_collector_that_sees_all() -> None:
    collector.resume()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
