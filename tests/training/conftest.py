"""A home without files, its store, and sounds put into its training set."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxd.config import PathSettings, Settings
from fxd.engines.engine import Array
from fxd.factory.make import add_clip
from fxd.store.records import Example
from fxd.store.store import Store, open_store

CLIPS = Path(__file__).parent.parent / "audio"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Default settings, with all paths below the test's own folder."""
    paths = {name: tmp_path / "home" / name for name in PathSettings.model_fields}
    for path in paths.values():
        path.mkdir(parents=True)
    return Settings(paths=PathSettings(**paths))


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.database_url) as opened:
        yield opened


@pytest.fixture
def add_clips(settings: Settings, store: Store) -> Callable[..., list[Example]]:
    """Puts clips of tests/audio, by name, into the training set."""
    return lambda *names: [add_clip(store, settings, CLIPS / f"{name}.flac") for name in names]


@pytest.fixture
def add_sound(settings: Settings, store: Store, tmp_path: Path) -> Callable[[Array, int], Example]:
    """Puts a sound, float32 [channels, frames] at a sample rate, into the training set."""

    def add(sound: Array, sample_rate: int = 48_000) -> Example:
        path = tmp_path / "sound.wav"
        soundfile.write(path, np.atleast_2d(sound).T, sample_rate, subtype="FLOAT")
        return add_clip(store, settings, path)

    return add
