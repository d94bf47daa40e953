import numpy as np
import pytest
import torch
from torch import Tensor

from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture, LayerArray
from fxd.training.learner import Learner, TrainingFailed
from fxd.training.network import Network

ONE = Architecture((LayerArray(1, 8, 1, head_bias=True, dilations=(1, 2, 4, 9)),))
CPU = torch.device("cpu")


class LogCosh(Learner):
    def loss(self, error: Tensor, target: Tensor) -> Tensor:
        return ((error / (target.abs() + 0.1)).cosh().log() + error.square()).mean()


def batch() -> tuple[Array, Array]:
    dry = np.random.default_rng(0).normal(0, 0.4, (2, ONE.receptive_field + 99)).astype(np.float32)
    return dry, np.tanh(3 * dry[:, -100:])


def plain(learner: Learner) -> Network:
    """The learner's network, in PyTorch alone."""
    network = Network(ONE)
    network.load_state_dict(learner.network.state_dict())
    return network


@pytest.mark.parametrize("kind", [Learner, LogCosh])
def test_a_step_follows_the_loss_as_pytorch_differentiates_it(kind: type[Learner]) -> None:
    learner = kind(ONE, 0, CPU)
    dry, wet = batch()
    network, target = plain(learner), torch.from_numpy(wet)
    learner.step(dry, wet, 0.0)
    error = network(torch.from_numpy(dry)[:, None])[:, 0] - target
    (learner.loss(error, target) / target.square().mean()).backward()
    for own, other in zip(learner.network.parameters(), network.parameters(), strict=True):
        assert own.grad is not None
        expected = torch.zeros_like(own) if other.grad is None else other.grad
        torch.testing.assert_close(own.grad, expected, rtol=1e-4, atol=1e-6)


def test_a_network_in_pytorch_alone_takes_the_same_steps() -> None:
    compiled, other = Learner(ONE, 0, CPU), Learner(ONE, 0, CPU)
    other.network = plain(other)
    other.optimizer.param_groups[0]["params"] = list(other.network.parameters())
    dry, wet = batch()
    for _ in range(5):
        energies = [learner.step(dry, wet, 1e-3) for learner in (compiled, other)]
        assert energies[0].error == pytest.approx(energies[1].error, rel=1e-4)
    assert not other.compiled


def test_the_energies_of_a_step_are_those_of_the_batch() -> None:
    learner = Learner(ONE, 0, CPU)
    dry, wet = batch()
    with torch.no_grad():
        estimate = plain(learner)(torch.from_numpy(dry)[:, None])[:, 0].numpy()
    energy = learner.step(dry, wet, 1e-3)
    assert energy.error == pytest.approx(np.square(estimate - wet, dtype=np.float64).sum(), rel=1e-4)
    assert energy.target == pytest.approx(np.square(wet, dtype=np.float64).sum(), rel=1e-5)


def test_a_target_that_is_no_number_ends_the_training_with_its_reason() -> None:
    learner = Learner(ONE, 0, CPU)
    dry, wet = batch()
    wet[0, 5] = np.inf
    with pytest.raises(TrainingFailed, match="its target has inf"):
        learner.step(dry, wet, 1e-3)
    assert not learner.targets.any()
