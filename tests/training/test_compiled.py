import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from fxd.engines.engine import Array
from fxd.engines.tcn import PRESETS, Architecture, LayerArray
from fxd.training.compiled import CompiledNetwork, covered, learn, network_for
from fxd.training.network import Network
from fxd.vectors.registers import LANES, OWN_ADDERS
from fxd.vectors.winograd import LEAST_LANES

Way: TypeAlias = Callable[[CompiledNetwork, Tensor], tuple[Tensor, dict[str, Tensor]]]

ONE = Architecture((LayerArray(1, 8, 1, head_bias=True, dilations=(1, 2, 4, 9)),))
FORMS = {
    "8 channels": ONE,
    "3 and 4 channels": Architecture(
        (
            LayerArray(1, 3, 4, head_bias=False, dilations=(1, 3, 130), kernel_size=2),
            LayerArray(3, 4, 1, head_bias=True, dilations=(5, 2)),
        )
    ),
    "16 and 12 channels": Architecture(
        (
            LayerArray(1, 16, 12, head_bias=True, dilations=(9, 4, 1), kernel_size=6),
            LayerArray(16, 12, 1, head_bias=False, dilations=(2, 70), kernel_size=2),
        )
    ),
    "20 channels": Architecture((LayerArray(1, 20, 1, head_bias=True, dilations=(1, 300)),)),
}
PAIRS = Architecture(
    (
        LayerArray(1, 8, 4, head_bias=False, dilations=(2, 1, 4, 8, 16, 48, 5, 256)),
        LayerArray(8, 4, 1, head_bias=True, dilations=(1, 32)),
    )
)
"""Layers that take frames in pairs, near and far, and one that cannot."""
LONG_STEPS = Architecture((LayerArray(1, 9, 1, head_bias=True, dilations=(2, 1, 48, 5, 32)),))
"""The same in steps of four vectors, of which two dilations of 48 make no whole number."""

FORM_BY_NAME = pytest.mark.parametrize(
    "name",
    # To compile the widest takes the longest, and the others meet the same code.
    [pytest.param(name, marks=pytest.mark.slow if name == "16 and 12 channels" else ()) for name in FORMS],
)


def noise(architecture: Architecture, frames: int, batch: int = 2) -> Tensor:
    shape = (batch, 1, architecture.receptive_field - 1 + frames)
    return torch.from_numpy(np.random.default_rng(0).normal(0, 0.4, shape)).float()


def networks(architecture: Architecture, own_adders: bool = OWN_ADDERS) -> tuple[CompiledNetwork, Network]:
    """The same weights twice: compiled, and in float64 as PyTorch has it."""
    compiled = CompiledNetwork(architecture, own_adders=own_adders)
    compiled.initialise(0)
    plain = Network(architecture).double()
    plain.load_state_dict(compiled.state_dict())
    return compiled, plain


def pass_through(network: Network, dry: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The wet sound and the gradients of a loss that every frame weighs in differently."""
    network.zero_grad()
    wet = network(dry)
    target = torch.sin(torch.arange(wet.shape[-1], dtype=wet.dtype))
    ((wet - target) ** 2).mean().backward()
    named = network.named_parameters()
    return wet.detach(), {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in named}


def learn_from(network: CompiledNetwork, dry: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """The same in the way that a training takes: each segment forward and back before the next."""
    heard: dict[int, Array] = {}

    def slope(wet: Array, which: slice) -> Array:
        heard[which.start] = wet
        return wet - np.sin(np.arange(wet.shape[-1], dtype=np.float32))

    learn(network, dry[:, 0].numpy(), slope)
    wet = torch.from_numpy(np.concatenate([heard[start] for start in sorted(heard)]))
    return wet, {name: cast(Tensor, p.grad).clone() for name, p in network.named_parameters()}


WAYS = pytest.mark.parametrize("way", [pass_through, learn_from])
NETWORKS = pytest.mark.parametrize("architecture", [ONE, PAIRS])


def assert_equal_to_1e_4(compiled: Tensor, plain: Tensor, name: str = "wet") -> None:
    assert (compiled.double() - plain).norm() <= 1e-4 * plain.norm(), name


def assert_as_in_float64(architecture: Architecture, dry: Tensor, own_adders: bool = OWN_ADDERS) -> None:
    compiled, plain = networks(architecture, own_adders)
    expected_wet, expected = pass_through(plain, dry.double())
    wet, gradients = pass_through(compiled, dry)
    assert wet.shape == expected_wet.shape
    assert_equal_to_1e_4(wet, expected_wet)
    for name, gradient in gradients.items():
        assert_equal_to_1e_4(gradient, expected[name], name)


@pytest.fixture
def no_plain_pytorch(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From the call on, the plain forward pass fails: what then runs is compiled."""

    def forbid(*_: object) -> None:
        raise AssertionError("plain PyTorch ran")

    return lambda: monkeypatch.setattr(Network, "forward", forbid)


@FORM_BY_NAME
def test_output_and_gradients_are_those_of_float64_pytorch(name: str) -> None:
    for frames in (1, 17, 700):
        assert_as_in_float64(FORMS[name], noise(FORMS[name], frames))


@FORM_BY_NAME
def test_segments_longer_than_a_tile_are_right_too(name: str) -> None:
    assert_as_in_float64(FORMS[name], noise(FORMS[name], 3001, batch=1))


@pytest.mark.skipif(LANES < LEAST_LANES, reason="vectors too short for pairs")
@pytest.mark.parametrize("own_adders", [False, True])
@pytest.mark.parametrize("architecture", [PAIRS, LONG_STEPS])
def test_frames_in_pairs_are_as_right_as_each_by_itself(architecture: Architecture, own_adders: bool) -> None:
    for frames in (1, 700, 3001):
        assert_as_in_float64(architecture, noise(architecture, frames), own_adders)


@pytest.mark.long
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names processors of x86-64")
@pytest.mark.parametrize("processor", ["znver3", "generic"])
def test_every_width_of_vectors_is_right(processor: str, tmp_path: Path) -> None:
    """Eight lanes and one, whatever this processor has."""
    script = f"""
import runpy
tests = runpy.run_path({str(Path(__file__))!r})
for frames in (1, 50, 1030):
    tests["assert_as_in_float64"](tests["ONE"], tests["noise"](tests["ONE"], frames))
"""
    changes = {
        "NUMBA_CPU_NAME": processor,
        "NUMBA_CPU_FEATURES": "",
        "NUMBA_CACHE_DIR": str(tmp_path),  # the folder that is in use would grow with every run
    }
    subprocess.run([sys.executable, "-c", script], env={**os.environ, **changes}, check=True)


def test_what_trains_on_the_processor_is_compiled(no_plain_pytorch: Callable[[], None]) -> None:
    no_plain_pytorch()
    network = network_for(ONE, torch.device("cpu"))
    network(noise(ONE, 50)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(covered(architecture) for architecture in PRESETS.values())


@WAYS
@NETWORKS
def test_the_same_step_gives_the_same_bits_whatever_ran_before(way: Way, architecture: Architecture) -> None:
    compiled, _ = networks(architecture, LANES >= LEAST_LANES)
    dry = noise(architecture, 500)
    wet, gradients = way(compiled, dry)
    gradients = {name: gradient.clone() for name, gradient in gradients.items()}
    way(compiled, 50 * dry.flip(-1))
    assert way(compiled, dry * torch.nan)[0].isnan().all()
    again, gradients_again = way(compiled, dry)
    assert torch.equal(wet, again)
    assert all(torch.equal(gradients[name], gradients_again[name]) for name in gradients)


@WAYS
@NETWORKS
@pytest.mark.parametrize("threads", [2, 7])
def test_the_number_of_threads_does_not_change_a_bit(
    threads: int, way: Way, architecture: Architecture
) -> None:
    pairs = LANES >= LEAST_LANES
    one, several = (CompiledNetwork(architecture, count, pairs) for count in (1, threads))
    for network in (one, several):
        network.initialise(0)
    dry = noise(architecture, 300, batch=5)
    wet, gradients = way(one, dry)
    wet_too, gradients_too = way(several, dry)
    assert torch.equal(wet, wet_too)
    assert all(torch.equal(gradients[name], gradients_too[name]) for name in gradients)


@NETWORKS
def test_both_ways_have_the_same_gradients(architecture: Architecture) -> None:
    network = networks(architecture)[0]
    dry = noise(architecture, 300)
    wet, gradients = learn_from(network, dry)
    again = pass_through(network, dry)
    assert torch.equal(wet, again[0][:, 0])
    scale = 2 / wet.numel()
    for name, gradient in gradients.items():
        torch.testing.assert_close(scale * gradient, again[1][name], rtol=1e-5, atol=1e-7)


def test_weights_that_lie_otherwise_in_memory_are_trained_as_well() -> None:
    compiled, plain = networks(ONE)
    hidden = cast(Tensor, compiled.arrays[0].hidden)
    hidden.data = hidden.data.mT.contiguous().mT
    expected = pass_through(plain, noise(ONE, 50).double())[1]
    for name, gradient in pass_through(compiled, noise(ONE, 50))[1].items():
        assert_equal_to_1e_4(gradient, expected[name], name)


def test_weights_that_change_before_the_way_back_are_noticed() -> None:
    compiled, _ = networks(ONE)
    loss = compiled(noise(ONE, 50)).sum()
    with torch.no_grad():
        next(compiled.parameters()).mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_two_forward_passes_before_a_backward_pass_do_not_disturb_each_other() -> None:
    compiled, plain = networks(ONE)
    first, second = noise(ONE, 200), noise(ONE, 200).flip(-1)
    for network, precision in ((compiled, torch.float32), (plain, torch.float64)):
        (network(first.to(precision)) - network(second.to(precision))).square().sum().backward()
    for own, other in zip(compiled.parameters(), plain.parameters(), strict=True):
        assert own.grad is not None and other.grad is not None
        assert_equal_to_1e_4(own.grad, other.grad)


def test_a_second_backward_pass_is_refused() -> None:
    compiled, _ = networks(ONE)
    loss = compiled(noise(ONE, 50)).sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="runs once"):
        loss.backward()


def test_audio_that_wants_a_gradient_gets_it_from_plain_pytorch() -> None:
    compiled, plain = networks(ONE)
    own, other = noise(ONE, 50).requires_grad_(), noise(ONE, 50).double().requires_grad_()
    compiled(own).sum().backward()
    plain(other).sum().backward()
    assert own.grad is not None and other.grad is not None
    assert_equal_to_1e_4(own.grad, other.grad)


def test_a_network_too_wide_for_the_kernels_is_plain_pytorch() -> None:
    wide = Architecture((LayerArray(1, 33, 1, head_bias=True, dilations=(1, 2)),))
    assert not covered(wide)
    assert type(network_for(wide, torch.device("cpu"))) is Network
