"""How much audio one core trains on in a second: the product's step against PyTorch's convolutions.

    python -m experiments.step --preset compact --batch 4 --frames 1024

A step is all of it: forward pass, loss, backward pass, optimiser. All contenders have the same network shape and
hear the same segments, each a receptive field of context and then `--frames` that count. They run in one thread
and take turns, so that a machine that slows down does so for all of them.

The product takes SOAP's steps, as in a training. PyTorch's networks take Adam's, with all tensors fused into one
call: that is in their favour, as it costs less.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch import nn

from experiments.rivals import ConvolutionNetwork
from fxd.engines.engine import Array
from fxd.engines.peak import multiply_add_peak
from fxd.engines.tcn import MODEL_SAMPLE_RATE, PRESETS, Architecture
from fxd.training.learner import Learner

STEPS = 5
"""Of one contender in a round: SOAP refreshes its bases once in them."""


def product_step(architecture: Architecture, dry: Array, wet: Array) -> Callable[[], None]:
    learner = Learner(architecture, 0, torch.device("cpu"))
    return lambda: learner.step(dry, wet, 1e-3) and None


def pytorch_step(network: nn.Module, dry: Array, wet: Array) -> Callable[[], None]:
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    sound, target = torch.from_numpy(dry)[:, None], torch.from_numpy(wet)[:, None]

    def step() -> None:
        optimizer.zero_grad()
        (network(sound) - target).square().mean().backward()
        optimizer.step()

    return step


def multiply_adds(architecture: Architecture, frames: int) -> int:
    """Of forward and backward pass over one segment, with the frames of context that each layer gives.

    Backward are twice as many as forward: one for what a weight was multiplied with, one for the weight.
    """
    count, left = 0, frames + architecture.receptive_field - 1
    for array in architecture.arrays:
        channels = array.channels
        count += left * channels * array.input_size + frames * channels * array.head_size
        for dilation in array.dilations:
            left -= (array.kernel_size - 1) * dilation
            count += left * channels * ((array.kernel_size + 1) * channels + 1)
    return 3 * count


def measure(contenders: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds a step, of each round."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for step in contenders.values():
        for _ in range(STEPS + 1):
            step()
    for _ in range(rounds):
        for name, step in contenders.items():
            began = time.perf_counter()
            for _ in range(STEPS):
                step()
            seconds[name].append((time.perf_counter() - began) / STEPS)
    return seconds


def report(preset: str, batch: int, frames: int, rounds: int) -> None:
    """Measure one shape and print its rows."""
    architecture = PRESETS[preset]
    rng = np.random.default_rng(0)
    dry = rng.normal(0, 0.2, (batch, architecture.receptive_field - 1 + frames)).astype(np.float32)
    wet = np.tanh(3 * dry[:, -frames:])
    contenders = {
        "fxd": product_step(architecture, dry, wet),
        "nn.Conv1d": pytorch_step(ConvolutionNetwork(architecture, "conv1d"), dry, wet),
        "nn.Conv2d channels_last": pytorch_step(ConvolutionNetwork(architecture, "conv2d"), dry, wet),
    }
    seconds = measure(contenders, rounds)
    work = batch * multiply_adds(architecture, frames) / multiply_add_peak()
    for name, own in seconds.items():
        typical = median(own)
        ratio = median(theirs / ours for theirs, ours in zip(own, seconds["fxd"], strict=True))
        print(
            f"{preset:10} {batch:>2} x {frames:<6} {name:24} {1e3 * typical:9.2f} ms "
            f"{batch * frames / MODEL_SAMPLE_RATE / typical:8.2f} {100 * work / typical:5.0f} % {ratio:6.2f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Audio seconds trained per core-second, against PyTorch.")
    parser.add_argument("--preset", nargs="+", choices=sorted(PRESETS), default=["compact", "standard"])
    parser.add_argument("--batch", type=int, default=4, help="segments a step")
    parser.add_argument("--frames", type=int, nargs="+", default=[1024], help="target frames of a segment")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "preset     shape       contender                      a step  audio/s    peak  times as long as fxd's"
    )
    for preset in arguments.preset:
        for frames in arguments.frames:
            report(preset, arguments.batch, frames, arguments.rounds)


if __name__ == "__main__":
    main()
