"""All who are timed for the same work must do the same work."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fxd.config import SaturatorSettings
from fxd.engines.engine import Array, Engine, render
from fxd.engines.oversampling import DC_BLOCK_HZ
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import PRESETS, Architecture, LayerArray, Tcn, TcnModel
from fxd.insight.bench import rivals
from fxd.insight.bench.rivals.context import ContextStream
from fxd.insight.bench.rivals.eager import EagerTcn
from fxd.insight.bench.rivals.filters import ScipySaturator
from fxd.insight.bench.rivals.matrices import MatrixTcn
from fxd.insight.bench.rivals.onnx_graph import IR_VERSION, OPSET, to_onnx
from fxd.insight.bench.rivals.plugins import PedalboardChain
from fxd.insight.bench.rivals.runtime import OnnxTcn
from fxd.metrics import decibels, esr
from fxd.training.network import Network

CLIP = Path(__file__).parents[1] / "audio" / "loop_mika.flac"
RATE = 48_000
ODD = Architecture(
    (
        LayerArray(1, 5, 3, head_bias=True, dilations=(1, 3, 7), kernel_size=2),
        LayerArray(5, 3, 12, head_bias=False, dilations=(100, 2), kernel_size=4),
        LayerArray(3, 12, 1, head_bias=True, dilations=(1, 2), kernel_size=1),
    ),
    head_scale=0.5,
)
NONE = SaturatorSettings(antialias="none")

MakeTcn = Callable[[TcnModel], Engine]


@pytest.fixture(scope="module")
def dry() -> Array:
    """A real recording in stereo, a quarter of a second of it."""
    sound, _ = soundfile.read(CLIP, dtype="float32", always_2d=True, frames=12_000)
    return np.ascontiguousarray(sound.T)


def model(architecture: Architecture) -> TcnModel:
    network = Network(architecture)
    network.initialise(1)
    return TcnModel("random", architecture, "0123456789ab", network.weights())


def error_db(target: Array, estimate: Array) -> float:
    return decibels(esr(target, estimate))


@pytest.mark.parametrize("make", [Tcn, EagerTcn, MatrixTcn, OnnxTcn])
@pytest.mark.parametrize("architecture", [PRESETS["compact"], PRESETS["standard"], ODD])
def test_every_form_of_a_network_gives_what_float64_gives(
    make: MakeTcn, architecture: Architecture, dry: Array
) -> None:
    network = model(architecture)
    exact = render(EagerTcn(network, torch.float64), dry, RATE)
    assert error_db(exact, render(make(network), dry, RATE)) < -115


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(0, 5_000), min_size=1, max_size=6))
@pytest.mark.parametrize("make", [EagerTcn, MatrixTcn, OnnxTcn])
def test_the_size_of_blocks_does_not_change_a_networks_output(
    make: MakeTcn, sizes: list[int], dry: Array
) -> None:
    engine = make(model(PRESETS["nano"]))
    in_blocks(engine, sizes, dry, tolerance=1e-5)


@settings(max_examples=10, deadline=None)
@given(sizes=st.lists(st.integers(0, 5_000), min_size=1, max_size=6))
@pytest.mark.parametrize("make", [ScipySaturator, PedalboardChain])
def test_the_size_of_blocks_does_not_change_a_saturators_output(
    make: Callable[[SaturatorSettings], Engine], sizes: list[int], dry: Array
) -> None:
    in_blocks(make(NONE), sizes, dry, tolerance=1e-6)


def in_blocks(engine: Engine, sizes: list[int], dry: Array, tolerance: float) -> None:
    """Check that an output in blocks of these sizes is that of the whole signal."""
    stream, wet, start = engine.stream(RATE, 2), [], 0
    for size in [*sizes, dry.shape[1]]:
        wet.append(stream.process(dry[:, start : start + size]))
        start += size
    whole = engine.stream(RATE, 2).process(dry)
    np.testing.assert_allclose(np.concatenate(wet, axis=1), whole, rtol=0, atol=tolerance)


def test_scipy_gives_what_the_kernel_gives_without_antialiasing(dry: Array) -> None:
    exact, own = render(ScipySaturator(NONE), dry, RATE), render(Saturator(NONE), dry, RATE)
    np.testing.assert_allclose(own, exact, rtol=0, atol=1e-6)


def test_pedalboards_chain_is_near_the_saturator_and_not_the_same(dry: Array) -> None:
    """With the bias that pedalboard lacks taken away, its gentler filters are what is left between them."""
    unbiased = SaturatorSettings(antialias="none", asymmetry=0.0)
    exact = render(ScipySaturator(unbiased), dry, RATE)
    assert -40 < error_db(exact, render(PedalboardChain(unbiased), dry, RATE)) < -15


def test_the_rivals_filters_stand_where_the_saturators_stand() -> None:
    assert rivals.DC_BLOCK_HZ == DC_BLOCK_HZ


@pytest.mark.parametrize("make", [EagerTcn, MatrixTcn, OnnxTcn])
def test_a_network_without_a_resampler_refuses_other_rates(make: MakeTcn) -> None:
    with pytest.raises(ValueError, match="48000 Hz only, not at 44100 Hz; resample"):
        make(model(PRESETS["nano"])).stream(44_100, 1)


def test_the_onnx_graph_is_valid_and_its_version_pinned() -> None:
    graph = to_onnx(model(ODD))
    onnx.checker.check_model(graph, full_check=True)
    assert graph.ir_version == IR_VERSION
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", OPSET)]


def test_a_block_brings_what_it_must_see_of_the_past() -> None:
    windows: list[list[float]] = []

    def forward(window: Array) -> Array:
        windows.append(window[0].tolist())
        return window[:, 2:]

    stream = ContextStream(forward, context=2, channels=1)
    for block in ([1, 2, 3, 4], [], [5], [6, 7]):
        stream.process(np.array([block], np.float32))
    assert windows == [[0, 0, 1, 2, 3, 4], [3, 4, 5], [4, 5, 6, 7]]
