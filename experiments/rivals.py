"""The network as one writes it in PyTorch, of convolution modules: what the compiled step is compared with."""

from typing import Literal, cast

import torch
from torch import Tensor, nn

from fxd.engines.tcn import Architecture, LayerArray

Kind = Literal["conv1d", "conv2d"]


class Layer(nn.Module):
    """One layer of a layer array: see `fxd.engines.tcn` for the formulas."""

    def __init__(self, array: LayerArray, dilation: int, kind: Kind, has_residual: bool) -> None:
        super().__init__()
        self.conv = convolution(kind, array.channels, array.channels, array.kernel_size, dilation)
        self.mix = convolution(kind, 1, array.channels, bias=False)
        self.residual = convolution(kind, array.channels, array.channels) if has_residual else None

    def forward(self, x: Tensor, dry: Tensor) -> tuple[Tensor, Tensor]:
        """The input of the next layer and the activations, both shorter than x by the layer's reach."""
        hidden = self.conv(x)
        z = torch.tanh(hidden + self.mix(dry[..., -hidden.shape[-1] :]))
        return (self.residual(z) + x[..., -z.shape[-1] :] if self.residual else z), z


class Array(nn.Module):
    """One layer array."""

    def __init__(self, array: LayerArray, kind: Kind, is_last: bool) -> None:
        super().__init__()
        self.rechannel = convolution(kind, array.input_size, array.channels, bias=False)
        self.layers = nn.ModuleList(
            Layer(array, dilation, kind, has_residual=not (is_last and index == len(array.dilations) - 1))
            for index, dilation in enumerate(array.dilations)
        )
        self.head = convolution(kind, array.channels, array.head_size, bias=array.head_bias)

    def forward(
        self, source: Tensor, dry: Tensor, total: Tensor | None, frames: int
    ) -> tuple[Tensor, Tensor]:
        """The output of the array and of its head, the latter `frames` long, as all skip sums are."""
        x = self.rechannel(source)
        for layer in self.layers:
            x, z = layer(x, dry)
            z = z[..., -frames:]
            total = z if total is None else total + z
        return x, self.head(total)


class ConvolutionNetwork(nn.Module):
    """A network of `nn.Conv1d`, or of `nn.Conv2d` of height 1 with its memory in channels-last order."""

    def __init__(self, architecture: Architecture, kind: Kind) -> None:
        super().__init__()
        self.architecture = architecture
        self.kind = kind
        arrays = architecture.arrays
        self.arrays = nn.ModuleList(Array(array, kind, array is arrays[-1]) for array in arrays)
        if kind == "conv2d":
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, dry: Tensor) -> Tensor:
        """Wet sound [batch, 1, time - receptive_field + 1] for dry sound [batch, 1, time]."""
        frames = dry.shape[-1] - self.architecture.receptive_field + 1
        if self.kind == "conv2d":
            dry = dry[:, :, None].to(memory_format=torch.channels_last)
        source, total = dry, None
        for array in self.arrays:
            source, total = array(source, dry, total, frames)
        return cast(Tensor, total).reshape(-1, 1, frames) * self.architecture.head_scale


def convolution(
    kind: Kind, inputs: int, outputs: int, taps: int = 1, dilation: int = 1, bias: bool = True
) -> nn.Module:
    if kind == "conv1d":
        return nn.Conv1d(inputs, outputs, taps, dilation=dilation, bias=bias)
    return nn.Conv2d(inputs, outputs, (1, taps), dilation=(1, dilation), bias=bias)
