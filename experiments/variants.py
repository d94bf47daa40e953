"""Other ways to train than the product's, one change each: what the recipe was chosen from."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import cos, pi

import numpy as np
import torch
from torch import Tensor, nn

from experiments.finisher import Finisher
from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture, LayerArray, powers_of_two
from fxd.training import mixture
from fxd.training.learner import Energy, Learner
from fxd.training.optimizer import Soap
from fxd.training.plan import BATCH, FRAMES, LEARNING_RATE
from fxd.training.scenes import KINDS, SHRILL_HZ, Kind, Scenes, tones

Optimizer = Callable[[list[nn.Parameter]], torch.optim.Optimizer]
Schedule = Callable[[float], float]
"""The share of the full learning rate at a share of the time."""


@dataclass(frozen=True)
class Variant:
    """The recipe, and what is different."""

    learning_rate: float = LEARNING_RATE
    schedule: Schedule = lambda share: (1 + cos(pi * share)) / 2
    batch: int = BATCH
    frames: int = FRAMES
    probes: float = mixture.PROBE_SHARE
    variations: float = mixture.VARIATION_SHARE
    optimizer: Optimizer = lambda parameters: Soap(parameters, lr=0.0)
    learner: type[Learner] = Learner
    averaged: float = 0.0
    """Of the weights, over this share of the time at the end."""
    scale: float = 1.0
    """Of the initial weights."""
    architecture: Callable[[Architecture], Architecture] | None = None
    """What it makes of the preset's shape."""
    scenes: type[Scenes] = Scenes
    """What the probes are."""
    candidates: int = mixture.CANDIDATES
    """Segments of which the loudest one is heard."""
    finisher: Finisher | None = None
    """What the training ends with, after the schedule."""
    harder: bool = False
    """A quarter of the segments are those of the last 200 on which the error was largest."""


class NormalisedLearner(Learner):
    """Each segment's error over its own energy, not below a hundredth of the mean."""

    def loss(self, error: Tensor, target: Tensor) -> Tensor:
        mean = self.targets[0] / self.targets[1]
        energy = target.square().mean(dim=1).clamp(min=0.01 * mean)
        ratio: Tensor = error.square().mean(dim=1) / energy
        return float(mean) * ratio.mean()


class RootLearner(Learner):
    """Each segment's error over the root of its own energy, not below a hundredth of the mean."""

    def loss(self, error: Tensor, target: Tensor) -> Tensor:
        mean = float(self.targets[0] / self.targets[1])
        energy = target.square().mean(dim=1).clamp(min=0.01 * mean)
        weighed: Tensor = error.square().mean(dim=1) * (mean / energy).sqrt()
        return weighed.mean()


class EveryScene(Scenes):
    """Dull and shrill scenes are heard as often as they are made."""

    def kept(self, hz: float) -> float:  # noqa: ARG002
        return 1.0


class DullRefused(Scenes):
    """Shrill scenes are heard as often as they are made, of dull ones a quarter."""

    def kept(self, hz: float) -> float:
        return super().kept(min(hz, SHRILL_HZ))


class WithoutTones(Scenes):
    """The other kinds have the share of the tones."""

    @property
    def kinds(self) -> Mapping[Kind, float]:
        others = {kind: share for kind, share in KINDS.items() if kind is not tones}
        return {kind: share / sum(others.values()) for kind, share in others.items()}


class TrebleLearner(Learner):
    """The energy of the error and three times that of its first difference: +10 dB at 12 kHz, nothing below 4."""

    def loss(self, error: Tensor, target: Tensor) -> Tensor:
        return super().loss(error, target) + 3 * error.diff(dim=1).square().mean()


class SpectralLearner(Learner):
    """The energy of the error, and the distance of the magnitudes of its short-time spectra."""

    def loss(self, error: Tensor, target: Tensor) -> Tensor:
        window = torch.hann_window(256)
        spectra = [
            torch.stft(x, 256, 64, window=window, return_complex=True).abs() for x in (error + target, target)
        ]
        distance = (spectra[0] - spectra[1]).square().mean() / 256
        return super().loss(error, target) + 0.1 * distance


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal by five Newton-Schulz iterations, for stacks of matrices.

    Source: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024,
    https://kellerjordan.github.io/posts/muon/.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": 0.0})
        self.momentum = momentum

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        assert closure is None
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state[parameter]
                mean = state.setdefault("mean", torch.zeros_like(parameter))
                mean.lerp_(parameter.grad, 1 - self.momentum)
                direction = orthogonal(parameter.grad.lerp(mean, self.momentum))
                parameter.sub_(direction, alpha=group["lr"] * 0.2 * max(parameter.shape[-2:]) ** 0.5)


def orthogonal(matrices: Tensor) -> Tensor:
    a, b, c = 3.4445, -4.7750, 2.0315
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-12)
    flat = x.shape[-2] > x.shape[-1]
    x = x.mT if flat else x
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    result: Tensor = x.mT if flat else x
    return result


class Chosen:
    """Segments of which some are preferred: `Segments` for a training that is not resumed."""

    def __init__(self, segments: mixture.Mixture, harder: bool) -> None:
        self.segments = segments
        self.harder = harder
        self.kept: list[tuple[float, Array, Array]] = []

    def sample(
        self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
    ) -> tuple[Array, Array]:
        dry, wet = self.segments.sample(rng, batch, frames, context, step)
        if self.harder and len(self.kept) == 200:
            hardest = sorted(self.kept, key=lambda one: -one[0])[: max(1, batch * 10)]
            for index in rng.choice(batch, max(1, batch // 4), replace=False):
                _, dry[index], wet[index] = hardest[rng.integers(len(hardest))]
        return dry, wet

    def learned(self, dry: Array, wet: Array, error: Array) -> None:
        """What the error was, [batch, frames]; one that was heard before has its new error."""
        energy = np.square(wet).sum(axis=1)
        ratio = np.square(error).sum(axis=1) / (energy + 1e-3)
        earlier = [one for one in self.kept if np.square(one[2]).sum() not in energy]
        self.kept = [*earlier, *zip(ratio.tolist(), dry.copy(), wet.copy(), strict=True)][-200:]


class WatchedLearner(Learner):
    """Tells the error of every segment."""

    errors: Array

    def energy(self, error: Array, target: Array) -> Energy:
        self.errors = error
        return super().energy(error, target)


def with_dilations(*dilations: int) -> Callable[[Architecture], Architecture]:
    """The same single array with other dilations."""
    return lambda a: replace(a, arrays=(replace(a.arrays[0], dilations=dilations),))


def two_widths(architecture: Architecture) -> Architecture:
    """Twelve channels for what is near, four for what is far."""
    near, far = (1, 1, 2, 1, 2, 4, 8, 16), (32, 64, 128, 256, 512, 512)
    return replace(
        architecture,
        arrays=(
            LayerArray(1, 12, 4, head_bias=False, dilations=near),
            LayerArray(12, 4, 1, head_bias=True, dilations=far),
        ),
    )


def adam(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=0.0, fused=True)


def decaying(share: float) -> float:
    return float(10 ** (-2.5 * share))


def trapezoid(share: float) -> float:
    return min(1.0, 2 * (1 - share))


VARIANTS: Mapping[str, Variant] = {
    "the recipe": Variant(),
    "Adam, 4e-3": Variant(optimizer=adam, learning_rate=4e-3),
    "Adam, 1e-2": Variant(optimizer=adam),
    "Muon, 1e-2": Variant(optimizer=Muon),
    "Muon, 3e-2": Variant(optimizer=Muon, learning_rate=3e-2),
    "L-BFGS for the last fifth, 64 segments": Variant(finisher=Finisher(0.2, 16)),
    "L-BFGS for the last half, 256 segments": Variant(finisher=Finisher(0.5, 64)),
    "no weight decay": Variant(optimizer=lambda parameters: Soap(parameters, lr=0.0, decay=0.0)),
    "weight decay 3e-3": Variant(optimizer=lambda parameters: Soap(parameters, lr=0.0, decay=3e-3)),
    "weight decay 3e-2": Variant(optimizer=lambda parameters: Soap(parameters, lr=0.0, decay=3e-2)),
    "weight decay 1e-1": Variant(optimizer=lambda parameters: Soap(parameters, lr=0.0, decay=1e-1)),
    "learning rate 5e-3": Variant(learning_rate=5e-3),
    "learning rate 2e-2": Variant(learning_rate=2e-2),
    "learning rate falls as a line in the second half": Variant(schedule=trapezoid),
    "learning rate falls exponentially, by 50 dB": Variant(schedule=decaying),
    "8 x 512 frames": Variant(batch=8, frames=512),
    "2 x 2,048 frames": Variant(batch=2, frames=2048),
    "1 x 4,096 frames": Variant(batch=1, frames=4096),
    "4 x 4,096 frames": Variant(frames=4096),
    "4 x 16,384 frames": Variant(frames=16384),
    "loss: every segment over its own energy": Variant(learner=NormalisedLearner),
    "loss: every segment over the root of its own energy": Variant(learner=RootLearner),
    "loss: treble weighted": Variant(learner=TrebleLearner),
    "loss: spectral term": Variant(learner=SpectralLearner),
    "any segment": Variant(candidates=1),
    "the loudest of four segments": Variant(candidates=4),
    "hard segments oftener": Variant(harder=True, learner=WatchedLearner),
    "recordings alone": Variant(probes=0, variations=0),
    "no probes": Variant(probes=0, variations=0.5),
    "no variations": Variant(variations=0),
    "a quarter of probes": Variant(probes=0.25),
    "probes as they are made": Variant(scenes=EveryScene),
    "shrill probes as they are made": Variant(scenes=DullRefused),
    "the recipe before: any segment, probes as they are made": Variant(candidates=1, scenes=EveryScene),
    "no tones among the probes": Variant(scenes=WithoutTones),
    "weights averaged over the last tenth": Variant(averaged=0.1),
    "initial weights halved": Variant(scale=0.5),
    "head scale 1": Variant(architecture=lambda a: replace(a, head_scale=1.0)),
    "shape: dilations 1 to 512, then 1": Variant(architecture=with_dilations(*powers_of_two(1, 512), 1)),
    "shape: 12 channels near, 4 far": Variant(architecture=two_widths),
}
