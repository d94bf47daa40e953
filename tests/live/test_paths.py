"""The streams as C functions: the same samples as the engines' own streams give."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import soundfile

import fxd.factory
from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, Engine
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn, load_weights
from fxd.live.paths import bypass_path, path_of, render_block

AUDIO = Path(__file__).parents[1] / "audio"
FACTORY = Path(fxd.factory.__file__).parent
CAPACITY = 512


@cache
def engine(name: str) -> Engine:
    if name in ("on", "none"):
        return Saturator(SaturatorSettings(antialias="on" if name == "on" else "none"))
    return Tcn(load_weights(FACTORY / name / "weights.safetensors"))


def clip(channels: int, frames: int = 9_000) -> Array:
    sound, _ = soundfile.read(AUDIO / "loop_mika.flac", dtype="float32", always_2d=True)
    return np.ascontiguousarray(np.stack([sound[k * 3_000 : k * 3_000 + frames, 0] for k in range(channels)]))


@pytest.mark.parametrize("name", ["on", "none", "compact", pytest.param("nano", marks=pytest.mark.slow)])
@pytest.mark.parametrize("sample_rate", [48_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_a_path_gives_the_samples_of_the_stream_bit_for_bit(
    name: str, sample_rate: int, channels: int
) -> None:
    dry = clip(channels)
    expected = engine(name).stream(sample_rate, channels).process(dry)
    path = path_of(engine(name).stream(sample_rate, channels), channels, CAPACITY)
    assert path.latency == engine(name).stream(sample_rate, channels).latency
    sizes = np.random.default_rng(1).choice([0, 1, 16, 17, 64, 333, CAPACITY], 200)
    edges = [*np.cumsum(sizes)[np.cumsum(sizes) < dry.shape[1]], dry.shape[1]]
    wet = [
        render_block(path, part)
        for part in np.split(dry[:, : edges[-1]], edges[:-1], axis=1)
        for part in np.split(part, range(CAPACITY, part.shape[1], CAPACITY), axis=1)
    ]
    assert np.array_equal(np.concatenate(wet, axis=1), expected)


def test_the_bypass_gives_what_it_gets() -> None:
    dry = clip(2)[:, :100]
    assert np.array_equal(render_block(bypass_path(2), dry), dry)
