"""The network as a PyTorch module, in the form that trains fastest on a CPU.

With 8 or 16 channels the convolutions of PyTorch spend their time on everything but arithmetic. Here the
segments of a batch lie one behind the other in a single row of time, [channels, batch * time], and a layer is
a few matrix products on shifted views of it:

    time            0 1 2 3 4 5 | 0 1 2 3 4 5        two segments of 6 frames
    after a layer       2 3 4 5 | x x 2 3 4 5        of reach 2: each 'x' mixes both segments

The mixed frames are exactly those that a convolution over each segment alone would not give. They are cut
away at the end, so nothing is learned from them.

The backward pass is written out for the same reason: derived automatically it would copy every shifted view.
tanh(a) is taken as 2 sigmoid(2 a) - 1, four times as fast here and within 2e-7.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture, LayerArray


class ArrayFunction(torch.autograd.Function):
    """One layer array with its gradients: see `fxd.engines.tcn` for the formulas."""

    @staticmethod
    def forward(ctx: Any, dilations: tuple[int, ...], *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the array [channels, frames] and the skip sum after it, as long as `total`.

        `dry` [2, ...] is the dry sound and a row of ones; the weights are those of `ArrayModule`.
        """
        source, dry, total, rechannel, hidden, residual = tensors
        taps, side = split_hidden(hidden)
        total = total.clone()
        x = rechannel[0] @ source
        inputs, activations = [], []
        for layer, dilation in enumerate(dilations):
            frames = x.shape[1] - (len(taps[layer]) - 1) * dilation
            z = side[layer] @ dry[:, -frames:]
            for tap, weight in enumerate(taps[layer]):
                z.addmm_(weight, x[:, tap * dilation : tap * dilation + frames])
            z.mul_(2).sigmoid_().mul_(2).sub_(1)
            total += z[:, -total.shape[1] :]
            inputs.append(x)
            activations.append(z)
            x = torch.addmm(residual[layer, :, -1:], residual[layer, :, :-1], z).add_(x[:, -frames:])
        ctx.dilations = dilations
        ctx.save_for_backward(source, dry, rechannel, hidden, residual, *inputs, *activations)
        return x, total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        source, dry, rechannel, hidden, residual, *saved = ctx.saved_tensors
        layers = len(ctx.dilations)
        taps, _ = split_hidden(hidden)
        d_x, d_total = gradients
        d_hidden, d_residual = torch.empty_like(hidden), torch.empty_like(residual)
        d_taps, d_side = split_hidden(d_hidden, views=True)
        for layer in reversed(range(layers)):
            dilation, x, z = ctx.dilations[layer], saved[layer], saved[layers + layer]
            frames = z.shape[1]
            d_residual[layer, :, :-1] = d_x @ z.T
            d_residual[layer, :, -1] = d_x.sum(1)
            d_z = residual[layer, :, :-1].T @ d_x
            d_z[:, -d_total.shape[1] :] += d_total
            d_z = torch.ops.aten.tanh_backward(d_z, z)
            d_side[layer] = d_z @ dry[:, -frames:].T
            d_x = functional.pad(d_x, (x.shape[1] - frames, 0))
            for tap, weight in enumerate(taps[layer]):
                view = slice(tap * dilation, tap * dilation + frames)
                d_taps[layer, tap] = d_z @ x[:, view].T
                d_x[:, view].addmm_(weight.T, d_z)
        d_source = rechannel[0].T @ d_x if ctx.needs_input_grad[1] else None
        return None, d_source, None, d_total, (d_x @ source.T)[None], d_hidden, d_residual


def split_hidden(hidden: Tensor, views: bool = False) -> tuple[Tensor, Tensor]:
    """The weights of the taps, [layers, taps, channels, channels], and of the dry sound and the bias."""
    layers, channels, _ = hidden.shape
    taps = hidden[..., :-2].view(layers, channels, -1, channels).transpose(1, 2)
    return taps if views else taps.contiguous(), hidden[..., -2:]


class ArrayModule(nn.Module):
    """The weights of one layer array, as stacks of matrices: one matrix holds all that goes into one sum.

    An optimiser that looks at a matrix as a whole learns faster so than with each tensor by itself.
    """

    def __init__(self, array: LayerArray) -> None:
        super().__init__()
        self.array = array
        layers, channels = len(array.dilations), array.channels
        self.rechannel = nn.Parameter(torch.zeros(1, channels, array.input_size))
        self.hidden = nn.Parameter(torch.zeros(layers, channels, array.kernel_size * channels + 2))
        """The taps, the oldest first, then the dry sound, then the bias."""
        self.residual = nn.Parameter(torch.zeros(layers, channels, channels + 1))
        self.head = nn.Parameter(torch.zeros(1, array.head_size, channels + array.head_bias))

    def forward(self, source: Tensor, dry: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the array and of its head: [channels, ...] and [head_size, as long as total]."""
        apply = cast(Any, ArrayFunction.apply)
        x, total = apply(self.array.dilations, source, dry, total, self.rechannel, self.hidden, self.residual)
        if self.array.head_bias:
            return x, torch.addmm(self.head[0, :, -1:], self.head[0, :, :-1], total)
        return x, self.head[0] @ total

    def tensors(self) -> dict[str, Tensor]:
        """Views of the weights, named and shaped as `LayerArray.shapes` says."""
        taps, side = split_hidden(self.hidden, views=True)
        channels = self.array.channels
        tensors = {
            "rechannel": self.rechannel[0],
            "conv": taps.permute(0, 2, 3, 1),
            "mix": side[..., 0],
            "conv_bias": side[..., 1],
            "residual": self.residual[..., :-1],
            "residual_bias": self.residual[..., -1],
            "head": self.head[0, :, :channels],
        }
        return tensors | ({"head_bias": self.head[0, :, -1]} if self.array.head_bias else {})


class Network(nn.Module):
    """A network of any architecture; its weights are zero until `initialise` or `load` sets them."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.arrays = nn.ModuleList(ArrayModule(array) for array in architecture.arrays)

    def forward(self, dry: Tensor) -> Tensor:
        """Wet sound [batch, 1, time - receptive_field + 1] for dry sound [batch, 1, time]."""
        batch, _, time = dry.shape
        context = self.architecture.receptive_field - 1
        row = dry.reshape(1, batch * time)
        dry_and_ones = torch.cat([row, torch.ones_like(row)])
        source = row
        total = row.new_zeros(self.architecture.arrays[0].channels, batch * time - context)
        for array in self.arrays:
            source, total = array(source, dry_and_ones, total)
        wet = functional.pad(total * self.architecture.head_scale, (0, context))
        return wet.reshape(batch, 1, time)[..., : time - context]

    def tensors(self) -> dict[str, Tensor]:
        """Views of the weights, named and shaped as `Architecture.shapes` says."""
        return {
            f"{index}.{name}": tensor
            for index, module in enumerate(self.arrays)
            for name, tensor in cast(ArrayModule, module).tensors().items()
        }

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Draw new weights: uniform within 1 / sqrt(how many numbers are summed up where they belong)."""
        generator = torch.Generator().manual_seed(seed)
        for index, array in enumerate(self.architecture.arrays):
            taps = array.channels * array.kernel_size
            summands = {"rechannel": array.input_size, "conv": taps, "conv_bias": taps, "mix": 1}
            for name, tensor in cast(ArrayModule, self.arrays[index]).tensors().items():
                draw = 2 * torch.rand(tensor.shape, generator=generator) - 1
                tensor.copy_(draw / summands.get(name, array.channels) ** 0.5)

    @torch.no_grad()
    def load(self, weights: Mapping[str, Array]) -> None:
        """Take over weights that are named and shaped as `Architecture.shapes` says."""
        for name, tensor in self.tensors().items():
            tensor.copy_(torch.from_numpy(weights[name]))

    def weights(self) -> dict[str, Array]:
        """A copy of the weights, named and shaped as `Architecture.shapes` says."""
        return {
            name: tensor.detach().cpu().float().contiguous().numpy().copy()
            for name, tensor in self.tensors().items()
        }
