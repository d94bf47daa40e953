"""How `fxd process` ends what its workers tell, without the workers."""

from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest
from finishing import make_publisher
from rich.progress import Progress

from fxd.commands.process import Batch
from fxd.config import load_settings
from fxd.home import make_home
from fxd.pipeline.job import Trouble
from fxd.pipeline.loose import loose_claim
from fxd.store.store import open_store

GONE = Trouble("[Errno 2] No such file or directory")


@pytest.fixture
def batch(tmp_path: Path) -> Iterator[Batch]:
    root = tmp_path / "home"
    make_home(root)
    settings = load_settings(root)
    with open_store(settings.database_url) as store:
        yield Batch(settings, make_publisher(root, store), root / "weights.safetensors", [], Progress())


def test_a_file_that_is_taken_away_fails_alone(batch: Batch, tmp_path: Path) -> None:
    path = tmp_path / "riff.wav"
    path.write_bytes(b"sound")
    claim = loose_claim(tmp_path, PurePath("riff.wav"))
    with pytest.raises(OSError, match="No such file"):
        batch.end(claim, tmp_path / "attempt", GONE)
    path.unlink()
    batch.end(claim, tmp_path / "attempt", GONE)
    assert [(run.state, run.reason) for run in batch.runs] == [
        ("failed", "somebody moved or removed it meanwhile")
    ]
