"""SOAP: Adam, run in the basis in which the gradients of a matrix are least entangled.

For a weight matrix with gradient G the averages of G G^T and G^T G are kept, as in Shampoo. Their eigenvectors
Q_L and Q_R turn the gradient, Q_L^T G Q_R; there Adam takes its step, which is then turned back. The averages
change slowly, so the eigenvectors are brought up to date only every few steps, by one step of orthogonal
iteration from where they were.

Source: Vyas et al., "SOAP: Improving and Stabilizing Shampoo using Adam", 2024, https://arxiv.org/abs/2409.11321,
algorithms 3 and 4. As there, the first gradient only sets up the averages.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from fxd.engines.engine import Array
from fxd.training.compiled import is_near
from fxd.training.turned_step import take_turned_step

WEIGHT_DECAY = 1e-2
"""Share of a weight that is lost while the learning rate adds up to one.

A direction in which the loss does not change has no gradient but noise, which Adam makes as large as any other:
the weights walk at random there, learning rate x sqrt(steps) far, and after 100,000 steps at 1e-2 so many units
are saturated that the network unlearns. With the decay they come sqrt(learning rate / (2 decay)) far, 0.7,
however long that goes on, over many nights too. Source: Loshchilov and Hutter, "Decoupled Weight Decay
Regularization", 2019.
"""

STATE = ("mean", "square", "left", "right", "left_basis", "right_basis")
"""Of a parameter, in the order in which the kernel takes them."""


class Near(NamedTuple):
    """A parameter and its state as the kernel sees them: views of the same memory, which take a while to make."""

    state: dict[str, Tensor]
    address: int
    parameter: Array
    arrays: list[Array]
    """Of the state"""

    @classmethod
    def of(cls, parameter: Tensor, state: dict[str, Tensor]) -> "Near":
        arrays = [state[name].numpy() for name in STATE]
        return cls(state, parameter.data_ptr(), parameter.detach().numpy(), arrays)


class Soap(torch.optim.Optimizer):
    """SOAP for parameters that are stacks of matrices, [count, rows, columns]; each matrix has its own basis.

    The networks here have many small matrices of few shapes. In the processor's memory, with float32, a compiled
    kernel takes the step for a stack; elsewhere PyTorch takes the same step.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        lr: float,
        betas: tuple[float, float] = (0.95, 0.95),
        refresh_every: int = 5,
        eps: float = 1e-8,
        decay: float = WEIGHT_DECAY,
    ) -> None:
        super().__init__(parameters, {"lr": lr})
        self.betas = betas
        self.refresh_every = refresh_every
        self.eps = eps
        self.decay = decay
        self.step_count = 0
        self.seen: dict[Tensor, Near] = {}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As PyTorch's, which loads its compiler of graphs first: two seconds of every retraining."""
        self.param_groups.append(self.defaults | param_group)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        if closure is not None:
            raise ValueError("this optimiser takes one step from the gradients that are there")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self.update(parameter, parameter.grad, self.state[parameter], group["lr"])
        self.step_count += 1

    # PyTorch wraps what is not marked so, to have each step in a profile: that takes as long as half of a step.
    step.hooked = True  # type: ignore[attr-defined]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """As PyTorch's, which takes longer: it prepares for a profiler and for gradients that stay."""
        if not set_to_none:
            raise ValueError("this optimiser drops gradients, it does not fill them with zeros")
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def update(self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], lr: float) -> None:
        if not state:
            state |= self.first_state(gradient)
            return
        beta1, beta2 = self.betas
        rate = lr * (1 - beta2**self.step_count) ** 0.5 / (1 - beta1**self.step_count)
        kept = 1 - lr * self.decay
        refresh = self.step_count % self.refresh_every == 0
        if is_near(parameter) and is_near(gradient):
            near = self.seen.get(parameter)
            if near is None or near.state is not state or near.address != parameter.data_ptr():
                near = self.seen[parameter] = Near.of(parameter, state)
            numbers = (np.float32(number) for number in (beta1, beta2, self.eps, rate, kept))
            take_turned_step(near.parameter, gradient.numpy(), *near.arrays, *numbers, refresh)
        else:
            parameter.mul_(kept)
            self.move(parameter, gradient, state, rate)
            if refresh:
                self.refresh(state)

    def first_state(self, gradient: Tensor) -> dict[str, Tensor]:
        left, right = gradient @ gradient.mT, gradient.mT @ gradient
        share = 1 - self.betas[1]
        return {
            "mean": torch.zeros_like(gradient),
            "square": torch.zeros_like(gradient),
            "left": left * share,
            "right": right * share,
            "left_basis": torch.linalg.eigh(left)[1].flip(-1).contiguous(),
            "right_basis": torch.linalg.eigh(right)[1].flip(-1).contiguous(),
        }

    def move(self, parameter: Tensor, gradient: Tensor, state: dict[str, Tensor], rate: float) -> None:
        """Take the step, and all averages with it."""
        beta1, beta2 = self.betas
        left_basis, right_basis = state["left_basis"], state["right_basis"]
        turned = left_basis.mT @ gradient @ right_basis
        state["mean"].lerp_(gradient, 1 - beta1)
        state["square"].mul_(beta2).addcmul_(turned, turned, value=1 - beta2)
        mean = left_basis.mT @ state["mean"] @ right_basis
        direction = mean / state["square"].sqrt().add_(self.eps)
        parameter.sub_(left_basis @ direction @ right_basis.mT, alpha=rate)
        state["left"].lerp_(gradient @ gradient.mT, 1 - beta2)
        state["right"].lerp_(gradient.mT @ gradient, 1 - beta2)

    def refresh(self, state: dict[str, Tensor]) -> None:
        """Bring both bases up to date, their vectors in the order of their eigenvalues, the largest first."""
        for side, axis in (("left", 1), ("right", 2)):
            average, basis = state[side], state[f"{side}_basis"]
            eigenvalues = (basis * (average @ basis)).sum(-2)
            order = eigenvalues.argsort(-1, descending=True)
            basis = basis.take_along_dim(order[:, None, :], -1)
            state["square"] = state["square"].take_along_dim(order.unsqueeze(3 - axis), axis)
            state[f"{side}_basis"] = torch.linalg.qr(average @ basis)[0]
