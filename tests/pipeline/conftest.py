"""A network that was never trained: enough for everything but quality."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mounts import SmallDisk, mounted

from fxd.engines.tcn import PRESETS, TcnModel, save_weights


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """weights.safetensors of a small random network."""
    rng = np.random.default_rng(0)
    architecture = PRESETS["nano"]
    weights = {
        name: np.asarray(0.1 * rng.standard_normal(shape), np.float32)
        for name, shape in architecture.shapes().items()
    }
    path = tmp_path_factory.mktemp("untrained") / "weights.safetensors"
    save_weights(path, TcnModel("untrained", architecture, "0" * 12, weights))
    return path


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of half a megabyte."""
    with mounted(tmp_path / "small", 512) as disk:
        yield disk
