"""The network with its compiled forward and backward pass, as a PyTorch module that trains like any other.

`CompiledNetwork` has the parameters and the contract of `Network`. Where gradients are asked for and all numbers
are float32 in the processor's memory, one autograd function runs the whole network; elsewhere it is `Network`.
Losses, optimisers and schedules do not notice. `learn` does the same for either, in less time.
"""

from collections.abc import Callable
from typing import Any, TypeAlias, cast

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture
from fxd.training.network import Network
from fxd.training.workspace import Threads, Workspace
from fxd.vectors.registers import OWN_ADDERS

Slope: TypeAlias = Callable[[Array, slice], Array]
"""The gradient of a loss for the wet sound of some segments of a batch, and which they are.

Both are [segments, time - receptive_field + 1].
"""

WIDEST = 32
"""Channels of a layer array that is trained by kernels: PyTorch is good at larger matrices."""


def covered(architecture: Architecture) -> bool:
    """Whether the compiled kernels train this network."""
    return all(max(array.channels, array.head_size) <= WIDEST for array in architecture.arrays)


def network_for(architecture: Architecture, device: torch.device, threads: int = 1) -> Network:
    """The network that trains fastest there; its weights are zero."""
    if device.type == "cpu" and covered(architecture):
        return CompiledNetwork(architecture, threads)
    return Network(architecture).to(device)


class CompiledNetwork(Network):
    """`Network`, trained by compiled kernels. Their number of threads does not change a bit."""

    def __init__(self, architecture: Architecture, threads: int = 1, own_adders: bool = OWN_ADDERS) -> None:
        super().__init__(architecture)
        self.threads = Threads(threads)
        self.own_adders = own_adders
        self.free: list[Workspace] = []
        self.stacks = list(self.parameters())
        """The parameters of one `ArrayModule` after the other."""

    def forward(self, dry: Tensor) -> Tensor:
        """Wet sound [batch, 1, time - receptive_field + 1] for dry sound [batch, 1, time]."""
        if not torch.is_grad_enabled() or dry.requires_grad or not all(map(is_near, (dry, *self.stacks))):
            return super().forward(dry)
        return cast(Tensor, cast(Any, Step.apply)(self, dry, *self.stacks))

    def weights_now(self) -> list[Array]:
        """Views of all stacks."""
        # The kernels count through memory: what does not lie row by row is copied.
        return [np.ascontiguousarray(parameter.detach().numpy()) for parameter in self.stacks]

    def borrow(self, batch: int, time: int, places: int) -> Workspace:
        """Memory for a step, from which it is to be given back."""
        size = batch, time, places
        fitting = [one for one in self.free if (one.batch, one.time, one.places) == size]
        # What fits no step any more would only lie about.
        self.free = fitting[1:]
        return fitting[0] if fitting else Workspace(self.architecture, *size, self.own_adders)

    def give_back(self, workspace: Workspace) -> None:
        self.free.append(workspace)


def is_near(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


class Passage:
    """The way of a batch through a compiled network and, later, back: each segment keeps its own memory."""

    def __init__(self, network: CompiledNetwork, dry: Array) -> None:
        """`dry` is [batch, time]."""
        batch, time = dry.shape
        self.network = network
        self.workspace: Workspace | None = network.borrow(batch, time, batch)
        self.wet = self.forward(self.workspace, dry)
        """[batch, frames]"""

    def forward(self, workspace: Workspace, dry: Array) -> Array:
        wet = np.empty((workspace.batch, workspace.frames), np.float32)

        def work(segment: int, _: int) -> None:
            wet[segment] = workspace.forward(segment, segment)

        workspace.hear(self.network.weights_now(), dry)
        self.network.threads.run(work, workspace.batch)
        return wet

    def back(self, d_wet: Array) -> list[Tensor]:
        """The gradients of all stacks for that of the wet sound. Raises RuntimeError at the second time."""
        if self.workspace is None:
            raise RuntimeError("the backward pass of a compiled step runs once; run its forward pass again")
        workspace, self.workspace = self.workspace, None

        def work(segment: int, _: int) -> None:
            workspace.backward(segment, segment, d_wet[segment])

        self.network.threads.run(work, workspace.batch)
        gradients = workspace.gradients()
        self.network.give_back(workspace)
        return [torch.from_numpy(gradient) for gradient in gradients]


class Step(torch.autograd.Function):
    """A passage as a part of PyTorch's graph."""

    @staticmethod
    def forward(ctx: Any, network: CompiledNetwork, dry: Tensor, *stacks: Tensor) -> Tensor:
        ctx.save_for_backward(*stacks)
        ctx.passage = Passage(network, dry[:, 0].numpy())
        return torch.from_numpy(ctx.passage.wet[:, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_wet: Tensor) -> tuple[Tensor | None, ...]:
        # The way back reads the weights again. To ask for them has PyTorch refuse if they were changed meanwhile.
        _ = ctx.saved_tensors
        return (None, None, *ctx.passage.back(d_wet[:, 0].numpy()))


def learn(network: Network, dry: Array, slope: Slope) -> None:
    """Put the gradients of a loss into `parameter.grad`, in the place of what stood there.

    `dry` is [batch, time]. Compiled, each segment goes forward and back by itself, and `slope` is asked for one
    after the other, from several threads; in PyTorch, for all at once.
    """
    batch, time = dry.shape
    if isinstance(network, CompiledNetwork):
        workspace = network.borrow(batch, time, network.threads.count)

        def work(segment: int, thread: int) -> None:
            wet = workspace.forward(segment, thread)
            workspace.backward(segment, thread, slope(wet[None], slice(segment, segment + 1))[0])

        workspace.hear(network.weights_now(), dry)
        network.threads.run(work, batch)
        for parameter, gradient in zip(network.stacks, workspace.gradients(), strict=True):
            parameter.grad = torch.from_numpy(gradient)
        network.give_back(workspace)
    else:
        network.zero_grad()
        device = next(network.parameters()).device
        wet = network(torch.from_numpy(dry).to(device)[:, None])[:, 0]
        wet.backward(torch.from_numpy(slope(wet.detach().cpu().numpy(), slice(batch))).to(device))
