from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from fxd.engines.tcn import PRESETS, Architecture, LayerArray
from fxd.training.compiled import CompiledNetwork, covered, network_for
from fxd.training.network import Network
from fxd.vectors.registers import LANES, OWN_ADDERS

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


@pytest.mark.skipif(LANES < 8, reason="no processor with adders of its own has vectors so short")
@pytest.mark.parametrize("own_adders", [False, True])
def test_frames_in_pairs_are_as_right_as_each_by_itself(own_adders: bool) -> None:
    for frames in (1, 700, 3001):
        assert_as_in_float64(PAIRS, noise(PAIRS, frames), own_adders)


def test_what_trains_on_the_processor_is_compiled(no_plain_pytorch: Callable[[], None]) -> None:
    no_plain_pytorch()
    network = network_for(ONE, torch.device("cpu"))
    network(noise(ONE, 50)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert all(covered(architecture) for architecture in PRESETS.values())


def test_the_same_step_gives_the_same_bits_whatever_ran_before() -> None:
    compiled, _ = networks(ONE)
    dry = noise(ONE, 500)
    wet, gradients = pass_through(compiled, dry)
    gradients = {name: gradient.clone() for name, gradient in gradients.items()}
    pass_through(compiled, 50 * dry.flip(-1))
    assert pass_through(compiled, dry * torch.nan)[0].isnan().all()
    again, gradients_again = pass_through(compiled, dry)
    assert torch.equal(wet, again)
    assert all(torch.equal(gradients[name], gradients_again[name]) for name in gradients)


@pytest.mark.parametrize("threads", [2, 3])
def test_the_number_of_threads_does_not_change_a_bit(threads: int) -> None:
    one, several = CompiledNetwork(ONE), CompiledNetwork(ONE, threads)
    for network in (one, several):
        network.initialise(0)
    dry = noise(ONE, 300, batch=5)
    wet, gradients = pass_through(one, dry)
    wet_too, gradients_too = pass_through(several, dry)
    assert torch.equal(wet, wet_too)
    assert all(torch.equal(gradients[name], gradients_too[name]) for name in gradients)


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
