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

from typing import Any, cast

import torch
from torch import Tensor, nn

from fxd.engines.engine import Array
from fxd.engines.tcn import Architecture, LayerArray, TcnModel


class ArrayFunction(torch.autograd.Function):
    """One layer array with its gradients: see `fxd.engines.tcn` for the formulas."""

    @staticmethod
    def forward(ctx: Any, dilations: tuple[int, ...], *tensors: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the array [channels, frames] and the skip sum after it, as long as `total`.

        `dry` [2, ...] is the dry sound and a row of ones; `side` [layers, channels, 2] is what they are
        multiplied with, `mix` and `conv_bias`.
        """
        source, dry, total, rechannel, conv, side, residual, residual_bias = tensors
        taps = conv.permute(0, 3, 1, 2).contiguous()
        total = total.clone()
        x = rechannel @ source
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
            x = torch.addmm(residual_bias[layer, :, None], residual[layer], z).add_(x[:, -frames:])
        ctx.dilations = dilations
        ctx.save_for_backward(source, dry, rechannel, taps, side, residual, *inputs, *activations)
        return x, total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        source, dry, rechannel, taps, side, residual, *saved = ctx.saved_tensors
        layers = len(ctx.dilations)
        d_x, d_total = gradients
        d_taps, d_side, d_residual = map(torch.empty_like, (taps, side, residual))
        d_residual_bias = residual.new_empty(residual.shape[:2])
        for layer in reversed(range(layers)):
            dilation, x, z = ctx.dilations[layer], saved[layer], saved[layers + layer]
            frames = z.shape[1]
            torch.sum(d_x, 1, out=d_residual_bias[layer])
            torch.mm(d_x, z.T, out=d_residual[layer])
            d_z = residual[layer].T @ d_x
            d_z[:, -d_total.shape[1] :] += d_total
            d_z = torch.ops.aten.tanh_backward(d_z, z)
            torch.mm(d_z, dry[:, -frames:].T, out=d_side[layer])
            d_x = nn.functional.pad(d_x, (x.shape[1] - frames, 0))
            for tap, weight in enumerate(taps[layer]):
                view = slice(tap * dilation, tap * dilation + frames)
                torch.mm(d_z, x[:, view].T, out=d_taps[layer, tap])
                d_x[:, view].addmm_(weight.T, d_z)
        d_source = rechannel.T @ d_x if ctx.needs_input_grad[1] else None
        d_conv = d_taps.permute(0, 2, 3, 1)
        d_rechannel = d_x @ source.T
        return None, d_source, None, d_total, d_rechannel, d_conv, d_side, d_residual, d_residual_bias


class ArrayModule(nn.Module):
    """The weights of one layer array; those of all its layers are one parameter."""

    rechannel: nn.Parameter
    conv: nn.Parameter
    conv_bias: nn.Parameter
    mix: nn.Parameter
    residual: nn.Parameter
    residual_bias: nn.Parameter
    head: nn.Parameter
    head_bias: nn.Parameter

    def __init__(self, array: LayerArray) -> None:
        super().__init__()
        self.array = array
        for name, shape in array.shapes().items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))

    def forward(self, source: Tensor, dry: Tensor, total: Tensor) -> tuple[Tensor, Tensor]:
        """The output of the array and of its head: [channels, ...] and [head_size, as long as total]."""
        side = torch.stack([self.mix, self.conv_bias], dim=-1)
        weights = (self.rechannel, self.conv, side, self.residual, self.residual_bias)
        apply = cast(Any, ArrayFunction.apply)
        x, total = apply(self.array.dilations, source, dry, total, *weights)
        head = self.head @ total
        return x, head + self.head_bias[:, None] if self.array.head_bias else head


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
        wet = nn.functional.pad(total * self.architecture.head_scale, (0, context))
        return wet.reshape(batch, 1, time)[..., : time - context]

    @torch.no_grad()
    def initialise(self, seed: int) -> None:
        """Draw new weights: uniform within 1 / sqrt(how many numbers the sum that they belong to has)."""
        generator = torch.Generator().manual_seed(seed)
        for module in self.arrays:
            array = cast(ArrayModule, module).array
            taps = array.channels * array.kernel_size
            summands = {"rechannel": array.input_size, "conv": taps, "conv_bias": taps, "mix": 1}
            for name, parameter in module.named_parameters():
                draw = 2 * torch.rand(parameter.shape, generator=generator) - 1
                parameter.copy_(draw / summands.get(name, array.channels) ** 0.5)

    def load(self, model: TcnModel) -> None:
        """Take over the weights of a model of the same architecture."""
        tensors = {f"arrays.{name}": torch.from_numpy(weight) for name, weight in model.weights.items()}
        self.load_state_dict(tensors)

    def weights(self) -> dict[str, Array]:
        """A copy of the weights, named as `Architecture.shapes` says."""
        return {
            name.removeprefix("arrays."): tensor.detach().cpu().float().numpy().copy()
            for name, tensor in self.state_dict().items()
        }
