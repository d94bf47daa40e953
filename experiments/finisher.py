"""A second-order ending of a training: L-BFGS on segments that stay the same, once the rate is nothing."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fxd.engines.engine import Array
from fxd.training.compiled import learn
from fxd.training.learner import Learner

HISTORY = 50
"""Steps that the curvature is known from."""


@dataclass(frozen=True)
class Finisher:
    """Takes the last `share` of the steps, over so many batches at once."""

    share: float
    batches: int

    def run(self, learner: Learner, batches: Sequence[tuple[Array, Array]], passes: int) -> None:
        """Until it has passed so many batches, or nothing becomes better. A batch is what `Learner.step` takes.

        Source: Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.5, with a strong Wolfe search.
        """
        parameters = list(learner.network.parameters())
        optimizer = torch.optim.LBFGS(
            parameters,
            max_iter=passes // len(batches),
            max_eval=passes // len(batches),
            history_size=HISTORY,
            tolerance_grad=0,
            tolerance_change=0,
            line_search_fn="strong_wolfe",
        )
        target = sum(float(np.square(wet).sum()) for _, wet in batches)
        energy = 0.0

        def closure() -> float:
            nonlocal energy
            energy = 0.0
            sums = [torch.zeros_like(parameter) for parameter in parameters]
            for dry, wet in batches:
                add_gradients(dry, wet, sums)
            for parameter, total in zip(parameters, sums, strict=True):
                parameter.grad = total
            return energy / target

        def add_gradients(dry: Array, wet: Array, sums: Sequence[Tensor]) -> None:
            def slope(estimate: Array, which: slice) -> Array:
                error = estimate - wet[which]
                energies[which] = np.square(error).sum(axis=1)
                return error * np.float32(2 / target)

            nonlocal energy
            energies = np.zeros(len(wet))
            learn(learner.network, dry, slope)
            energy += float(energies.sum())
            for parameter, total in zip(parameters, sums, strict=True):
                assert parameter.grad is not None
                total.add_(parameter.grad)

        optimizer.step(closure)  # type: ignore[no-untyped-call]
