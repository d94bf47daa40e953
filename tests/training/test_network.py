from typing import cast

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fxd.engines.tcn import PRESETS, Architecture, LayerArray, TcnModel
from fxd.training.network import Network

SMALL = Architecture(
    (
        LayerArray(1, 5, 3, head_bias=True, dilations=(1, 3, 7), kernel_size=2),
        LayerArray(5, 3, 2, head_bias=False, dilations=(5, 2), kernel_size=4),
        LayerArray(3, 2, 1, head_bias=True, dilations=(1, 2), kernel_size=1),
    )
)


def network(architecture: Architecture, seed: int = 0) -> Network:
    new = Network(architecture)
    new.initialise(seed)
    return new


def plain_output(network: Network, dry: Tensor) -> Tensor:
    """The formulas of `fxd.engines.tcn` as PyTorch's own convolutions, each segment by itself."""
    source, total = dry, None
    tensors = network.tensors()
    for index, array in enumerate(network.architecture.arrays):
        own = {name: tensors[f"{index}.{name}"] for name in array.shapes()}
        x = functional.conv1d(source, own["rechannel"][..., None])
        for layer, dilation in enumerate(array.dilations):
            z = functional.conv1d(x, own["conv"][layer], own["conv_bias"][layer], dilation=dilation)
            frames = z.shape[-1]
            z = torch.tanh(z + own["mix"][layer, :, None] * dry[..., -frames:])
            total = z if total is None else total[..., -frames:] + z
            residual = functional.conv1d(z, own["residual"][layer, ..., None], own["residual_bias"][layer])
            x = x[..., -frames:] + residual
        source = x
        assert total is not None
        total = functional.conv1d(total, own["head"][..., None], own.get("head_bias"))
    assert total is not None
    return total * network.architecture.head_scale


@pytest.mark.parametrize("architecture", [SMALL, PRESETS["compact"], PRESETS["lite"]])
def test_output_and_gradients_are_those_of_plain_convolutions(architecture: Architecture) -> None:
    frames = architecture.receptive_field + 200
    dry = torch.from_numpy(np.random.default_rng(0).normal(0, 0.4, (3, 1, frames)))
    target = torch.sin(torch.arange(201.0))
    fast = network(architecture).double()
    gradients = []
    for output in (fast(dry), plain_output(fast, dry)):
        fast.zero_grad()
        assert output.shape == (3, 1, 201)
        ((output - target) ** 2).mean().backward()
        gradients.append([p.grad if p.grad is not None else torch.zeros(()) for p in fast.parameters()])
    torch.testing.assert_close(fast(dry), plain_output(fast, dry), rtol=1e-9, atol=1e-12)
    for fast_gradient, plain_gradient in zip(*gradients, strict=True):
        torch.testing.assert_close(fast_gradient, plain_gradient, rtol=1e-7, atol=1e-12)


def test_in_float32_the_gradients_are_still_right_to_a_ten_thousandth() -> None:
    dry = torch.from_numpy(np.random.default_rng(0).normal(0, 0.4, (2, 1, 4000)))
    gradients = []
    for precision in (torch.float32, torch.float64):
        net = network(PRESETS["compact"]).to(precision)
        (net(dry.to(precision)) ** 2).mean().backward()
        gradients.append(torch.cat([cast(Tensor, p.grad).flatten().double() for p in net.parameters()]))
    assert (gradients[0] - gradients[1]).norm() < 1e-4 * gradients[1].norm()


def test_segments_of_a_batch_do_not_touch_each_other() -> None:
    dry = torch.from_numpy(
        np.random.default_rng(0).normal(0, 0.4, (3, 1, SMALL.receptive_field + 30))
    ).float()
    net = network(SMALL)
    with torch.no_grad():
        together = net(dry)
        for segment in range(3):
            alone = net(dry[segment : segment + 1])
            torch.testing.assert_close(together[segment : segment + 1], alone, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("preset", PRESETS)
def test_weights_survive_the_way_into_a_model_and_back(preset: str) -> None:
    net = network(PRESETS[preset])
    model = TcnModel("id", PRESETS[preset], "hash", net.weights())
    other = Network(PRESETS[preset])
    other.load(model.weights)
    for name, weight in model.weights.items():
        assert np.array_equal(other.weights()[name], weight), name


def test_weights_handed_out_are_copies() -> None:
    net = network(SMALL)
    weights = net.weights()
    kept = {name: weight.copy() for name, weight in weights.items()}
    net.initialise(1)
    assert all(np.array_equal(weights[name], kept[name]) for name in kept)


def test_the_seed_decides_the_weights() -> None:
    first, again, other = (network(SMALL, seed).weights() for seed in (5, 5, 6))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not any(np.array_equal(first[name], other[name]) for name in first)
