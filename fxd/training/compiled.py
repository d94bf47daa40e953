"""The network with its compiled forward and backward pass, as a PyTorch module that trains like any other.

`CompiledNetwork` has the parameters and the contract of `Network`. Where gradients are asked for and all numbers
are float32 in the processor's memory, one autograd function runs the whole network; elsewhere it is `Network`.
Losses, optimisers and schedules do not notice.
"""

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from fxd.engines.tcn import Architecture
from fxd.training.kernels import Weights
from fxd.training.network import Network
from fxd.training.workspace import Threads, Workspace

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

    def __init__(self, architecture: Architecture, threads: int = 1) -> None:
        super().__init__(architecture)
        self.threads = Threads(threads)
        self.free: list[Workspace] = []

    def forward(self, dry: Tensor) -> Tensor:
        """Wet sound [batch, 1, time - receptive_field + 1] for dry sound [batch, 1, time]."""
        parameters = list(self.parameters())
        if not torch.is_grad_enabled() or dry.requires_grad or not all(map(is_near, (dry, *parameters))):
            return super().forward(dry)
        return cast(Tensor, cast(Any, Step.apply)(self, dry, *parameters))

    def borrow(self, batch: int, time: int) -> Workspace:
        """Memory for a step, from which it is to be given back."""
        fitting = [workspace for workspace in self.free if (workspace.batch, workspace.time) == (batch, time)]
        # What fits no step any more would only lie about.
        self.free = fitting[1:]
        return fitting[0] if fitting else self.new(batch, time)

    def new(self, batch: int, time: int) -> Workspace:
        return Workspace(self.architecture, batch, time, self.threads)

    def give_back(self, workspace: Workspace) -> None:
        self.free.append(workspace)


def is_near(tensor: Tensor) -> bool:
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu"


class Step(torch.autograd.Function):
    """The whole network with its gradients."""

    @staticmethod
    def forward(ctx: Any, network: CompiledNetwork, dry: Tensor, *parameters: Tensor) -> Tensor:
        arrays = [parameter.numpy() for parameter in parameters]
        weights = [Weights(*arrays[at : at + 4]) for at in range(0, len(arrays), 4)]
        workspace = network.borrow(dry.shape[0], dry.shape[2])
        wet = workspace.forward(weights, dry[:, 0].numpy())
        ctx.network, ctx.weights, ctx.workspace = network, weights, workspace
        return torch.from_numpy(wet[:, None])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_wet: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.workspace is None:
            raise RuntimeError("the backward pass of a compiled step runs once; run its forward pass again")
        workspace, ctx.workspace = ctx.workspace, None
        gradients = workspace.backward(ctx.weights, d_wet[:, 0].numpy())
        ctx.network.give_back(workspace)
        return (None, None, *map(torch.from_numpy, gradients))
