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
    optimizer = Soap([weight], lr=0.1, decay=0.0)
    for _ in range(20):
        optimizer.zero_grad()
        (weight[0] ** 2).sum().backward()
        optimizer.step()
    assert torch.equal(weight.data[1], torch.ones(3, 4))
    assert torch.all(weight.data[0] < 1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])  # compiled, and by PyTorch
def test_weights_that_only_noise_drives_do_not_wander_off(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    weights = {decay: nn.Parameter(torch.zeros(1, 4, 4, dtype=dtype)) for decay in (0.0, 0.1)}
    for decay, weight in weights.items():
        optimizer = Soap([weight], lr=0.05, decay=decay)
        for _ in range(3_000):
            weight.grad = torch.from_numpy(rng.normal(size=(1, 4, 4))).to(dtype)
            optimizer.step()
    far = {decay: float(weight.detach().square().mean().sqrt()) for decay, weight in weights.items()}
    assert far[0.0] > 1.5
    assert far[0.1] < 1.0  # sqrt(0.05 / (2 x 0.1)) = 0.5


@pytest.mark.parametrize("shape", [(3, 8, 26), (2, 16, 50), (1, 1, 9), (2, 5, 1)])
def test_the_compiled_step_is_that_of_pytorch(shape: tuple[int, int, int]) -> None:
    """PyTorch steps float64. In a direction without gradient rounding would decide, so there is none such.

    The first gradient leaves some in its bases, so both begin with the same ones.
    """
    rng = np.random.default_rng(0)
    scale = np.geomspace(1, 0.1, shape[2])
    compiled, plain = nn.Parameter(torch.zeros(shape)), nn.Parameter(torch.zeros(shape, dtype=torch.float64))
    optimizers = [Soap([weight], lr=0.01, refresh_every=60) for weight in (compiled, plain)]
    for step in range(300):
        gradient = torch.from_numpy(rng.normal(0, scale, shape)).float()
        for optimizer, weight in zip(optimizers, (compiled, plain), strict=True):
            weight.grad = gradient.to(weight.dtype)
            optimizer.step()
        if step == 0:
            start = optimizers[1].state[plain]
            optimizers[0].state[compiled] = {name: tensor.float() for name, tensor in start.items()}
    assert (compiled.detach() - plain.detach()).norm() <= 1e-5 * plain.detach().norm()
    for name, tensor in optimizers[1].state[plain].items():
        mine = optimizers[0].state[compiled][name]
        # Whether a vector of a basis or its opposite is taken makes no difference.
        assert (mine.abs() - tensor.abs()).norm() <= 1e-4 * tensor.norm(), name


def test_the_compiled_bases_stay_orthogonal_where_gradients_have_few_directions() -> None:
    weight = nn.Parameter(torch.zeros(1, 16, 50))
    optimizer = Soap([weight], lr=0.01)
    lines, columns = torch.eye(16)[:3], torch.ones(3, 50)
    for _ in range(50):
        weight.grad = (lines.T @ columns)[None]
        optimizer.step()
    for basis in (optimizer.state[weight][f"{side}_basis"][0] for side in ("left", "right")):
        torch.testing.assert_close(basis.T @ basis, torch.eye(len(basis)), rtol=0, atol=1e-5)


def test_a_closure_is_refused() -> None:
    with pytest.raises(ValueError, match="from the gradients that are there"):
        Soap([nn.Parameter(torch.ones(1, 1, 1))], lr=0.1).step(lambda: 0.0)  # type: ignore[arg-type]


def test_gradients_filled_with_zeros_are_refused() -> None:
    with pytest.raises(ValueError, match="drops gradients"):
        Soap([nn.Parameter(torch.ones(1, 1, 1))], lr=0.1).zero_grad(set_to_none=False)
