"""Material of the scenarios: pieces of real clips, in an inbox or in a training set, and a poor champion."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import numpy as np
import soundfile

from fxd.config import Settings
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import PRESETS, TcnModel
from fxd.factory.clips import add_clip
from fxd.hashes import ContentHash
from fxd.store.records import Subset
from fxd.store.store import Store
from fxd.training.dataset import subset_of
from fxd.training.models import ModelCard, write_model

AUDIO = Path(__file__).parents[1] / "audio"


def excerpt(path: Path, clip: str, frames: int, start: int = 0) -> None:
    """A piece of a clip as a file of its own, in the format that its suffix says."""
    sound, sample_rate = soundfile.read(AUDIO / f"{clip}.flac", frames=frames, start=start)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, sample_rate)


def add_excerpt(
    settings: Settings, store: Store, clip: str, subset: Subset, frames: int, first: int = 0
) -> None:
    """Put a piece of a clip into the training set, from where on its content belongs to `subset`."""
    for start in count(first, 50):
        path = settings.paths.db / "excerpt.wav"
        excerpt(path, clip, frames, start)
        sound, sample_rate = soundfile.read(path, dtype="float32", always_2d=True)
        content = ContentHash(sample_rate, sound.shape[1])
        content.update(np.ascontiguousarray(sound.T))
        if subset_of(content.hexdigest()) == subset:
            add_clip(store, settings, path)
            path.unlink()
            return


def add_poor_champion(settings: Settings, store: Store) -> None:
    """One that answers everything with a constant."""
    architecture = PRESETS["feather"]
    weights = {name: np.zeros(shape, np.float32) for name, shape in architecture.shapes().items()}
    weights["1.head_bias"][:] = 5
    network = TcnModel("poor", architecture, settings_hash(settings.saturator), weights)
    card = ModelCard(
        id=network.id,
        created_at=datetime.now(UTC),
        origin="trained",
        fxd="0",
        preset="feather",
        architecture={},
        sample_rate=network.sample_rate,
        weights=architecture.weight_count,
        saturator=settings.saturator,
        settings_hash=network.settings_hash,
        parent=None,
        recipe={},
        train_seconds=0.0,
        steps=0,
        trained_on=(),
        scores=(),
        esr_db=None,
        reason="it is the first",
        decision={},
        environment={},
    )
    write_model(settings.paths.models / network.id, network, card)
    store.add_model(card.record())
    store.promote(network.id, card.reason, card.created_at)
