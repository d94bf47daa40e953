"""A network and its optimiser: one step of learning from one batch."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture
from fxd.metrics import decibels
from fxd.training.compiled import CompiledNetwork, learn, network_for
from fxd.training.optimizer import Soap

ANEW = "the next one begins again; with another [training] seed it hears other sounds"
"""What can be done about a training that came to grief."""

Tensors = Mapping[str, npt.NDArray[Any]]


class TrainingFailed(Exception):
    """A training came to nothing; the message says why."""


class Segments(Protocol):
    """What is learned from."""

    def sample(
        self, rng: np.random.Generator, batch: int, frames: int, context: int, step: int
    ) -> tuple[Array, Array]:
        """Dry [batch, context + frames] and the wet sound of its last frames [batch, frames], both float32.

        What is drawn depends on `rng` and on `step`, the number of such batches before, and on nothing else.
        """

    def upkeep_seconds(self, frames: int) -> float:
        """What `sample` takes now and then, beside the drawing, spread over batches of so many frames in all."""


class Energy(NamedTuple):
    """Sums of squares over one or more batches."""

    error: float
    target: float

    def plus(self, other: "Energy") -> "Energy":
        return Energy(self.error + other.error, self.target + other.target)

    @property
    def ratio_db(self) -> float:
        """nan where there was no target."""
        return decibels(self.error / self.target) if self.target else math.nan


def choose_device(name: str) -> torch.device:
    """The device for `auto`, `cpu` or `cuda`.

    Raises TrainingFailed where it is not there, with the remedy.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise TrainingFailed('[tcn] device = "cuda": PyTorch sees no CUDA device; use "auto" or "cpu"')
    return torch.device(name)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep PyTorch to one thread; the compiled kernels have their own.

    Tensors are so small here that a second one brings a third at best; and where another process wants its
    core, both wait for each other in every operation, and a step takes eight times as long.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Learner:
    """Learns from one batch after the other.

    The loss is the energy of the error over the mean energy of all targets so far: an error-to-signal ratio of
    the whole material, in which a loud segment counts for more than a quiet one, as it does in the score. With
    a ratio for each segment by itself quiet ones counted as much, and 600 steps reached 6 dB less.
    """

    def __init__(self, architecture: Architecture, seed: int, device: torch.device, threads: int = 1) -> None:
        self.device = device
        self.network = network_for(architecture, device, threads)
        self.network.initialise(seed)
        self.optimizer = Soap(self.network.parameters(), lr=0.0)
        self.targets = np.zeros(2)
        """Energy and number of all target frames so far."""

    @property
    def compiled(self) -> bool:
        """Whether steps run in kernels compiled for this processor, not in PyTorch."""
        return isinstance(self.network, CompiledNetwork)

    def step(self, dry: Array, wet: Array, learning_rate: float) -> Energy:
        """One step on dry [batch, context + frames] and wet [batch, frames].

        Raises TrainingFailed where the loss is no number any more.
        """
        # A target that is no number makes an error that is none: that is told before anything is made of it.
        self.targets += self.energy(wet, wet).target, wet.size
        mean = float(self.targets[0] / self.targets[1]) or 1.0
        error = np.empty_like(wet)

        def slope(estimate: Array, which: slice) -> Array:
            with np.errstate(over="ignore", invalid="ignore"):
                own = np.subtract(estimate, wet[which], out=error[which])
                return self.slope(own, wet[which], len(wet), mean)

        learn(self.network, dry, slope)
        energy = self.energy(error, wet)
        self.optimizer.param_groups[0]["lr"] = learning_rate
        self.optimizer.step()
        return energy

    def energy(self, error: Array, target: Array) -> Energy:
        """The energies of a batch, [batch, frames]. Raises TrainingFailed where they are no numbers any more."""
        with np.errstate(over="ignore"):
            energy = Energy(float(np.square(error).sum()), float(np.square(target).sum()))
        if not math.isfinite(sum(energy)):
            raise TrainingFailed(
                f"the error of a batch became {energy.error:g}, its target has {energy.target:g}; {ANEW}"
            )
        return energy

    def slope(self, error: Array, target: Array, batch: int, mean: float) -> Array:
        """The gradient of the loss of a batch over `mean`, for the estimate of some of its segments, as float32.

        This is that of `loss`, by the formula where it is the one below: PyTorch takes a tenth of a millisecond.
        """
        segments, frames = error.shape
        if type(self).loss is Learner.loss:
            return error * np.float32(2 / (batch * frames * mean))
        leaf = torch.from_numpy(error).requires_grad_()
        self.loss(leaf, torch.from_numpy(target)).backward()  # type: ignore[no-untyped-call]
        return cast(Tensor, leaf.grad).numpy() * np.float32(segments / (batch * mean))

    def loss(self, error: Tensor, target: Tensor) -> Tensor:  # noqa: ARG002
        """What is made small, before it is divided by the mean energy of the targets; both [segments, frames].

        It is a mean over the segments, which may be asked for one by one.
        """
        return error.square().mean()

    def state(self) -> Tensors:
        """All that a step depends on and changes, as copies."""
        tensors = {f"network.{name}": tensor for name, tensor in self.network.state_dict().items()}
        for index, parameter in enumerate(self.network.parameters()):
            for name, tensor in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{index}.{name}"] = tensor
        arrays = {name: tensor.cpu().numpy().copy() for name, tensor in tensors.items()}
        return arrays | {"targets": self.targets.copy(), "step": np.array([self.optimizer.step_count])}

    def restore(self, state: Tensors) -> None:
        """Go on from what `state` gave. Raises KeyError or RuntimeError where it does not fit."""
        self.targets = state["targets"].copy()
        self.optimizer.step_count = int(state["step"][0])
        self.network.load_state_dict(self.part(state, "network."))
        for index, parameter in enumerate(self.network.parameters()):
            self.optimizer.state[parameter] = self.part(state, f"optimizer.{index}.")

    def part(self, state: Tensors, prefix: str) -> dict[str, Tensor]:
        return {
            name.removeprefix(prefix): torch.tensor(array, device=self.device)
            for name, array in state.items()
            if name.startswith(prefix)
        }
