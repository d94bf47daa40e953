"""A home without files, its store, sounds put into its training set, and untrained networks."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from loguru import logger

from fxd.config import PathSettings, Settings
from fxd.engines.engine import Array
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import PRESETS, TcnModel
from fxd.factory.clips import add_clip
from fxd.hashes import ContentHash
from fxd.store.records import Example, Subset
from fxd.store.store import Store, open_store
from fxd.training import challenge
from fxd.training.dataset import subset_of
from fxd.training.models import ModelCard, Score, write_model
from fxd.training.plan import Plan

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


@pytest.fixture
def make_network(settings: Settings) -> Callable[..., TcnModel]:
    """Makes an untrained network: small random weights, or all zero for one that gives silence."""

    def make(model_id: str, preset: str = "nano", seed: int = 0, scale: float = 0.1) -> TcnModel:
        rng = np.random.default_rng(seed)
        shapes = PRESETS[preset].shapes()
        weights = {name: rng.normal(0, scale, shape).astype(np.float32) for name, shape in shapes.items()}
        return TcnModel(model_id, PRESETS[preset], settings_hash(settings.saturator), weights)

    return make


@pytest.fixture
def make_card(settings: Settings) -> Callable[..., ModelCard]:
    """Makes the card of a network; `fields` replace its usual content."""

    def make(network: TcnModel, preset: str = "nano", **fields: Any) -> ModelCard:
        usual = ModelCard(
            id=network.id,
            created_at=datetime(2026, 11, 24, 3, 15, 2, tzinfo=UTC),
            origin="trained",
            fxd="0.1.0",
            preset=preset,
            architecture=json.loads(network.architecture.to_json()),
            sample_rate=network.sample_rate,
            weights=network.architecture.weight_count,
            saturator=settings.saturator,
            settings_hash=network.settings_hash,
            parent=None,
            recipe={"steps": 10},
            train_seconds=1.5,
            steps=10,
            trained_on=("ab" * 32,),
            scores=(Score(content_sha256="cd" * 32, seconds=5.0, esr_db=-20.5),),
            esr_db=-20.5,
            reason="it is the first",
            decision={"promoted": True},
            environment={"host": "here"},
        )
        return usual.model_copy(update=fields)

    return make


@pytest.fixture
def add_excerpt(add_sound: Callable[..., Example]) -> Callable[..., Example]:
    """Puts half a second of a clip into the training set, from where its content falls into the subset."""

    def add(clip: str, subset: Subset = "training") -> Example:
        sound, sample_rate = soundfile.read(CLIPS / f"{clip}.flac", dtype="float32", always_2d=True)
        for start in count(0, 100):
            excerpt = sound[start : start + sample_rate // 2].T
            content = ContentHash(sample_rate, len(excerpt))
            content.update(excerpt)
            if subset_of(content.hexdigest()) == subset:
                return add_sound(excerpt, sample_rate)
        raise AssertionError

    return add


@pytest.fixture
def excerpts(add_excerpt: Callable[..., Example]) -> list[Example]:
    """Two sounds for training, then two for validation."""
    training = [add_excerpt("loop_electric"), add_excerpt("guit_harmonics")]
    return training + [add_excerpt(clip, "validation") for clip in ("loop_amen", "loop_breakbeat")]


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Fixes the plan of every training, which else the clock decides."""

    def fix(**fields: object) -> None:
        fixed = Plan(steps=30, validate_every=10, batch=1)
        monkeypatch.setattr(challenge, "plan_for", lambda *_, **__: replace(fixed, **fields))

    fix()
    return fix


@pytest.fixture
def keep_model(settings: Settings, store: Store, make_card: Callable[..., ModelCard]) -> Callable[..., str]:
    """Puts a network into the home, with a card whose usual content `fields` replace; returns its id."""

    def keep(network: TcnModel, preset: str = "nano", **fields: Any) -> str:
        card = make_card(network, preset, **fields)
        write_model(settings.paths.models / network.id, network, card)
        store.add_model(card.record())
        return network.id

    return keep


@pytest.fixture
def silent_champion(
    store: Store, make_network: Callable[..., TcnModel], keep_model: Callable[..., str]
) -> str:
    """The id of a champion that gives nothing but a constant, so that every network is better."""
    network = make_network("silent", "feather", scale=0)
    network.weights["1.head_bias"][:] = 5
    keep_model(network, "feather", trained_on=())
    store.promote(network.id, "it is the first", datetime(2026, 11, 24, 3, 15, 2, tzinfo=UTC))
    return network.id


@pytest.fixture
def told() -> Iterator[list[str]]:
    """What the log tells a person, warnings included."""
    with logged("INFO") as lines:
        yield lines


@pytest.fixture
def warned() -> Iterator[list[str]]:
    """The warnings of the log."""
    with logged("WARNING") as lines:
        yield lines


@contextmanager
def logged(level: str) -> Iterator[list[str]]:
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), level=level, format="{message}")
    yield lines
    logger.remove(sink)
