"""What other activations than tanh bring: the recipe with each of them, for as many steps.

    python -m experiments.activations --steps 2000 --elsewhere /usr/share/hydrogen --into activations.jsonl
    python -m experiments.ablation --table activations.jsonl

Trained in PyTorch, and judged by it, as neither the compiled kernels nor the engine has another; so time says
nothing here, and every activation has the same steps. The names are those of `.nam` files; older programs know
only Tanh, Hardtanh and ReLU. A gated layer is tanh(a) sigmoid(b), with twice as many weights for its sum. Third,
seeds and judges are as in `experiments.ablation`, and what was measured has the same form.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from experiments.material import Pairs, examples, one_third, pairs_of, sounds, source, two_thirds
from fxd.engines.tcn import PRESETS, Architecture, LayerArray
from fxd.metrics import ErrorSums, decibels
from fxd.training.learner import Learner, one_thread
from fxd.training.mixture import Mixture
from fxd.training.network import ArrayModule, Network
from fxd.training.optimizer import Soap
from fxd.training.plan import BATCH, FRAMES, LEARNING_RATE

JUDGED_FRAMES = 2**18
"""At once, as a network takes more memory the longer the sound is."""


@dataclass(frozen=True)
class Activation:
    function: Callable[[Tensor], Tensor]
    """Of the sums of a layer [outputs, frames], to [channels, frames]."""
    gated: bool = False
    """Whether there are two sums for each channel."""


def gate(sums: Tensor) -> Tensor:
    value, opening = sums.chunk(2)
    return value.tanh() * opening.sigmoid()


ACTIVATIONS: Mapping[str, Activation] = {
    "Tanh": Activation(torch.tanh),
    "Hardtanh": Activation(functional.hardtanh),
    "Softsign": Activation(functional.softsign),
    "SiLU": Activation(functional.silu),
    "LeakyReLU": Activation(functional.leaky_relu),
    "ReLU": Activation(functional.relu),
    "Tanh, gated": Activation(gate, gated=True),
}


class Layers(ArrayModule):
    """A layer array with another activation, derived automatically."""

    def __init__(self, array: LayerArray, activation: Activation) -> None:
        super().__init__(array)
        self.activation = activation
        if activation.gated:
            layers, channels, columns = self.hidden.shape
            self.hidden = nn.Parameter(torch.zeros(layers, 2 * channels, columns))

    def forward(self, source: Tensor, dry: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """See `ArrayModule`."""
        x = self.rechannel[0] @ source
        for layer, dilation in enumerate(self.array.dilations):
            reach = (self.array.kernel_size - 1) * dilation
            frames = x.shape[1] - reach
            shifted = [x[:, tap : tap + frames] for tap in range(0, reach + 1, dilation)]
            z = self.activation.function(self.hidden[layer] @ torch.cat([*shifted, dry[:, -frames:]]))
            total = total + z[:, -total.shape[1] :]
            residual = self.residual[layer]
            x = torch.addmm(residual[:, -1:], residual[:, :-1], z) + x[:, -frames:]
        head = self.head[0]
        channels = self.array.channels
        wet = head[:, :channels] @ total
        return x, wet + head[:, channels:] if self.array.head_bias else wet


class Other(Network):
    """A network with another activation."""

    def __init__(self, architecture: Architecture, activation: Activation) -> None:
        super().__init__(architecture)
        self.arrays = nn.ModuleList(Layers(array, activation) for array in architecture.arrays)

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """As `Network`: uniform within 1 / sqrt(how many numbers are summed up)."""
        generator = torch.Generator().manual_seed(seed)
        for module in cast("list[Layers]", list(self.arrays)):
            taps = module.array.channels * module.array.kernel_size
            for stack in (module.rechannel, module.hidden, module.residual, module.head):
                scale = torch.full((stack.shape[-1],), module.array.channels**-0.5)
                if stack is module.rechannel:
                    scale[:] = module.array.input_size**-0.5
                if stack is module.hidden:
                    scale[:] = taps**-0.5
                    scale[-2] = 1  # of the dry sound
                stack.copy_((2 * torch.rand(stack.shape, generator=generator) - 1) * scale)


def trained(architecture: Architecture, activation: Activation, third: int, steps: int, seed: int) -> Other:
    segments = Mixture(examples(two_thirds(third)), source(), seed)
    learner = Learner(architecture, seed, torch.device("cpu"))
    network = Other(architecture, activation)
    network.initialise(seed)
    learner.network, learner.optimizer = network, Soap(network.parameters(), lr=0.0)
    rng, context = np.random.default_rng(seed), architecture.receptive_field - 1
    for step in range(steps):
        dry, wet = segments.sample(rng, BATCH, FRAMES, context, step)
        learner.step(dry, wet, LEARNING_RATE * (1 + cos(pi * step / steps)) / 2)
    return network


@torch.no_grad()
def judge(network: Other, pairs: Pairs) -> list[float]:
    """ESR in dB of each pair."""
    context, scores = network.architecture.receptive_field - 1, []
    for dry, wet in pairs.values():
        sums = ErrorSums()
        padded = np.pad(dry, ((0, 0), (context, 0)))
        for start in range(0, dry.shape[1], JUDGED_FRAMES):
            heard = padded[:, start : start + context + JUDGED_FRAMES]
            estimate = torch.cat([network(torch.from_numpy(row)[None, None])[0] for row in heard])
            target = np.ascontiguousarray(wet[:, start : start + JUDGED_FRAMES])
            sums.add(target, estimate.numpy())
        scores.append(decibels(sums.esr))
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=PRESETS, default="compact")
    parser.add_argument("--third", type=int, choices=(0, 1, 2), default=2)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--activations", nargs="+", choices=ACTIVATIONS, default=list(ACTIVATIONS))
    parser.add_argument("--elsewhere", type=Path, help="a folder of other sounds that judge")
    parser.add_argument("--count", type=int, default=60, help="how many of them (60)")
    parser.add_argument("--into", type=Path, default=Path("activations.jsonl"))
    options = parser.parse_args()
    lines = (
        [json.loads(line) for line in options.into.read_text().splitlines()] if options.into.exists() else []
    )
    done = {(line["variant"], line["seed"]) for line in lines}
    held_out = pairs_of(one_third(options.third))
    elsewhere: Pairs = pairs_of(sounds(options.elsewhere, options.count)) if options.elsewhere else {}
    with one_thread():
        for seed in options.seeds:
            for name in options.activations:
                if (name, seed) in done:
                    continue
                network = trained(
                    PRESETS[options.preset], ACTIVATIONS[name], options.third, options.steps, seed
                )
                facts = {"variant": name, "seed": seed, "steps": options.steps}
                facts |= {"held out": judge(network, held_out), "elsewhere": judge(network, elsewhere)}
                with options.into.open("a") as file:
                    print(json.dumps(facts), file=file)
                print(name, seed, flush=True)


if __name__ == "__main__":
    main()
