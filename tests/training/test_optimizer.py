import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fxd.training.optimizer import Soap


def rotation(size: int, seed: int) -> Tensor:
    return torch.linalg.qr(torch.from_numpy(np.random.default_rng(seed).normal(size=(size, size))))[0]


def problem() -> tuple[Tensor, Tensor]:
    """A target [2, 4, 4] and a badly scaled metric: the loss is |metric (W - target)|^2."""
    target = torch.from_numpy(np.random.default_rng(0).normal(size=(2, 4, 4)))
    return target, torch.diag(torch.tensor([1.0, 3.0, 10.0, 30.0], dtype=torch.float64))


def descend(
    optimizer: torch.optim.Optimizer, weight: nn.Parameter, target: Tensor, metric: Tensor
) -> list[float]:
    losses = []
    for _ in range(200):
        optimizer.zero_grad()
        loss = ((metric @ (weight - target)) ** 2).sum()
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    return losses


def test_a_turned_problem_is_solved_by_the_turned_steps() -> None:
    """This is what the eigenbasis is for; Adam alone does not have it.

    eps is large here: what it divides is rounding, where a gradient in its own basis is zero.
    """
    target, metric = problem()
    left, right = rotation(4, 1), rotation(4, 2)
    plain = nn.Parameter(torch.zeros_like(target))
    turned = nn.Parameter(torch.zeros_like(target))
    plain_losses = descend(Soap([plain], lr=0.05, eps=1e-4), plain, target, metric)
    turned_losses = descend(
        Soap([turned], lr=0.05, eps=1e-4), turned, left @ target @ right.T, metric @ left.T
    )
    np.testing.assert_allclose(turned_losses, plain_losses, rtol=2e-3)
    torch.testing.assert_close(turned.data, left @ plain.data @ right.T, rtol=0, atol=1e-3)
    adam = nn.Parameter(torch.zeros_like(target))
    adam_losses = descend(torch.optim.Adam([adam], lr=0.05), adam, left @ target @ right.T, metric @ left.T)
    assert plain_losses[-1] < adam_losses[-1]


def test_matrices_of_a_stack_do_not_know_of_each_other() -> None:
    target, metric = problem()
    together = nn.Parameter(torch.zeros_like(target))
    descend(Soap([together], lr=0.05), together, target, metric)
    for index in range(2):
        alone = nn.Parameter(torch.zeros_like(target[index : index + 1]))
        descend(Soap([alone], lr=0.05), alone, target[index : index + 1], metric)
        torch.testing.assert_close(together.data[index : index + 1], alone.data)


def test_a_matrix_without_gradient_stays_as_it_is() -> None:
    weight = nn.Parameter(torch.ones(2, 3, 4))
    optimizer = Soap([weight], lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        (weight[0] ** 2).sum().backward()
        optimizer.step()
    assert torch.equal(weight.data[1], torch.ones(3, 4))
    assert torch.all(weight.data[0] < 1)


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="from the gradients that are there"):
        Soap([nn.Parameter(torch.ones(1, 1, 1))], lr=0.1).step(lambda: 0.0)  # type: ignore[arg-type]
