import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fxd.factory
from fxd.engines.engine import Array, render
from fxd.engines.inference import TcnStream
from fxd.engines.resampler import Resampler
from fxd.engines.tcn import PRESETS, Architecture, LayerArray, Tcn, TcnModel, load_weights
from fxd.engines.tiles import TILE
from fxd.training.network import Network

AUDIO = Path(__file__).parents[1] / "audio"
FACTORY = Path(fxd.factory.__file__).parent
ODD = Architecture(
    (
        LayerArray(1, 5, 3, head_bias=True, dilations=(1, 3, 7), kernel_size=2),
        LayerArray(5, 3, 12, head_bias=False, dilations=(100, 2), kernel_size=4),
        LayerArray(3, 12, 1, head_bias=True, dilations=(1, 2), kernel_size=1),
    ),
    head_scale=0.5,
)
WIDE = Architecture(
    (
        LayerArray(1, 33, 17, head_bias=True, dilations=(1, 2000)),
        LayerArray(33, 17, 1, head_bias=True, dilations=(5, 1), kernel_size=1),
    )
)
ARCHITECTURES = {**PRESETS, "odd": ODD, "wide": WIDE}


def clip(seconds: float = 0.5) -> Array:
    """A real recording, [1, frames]."""
    sound, sample_rate = soundfile.read(AUDIO / "loop_mika.flac", dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound[: int(seconds * sample_rate), :1].T)


@cache
def model(name: str, seed: int = 0) -> TcnModel:
    network = Network(ARCHITECTURES[name])
    network.initialise(seed)
    return TcnModel(name, ARCHITECTURES[name], "0123456789ab", network.weights())


def torch_output(model: TcnModel, dry: Array) -> Array:
    """What the torch module, in float64, gives for a whole signal [1, frames] with silence in front."""
    network = Network(model.architecture)
    network.load(model.weights)
    padded = np.pad(dry.astype(np.float64), ((0, 0), (model.architecture.receptive_field - 1, 0)))
    with torch.no_grad():
        wet = network.double()(torch.from_numpy(padded)[None])
    return wet[0].numpy()


def esr_db(expected: npt.NDArray[np.float64], wet: Array) -> float:
    return float(10 * np.log10(np.sum((wet - expected) ** 2) / np.sum(expected**2)))


def in_blocks(stream: TcnStream, dry: Array, sizes: list[int]) -> Array:
    wet, start = [], 0
    while start < dry.shape[1]:
        for size in sizes:
            wet.append(stream.process(dry[:, start : start + size]))
            start += size
    return np.concatenate(wet, axis=1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_stream_equals_the_torch_module_over_the_whole_file(name: str) -> None:
    dry = clip()
    expected = torch_output(model(name), dry)
    wet = TcnStream(model(name), 48_000, 1).process(dry)
    assert wet.dtype == np.float32
    assert esr_db(expected, wet) < -115


@pytest.mark.parametrize("name", ["standard", "compact"])
def test_factory_models_sound_as_the_torch_module_does(name: str) -> None:
    factory = load_weights(FACTORY / name / "weights.safetensors")
    dry = clip(0.3)
    assert esr_db(torch_output(factory, dry), TcnStream(factory, 48_000, 1).process(dry)) < -115


@pytest.mark.parametrize("name", ["standard", "odd", "wide"])
@pytest.mark.parametrize("sizes", [[1, 0, 63], [64], [TILE + 1, 7], [3 * TILE - 5]])
def test_block_size_does_not_change_a_bit(name: str, sizes: list[int]) -> None:
    dry = clip(0.25)
    whole = TcnStream(model(name), 48_000, 1).process(dry)
    assert np.array_equal(in_blocks(TcnStream(model(name), 48_000, 1), dry, sizes), whole)


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names processors of x86-64")
@pytest.mark.parametrize(("processor", "names"), [("znver3", ["odd", "compact"]), ("generic", ["odd"])])
def test_every_width_of_vectors_is_right(processor: str, names: list[str], tmp_path: Path) -> None:
    """Eight lanes and one, whatever this processor has; both are right, so no width needs the other's bits."""
    script = f"""
import runpy
tests = runpy.run_path({str(Path(__file__))!r})
for name in {names}:
    tests["check_a_width"](name)
"""
    changes = {
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),  # the folder that is in use would grow with every run
    }
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **changes}, check=True)


def check_a_width(name: str) -> None:
    dry = clip(0.15)
    whole = TcnStream(model(name), 48_000, 1).process(dry)
    assert esr_db(torch_output(model(name), dry), whole) < -115
    sizes = [1, 0, 63, TILE + 1, 7]
    assert np.array_equal(in_blocks(TcnStream(model(name), 48_000, 1), dry, sizes), whole)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=12).filter(any))
def test_any_sequence_of_block_sizes_gives_the_same_bits(sizes: list[int]) -> None:
    dry = clip(0.15)
    whole = TcnStream(model("nano"), 48_000, 1).process(dry)
    assert np.array_equal(in_blocks(TcnStream(model("nano"), 48_000, 1), dry, sizes), whole)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_silence_before_the_start_is_no_event(name: str) -> None:
    """Had the layers begun with zeros, they would need a receptive field to come to rest."""
    wet = TcnStream(model(name), 48_000, 1).process(np.zeros((1, 5000), np.float32))
    assert np.ptp(wet) < 1e-5 * np.abs(wet).max()


@pytest.mark.parametrize("name", ["nano", "odd"])
def test_an_output_depends_on_the_receptive_field_and_no_further(name: str) -> None:
    last = 1000 + ARCHITECTURES[name].receptive_field - 1
    dry = clip(0.2)
    other = dry.copy()
    other[0, 1000] += 0.5
    wets = [TcnStream(model(name), 48_000, 1).process(signal)[0] for signal in (dry, other)]
    changed = np.flatnonzero(wets[0] != wets[1])
    assert changed[0] == 1000
    assert last - 200 <= changed[-1] <= last


@pytest.mark.parametrize("sample_rate", [48_000, 44_100])
@pytest.mark.parametrize("name", ["standard", "odd"])
def test_after_a_sound_it_comes_to_rest_exactly(name: str, sample_rate: int) -> None:
    """It remembers no more than it can see, so nothing fades through denormal numbers, which are slow."""
    stream = TcnStream(model(name), sample_rate, 1)
    stream.process(clip(0.2))
    stream.process(np.zeros((1, ARCHITECTURES[name].receptive_field + 1000), np.float32))
    wet = stream.process(np.zeros((1, 5 * TILE), np.float32))
    silent = TcnStream(model(name), sample_rate, 1)
    silent.process(np.zeros((1, 1000), np.float32))
    if sample_rate == 48_000:
        assert np.ptp(wet) == 0
        assert wet[0, 0] == silent.process(np.zeros((1, 1), np.float32))[0, 0]
    else:  # the resampler's phases each have a rounding of their own
        assert np.ptp(wet) < 1e-6 * np.abs(wet).max()


def test_numbers_too_small_to_hear_are_silence() -> None:
    """Denormal input, as a fade of another program may end in, takes many times as long on some processors."""
    stream = TcnStream(model("compact"), 48_000, 1)
    wet = stream.process(np.geomspace(9e-21, 1e-45, 4000, dtype=np.float32)[None])
    assert np.ptp(wet) == 0
    assert not denormals(stream.memory).any()


def test_the_resampler_passes_no_denormal_numbers_on() -> None:
    fade = np.geomspace(1e-10, 1e-45, 4000, dtype=np.float32)[None]
    assert denormals(fade).any()
    resampler = Resampler(44_100, 48_000, 1)
    assert not denormals(resampler.process(fade)).any()
    assert not denormals(resampler.history).any()


def denormals(x: Array) -> npt.NDArray[np.bool_]:
    return (x != 0) & (np.abs(x) < np.finfo(np.float32).tiny)


def test_channels_are_streams_of_their_own() -> None:
    gains = np.array([1, -0.3, 0, 0.01, -1, 0.5, 2, 0.1], np.float32)
    dry = gains[:, None] * clip(0.2)
    together = TcnStream(model("compact"), 48_000, len(gains)).process(dry)
    for channel in range(len(gains)):
        alone = TcnStream(model("compact"), 48_000, 1).process(dry[channel : channel + 1])
        assert np.array_equal(together[channel : channel + 1], alone)


def test_how_a_caller_keeps_his_frames_in_memory_does_not_matter() -> None:
    dry = np.concatenate([clip(0.1), clip(0.1)[:, ::-1]])
    expected = TcnStream(model("nano"), 48_000, 2).process(dry)
    frozen = dry.copy()
    frozen.setflags(write=False)
    for same in (frozen, np.asfortranarray(dry), np.repeat(dry, 2, axis=1)[:, ::2], dry.astype(float)):
        assert np.array_equal(TcnStream(model("nano"), 48_000, 2).process(same), expected)


def test_streams_of_one_model_know_nothing_of_each_other() -> None:
    dry = clip(0.1)
    first, second = (TcnStream(model("nano"), 48_000, 1) for _ in range(2))
    expected = first.process(dry)
    assert np.array_equal(second.process(dry), expected)
    assert not np.array_equal(first.process(dry), expected)


def test_what_a_caller_holds_is_neither_changed_nor_reused() -> None:
    dry = clip(0.1)
    kept = dry.copy()
    stream = TcnStream(model("nano"), 48_000, 1)
    first = stream.process(dry)
    held = first.copy()
    stream.process(dry)
    assert np.array_equal(dry, kept)
    assert np.array_equal(first, held)


@pytest.mark.parametrize("sample_rate", [8_000, 44_100, 96_000])
def test_at_other_rates_blocks_do_not_matter_either_and_the_delay_is_declared(sample_rate: int) -> None:
    engine = Tcn(model("compact"))
    dry = clip(0.3)
    stream = engine.stream(sample_rate, 1)
    assert stream.latency > 0
    assert render(engine, dry, sample_rate).shape == dry.shape
    whole = engine.stream(sample_rate, 1).process(dry)
    assert np.array_equal(in_blocks(engine.stream(sample_rate, 1), dry, [1, 500, 0, 77]), whole)


def test_a_file_at_another_rate_begins_at_rest() -> None:
    """A network's answer to silence may be a constant; resampled, it must not fade in."""
    engine = Tcn(model("odd"))
    wet = render(engine, np.zeros((1, 2000), np.float32), 44_100)
    assert np.abs(wet[0, 0]) > 1e-3
    assert np.ptp(wet) < 1e-4 * np.abs(wet).max()


def test_the_same_sound_at_two_rates_gives_the_same_result() -> None:
    """A band-limited signal at 48 and at 96 kHz: where both have a frame, both outputs agree."""
    time = np.arange(9600) / 96_000
    fade = np.minimum(1, time / 0.02) * np.minimum(1, (0.1 - time) / 0.02)
    high = (0.2 * fade * np.sin(2 * np.pi * 440 * time))[None].astype(np.float32)
    engine = Tcn(model("compact"))
    at_48 = render(engine, np.ascontiguousarray(high[:, ::2]), 48_000)
    at_96 = render(engine, high, 96_000)
    assert np.abs(at_96[:, ::2] - at_48).max() < 1e-3 * np.ptp(at_48)
