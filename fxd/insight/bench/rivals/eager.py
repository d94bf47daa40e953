"""The network in PyTorch as its users write it: one convolution after the other, each run as it is reached."""

import torch
from torch import Tensor
from torch.nn import functional

from fxd.engines.engine import Array, Stream
from fxd.engines.tcn import TcnModel
from fxd.insight.bench.rivals.context import ContextStream, reject_other_rates


class EagerTcn:
    """An engine: `functional.conv1d` layer by layer, float32 unless told otherwise; see `fxd.engines.tcn`."""

    name = "tcn"

    def __init__(self, model: TcnModel, dtype: torch.dtype = torch.float32) -> None:
        self.model = model
        self.version = model.id
        self.dtype = dtype
        self.weights = {name: torch.from_numpy(value).to(dtype) for name, value in model.weights.items()}

    @property
    def path(self) -> str:
        """What PyTorch says it runs."""
        return f"PyTorch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}"

    def stream(self, sample_rate: int, channels: int) -> Stream:
        """A stream at the network's own rate. Raises ValueError at any other."""
        reject_other_rates(self.model, sample_rate, "PyTorch")
        return ContextStream(self.forward, self.model.architecture.receptive_field - 1, channels)

    @torch.inference_mode()
    def forward(self, window: Array) -> Array:
        """[channels, context + n] -> [channels, n]"""
        dry = torch.from_numpy(window).to(self.dtype)[:, None]
        source = dry
        total: Tensor | None = None
        for index, array in enumerate(self.model.architecture.arrays):
            own = {name: self.weights[f"{index}.{name}"] for name in array.shapes()}
            x = functional.conv1d(source, own["rechannel"][..., None])
            for layer, dilation in enumerate(array.dilations):
                z = functional.conv1d(x, own["conv"][layer], own["conv_bias"][layer], dilation=dilation)
                frames = z.shape[-1]
                z += own["mix"][layer, :, None] * dry[..., -frames:]
                z.tanh_()
                total = z.clone() if total is None else total[..., -frames:].add_(z)
                x = x[..., -frames:] + functional.conv1d(
                    z, own["residual"][layer, ..., None], own["residual_bias"][layer]
                )
            assert total is not None
            source, total = x, functional.conv1d(total, own["head"][..., None], own.get("head_bias"))
        assert total is not None
        wet: Array = (total[:, 0] * self.model.architecture.head_scale).numpy()
        return wet
