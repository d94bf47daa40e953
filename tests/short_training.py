"""A training of half a minute of sound and forty steps, for tests of what surrounds one."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Architecture, LayerArray, TcnModel
from fxd.training.plan import Plan
from fxd.training.trainer import Trained, ValidationPair, train

AUDIO = Path(__file__).parent / "audio"
SMALL = Architecture((LayerArray(1, 4, 1, head_bias=True, dilations=(1, 2, 4)),), head_scale=0.1)
PLAN = Plan(steps=40, validate_every=15, batch=2, frames=400)


@cache
def pair(name: str) -> tuple[Array, Array]:
    """Half a second of a real recording and what the saturator makes of it, each [frames]."""
    sound, _ = soundfile.read(AUDIO / f"{name}.flac", frames=24_000, dtype="float32", always_2d=True)
    dry = np.ascontiguousarray(sound[:, :1].T)
    wet = render(Saturator(SaturatorSettings(antialias="none")), dry, 48_000)
    return dry[0], wet[0]


class FakeClock:
    """Stands for the time module: only what is told to take time does."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class ClipSegments:
    """Segments of one recording; `interfere` sees how many batches were drawn before."""

    def __init__(self, interfere: Callable[[int, Array], None] = lambda _drawn, _wet: None) -> None:
        self.interfere = interfere
        self.drawn = 0

    def sample(
        self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
    ) -> tuple[Array, Array]:
        del step
        dry, wet = pair("loop_mika")
        starts = rng.integers(context, len(dry) - frames, batch)
        targets = np.stack([wet[start : start + frames] for start in starts])
        self.interfere(self.drawn, targets)
        self.drawn += 1
        return np.stack([dry[start - context : start + frames] for start in starts]), targets

    def upkeep_seconds(self, frames: int) -> float:
        return 0.0 * frames


class TimedSegments(ClipSegments):
    """Each step takes a twentieth of a second."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock

    def sample(self, *arguments: Any, **options: Any) -> Any:
        self.clock.now += 0.05
        return super().sample(*arguments, **options)


VALIDATION = [ValidationPair("a", *pair("bass_voxy_c")), ValidationPair("b", *pair("loop_safari"))]


def run(folder: Path, plan: Plan = PLAN, **options: Any) -> Trained:
    arguments = {"architecture": SMALL, "segments": ClipSegments(), "validation": VALIDATION} | options
    return train(
        plan=plan,
        **{"model_id": "m", "settings_hash": "h", "checkpoint": folder / "checkpoint", "device": "cpu"}
        | arguments,
    )


def assert_same_weights(one: TcnModel, other: TcnModel) -> None:
    for name, weight in one.weights.items():
        assert np.array_equal(weight, other.weights[name]), name
