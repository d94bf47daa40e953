"""A set that is larger than the pool: what is in memory at which step, and what is read for it."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fxd.audio import Reader
from fxd.config import Settings
from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture, LayerArray
from fxd.store.records import Example
from fxd.training import trainer
from fxd.training.pairs import PairSource
from fxd.training.plan import Plan
from fxd.training.pool import EXCHANGE, TrainingSet
from fxd.training.trainer import Trained, train

AddSound = Callable[..., Example]

RATE = 48_000
SECOND = {"batch": 4, "frames": RATE // 4, "context": 0}
"""Batches of a second of sound in all."""
SMALL = Architecture((LayerArray(1, 4, 1, head_bias=True, dilations=(1, 2, 4)),), head_scale=0.1)


@pytest.fixture
def source(settings: Settings) -> PairSource:
    return PairSource(settings.dataset, settings.saturator)


@pytest.fixture
def sounds(add_sound: AddSound) -> list[Example]:
    """Twelve sounds of four seconds of noise, each with a level of its own, all for training."""
    rng = np.random.default_rng(0)
    levels = 0.02 * np.arange(1, 13)
    added = [add_sound(rng.normal(0, level, 4 * RATE).astype(np.float32)) for level in levels]
    return [replace(example, subset="training") for example in added]


@pytest.fixture
def read_frames(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of all blocks that are read."""
    lengths: list[int] = []
    blocks = Reader.blocks

    def counted(self: Reader, frames: int = 65_536) -> Iterator[Array]:
        for block in blocks(self, frames):
            lengths.append(block.shape[1])
            yield block

    monkeypatch.setattr(Reader, "blocks", counted)
    return lengths


def in_pool(training_set: TrainingSet) -> set[float]:
    return {float(piece.wet[1000]) for piece in training_set.pieces}


def test_a_large_set_passes_through_a_pool_of_fixed_size(sounds: list[Example], source: PairSource) -> None:
    training_set = TrainingSet(sounds, source, 0, pool_seconds=16)
    rng, heard, before = np.random.default_rng(1), set[float](), set[float]()
    for step in range(300):
        training_set.sample(rng, **SECOND, step=step)
        assert 16 * RATE <= training_set.ends[-1] <= (16 + 8) * RATE
        now = in_pool(training_set)
        # Gradually: one sound comes and one goes.
        assert not before or len(now - before) <= 1
        heard |= now
        before = now
    assert len(heard) == 12
    assert sum(seconds for _, seconds in training_set.costs) == pytest.approx(16 + 300 * EXCHANGE, abs=8)


@pytest.mark.parametrize("threads", [1, 4])
def test_what_is_drawn_depends_on_the_step_and_the_generator_alone(
    sounds: list[Example], source: PairSource, threads: int
) -> None:
    uninterrupted = TrainingSet(sounds, source, 0, pool_seconds=16)
    for step in range(50):
        uninterrupted.sample(np.random.default_rng(step), **SECOND, step=step)
    expected = uninterrupted.sample(np.random.default_rng(50), **SECOND, step=50)
    resumed = TrainingSet(sounds, source, 0, pool_seconds=16, threads=threads)
    assert in_pool(resumed) != in_pool(uninterrupted)
    for one, other in zip(
        expected, resumed.sample(np.random.default_rng(50), **SECOND, step=50), strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_training_that_was_killed_ends_with_the_same_weights_though_the_pool_changed(
    sounds: list[Example], source: PairSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    class Killing(TrainingSet):
        def sample(
            self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
        ) -> tuple[Array, Array]:
            if step == 30:
                raise Killed
            return super().sample(rng, batch, frames, context, step)

    def run(segments: TrainingSet, folder: Path) -> Trained:
        plan = Plan(steps=40, validate_every=40, batch=4, frames=RATE // 4)
        return train(
            SMALL, segments, [], plan, model_id="m", settings_hash="h", checkpoint=folder / "c", device="cpu"
        )

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    whole = TrainingSet(sounds, source, 0, pool_seconds=16)
    expected = run(whole, tmp_path / "whole").model
    assert whole.window.start > 1
    with pytest.raises(Killed):
        run(Killing(sounds, source, 0, pool_seconds=16), tmp_path)
    resumed = run(TrainingSet(sounds, source, 0, pool_seconds=16), tmp_path)
    for name, weight in expected.weights.items():
        np.testing.assert_array_equal(weight, resumed.model.weights[name])


def test_what_is_read_does_not_grow_with_the_set(
    add_sound: AddSound, source: PairSource, read_frames: list[int]
) -> None:
    noise = np.random.default_rng(0).normal(0, 0.2, 300 * RATE).astype(np.float32)
    long = replace(add_sound(noise), subset="training")
    read_frames.clear()
    TrainingSet([long], source, 0, pool_seconds=40)
    few = sum(read_frames)
    assert few < 100 * RATE
    read_frames.clear()
    TrainingSet([replace(long, content_sha256=f"{n:064x}") for n in range(50)], source, 0, pool_seconds=40)
    assert sum(read_frames) <= 1.5 * few


def test_a_missing_or_damaged_sound_of_a_large_set_is_skipped_with_a_line(
    sounds: list[Example], source: PairSource, settings: Settings, warned: list[str]
) -> None:
    missing, damaged = sounds[0], sounds[1]
    (settings.dataset / missing.path).unlink()
    path = settings.dataset / damaged.path
    path.write_bytes(path.read_bytes()[:200_000])
    training_set = TrainingSet(sounds, source, 0, pool_seconds=16)
    for step in range(0, 300, 5):
        training_set.sample(np.random.default_rng(step), **SECOND, step=step)
    assert source.skipped.keys() == {missing.content_sha256, damaged.content_sha256}
    assert len(warned) == 2
    assert len(training_set.contents) == 10


def test_sound_is_found_behind_much_silence(add_sound: AddSound, source: PairSource) -> None:
    silences = [add_sound(np.zeros(5 * RATE + n, np.float32)) for n in range(30)]
    noise = add_sound(np.random.default_rng(0).normal(0, 0.2, 5 * RATE).astype(np.float32))
    examples = [replace(example, subset="training") for example in (*silences, noise)]
    training_set = TrainingSet(examples, source, 0, pool_seconds=10)
    for step in range(100):
        _, wet = training_set.sample(np.random.default_rng(step), **SECOND, step=step)
        assert np.abs(wet).max() > 0.1


def test_the_plan_is_told_what_the_exchange_costs(sounds: list[Example], source: PairSource) -> None:
    training_set = TrainingSet(sounds, source, 0, pool_seconds=16)
    took, lasted = np.sum(training_set.costs, axis=0)
    a_second = took / lasted
    assert training_set.upkeep_seconds(60 * RATE) == pytest.approx(20 * a_second)
    assert TrainingSet(sounds, source, 0).upkeep_seconds(RATE) == 0
