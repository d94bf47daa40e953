"""The network in PyTorch as fxd trains it: matrix products on shifted views (`fxd.training.network`)."""

import torch

from fxd.engines.engine import Array, Stream
from fxd.engines.tcn import TcnModel
from fxd.insight.bench.rivals.context import ContextStream, reject_other_rates
from fxd.training.network import Network


class MatrixTcn:
    """An engine: the trainer's module, float32, without gradients."""

    name = "tcn"

    def __init__(self, model: TcnModel) -> None:
        self.model = model
        self.version = model.id
        self.network = Network(model.architecture)
        self.network.load(model.weights)

    @property
    def path(self) -> str:
        return f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"

    def stream(self, sample_rate: int, channels: int) -> Stream:
        """A stream at the network's own rate. Raises ValueError at any other."""
        reject_other_rates(self.model, sample_rate, "PyTorch")
        return ContextStream(self.forward, self.model.architecture.receptive_field - 1, channels)

    @torch.inference_mode()
    def forward(self, window: Array) -> Array:
        """[channels, context + n] -> [channels, n]"""
        wet: Array = self.network(torch.from_numpy(window)[:, None])[:, 0].numpy()
        return wet
