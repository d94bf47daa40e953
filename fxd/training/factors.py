"""The weights of a layer array as its kernels want them, and its gradients as `ArrayModule` wants them.

Three things are worked out once for all frames:

- The factors of Winograd's filtering, for layers that take frames in pairs: see `fxd.training.winograd`.
- For the first layer of a network, what it makes of the dry sound itself. Its input x = r dry has one row's worth
  of information, r being the weights of `rechannel`. So with u[o, k] = sum over i of conv[o, i, k] r[i] and with
  h[o, k], the sum over t of d_z[o, t] dry[t - (kernel_size - 1 - k) dilation],

      conv * x           =  u * dry
      gradient of conv   =  h[o, k] r[i]
      gradient of r[i]   =  sum over o and k of conv[o, i, k] h[o, k]  +  sum over t of d_after[i, t] dry[t]

  where the last sum is what goes past the layer. That is a convolution with one channel instead of all, both on
  the way forward and on the way back.

- The gradient of the bias of `residual`, the sum of d_after over t. What comes out of a layer goes past the next
  one and through its taps, so it is that of the next layer's bias plus, for each tap, conv^T times what the
  hidden bias of the next layer gains.
"""

from collections.abc import Sequence

import numpy as np

from fxd.compiler import njit
from fxd.engines.engine import Array
from fxd.training.form import Form, Weights
from fxd.vectors.memory import aligned
from fxd.vectors.winograd import PRODUCTS

STACKS = 4
"""The parameters of an `ArrayModule`: the first fields of `Weights`."""


class Factors:
    """Of one layer array: `straight` for the way back, `transposed` for the way forward."""

    def __init__(self, form: Form, layers: int) -> None:
        channels, taps = form.channels, form.taps
        self.form = form
        shapes = (
            (1, channels, form.input_size),
            (layers, channels, taps * channels + 2),
            (layers, channels, channels + 1),
            (1, form.head_size, channels + form.head_bias),
            (layers if form.winograd else 0, channels, PRODUCTS * channels),
            (1 if form.first else 0, channels, taps + 2),
        )
        self.straight = Weights(*(np.zeros(shape, np.float32) for shape in shapes))
        self.transposed = Weights(*(aligned(count, columns, rows) for count, rows, columns in shapes))

    def take(self, stacks: Sequence[Array]) -> None:
        """The parameters of the array, in the order of `Weights`."""
        rechannel, hidden, residual, head = stacks
        self.straight = self.straight._replace(
            rechannel=rechannel, hidden=hidden, residual=residual, head=head
        )
        if self.form.winograd:
            filter_taps(hidden, self.straight.filtered)
        if self.form.first:
            enter(rechannel[0], hidden[0], self.straight.entry[0])
        for matrices, transposed in zip(self.straight, self.transposed, strict=True):
            transpose_each(matrices, transposed)

    def complete(self, gradients: Sequence[Array], past: Array) -> None:
        """Change gradients in place: give them the biases of `residual`, and the first conv, h so far.

        `past`, the sum over t of the gradient of what the array gives, becomes that of what its layers hear.
        """
        rechannel, hidden, residual, _ = gradients
        find_biases(self.straight.hidden, hidden, residual, past)
        if not self.form.first:
            return
        shape = self.form.channels, self.form.taps, self.form.channels
        gains, conv = (matrix[0, :, :-2].reshape(shape) for matrix in (hidden, self.straight.hidden))
        with np.errstate(over="ignore", invalid="ignore"):
            rechannel[0, :, 0] += (conv * gains).sum(axis=(0, 1))
            gains *= self.straight.rechannel[0, :, 0]


@njit(cache=True, nogil=True)
def filter_taps(hidden: Array, filtered: Array) -> None:
    """The four factors of each filter, for those of three taps."""
    layers, channels, _ = hidden.shape
    half = np.float32(0.5)
    for layer in range(layers):
        for o in range(channels):
            taps, factors = hidden[layer, o], filtered[layer, o]
            for i in range(channels):
                first, middle, last = taps[i], taps[channels + i], taps[2 * channels + i]
                outer, inner = half * (first + last), half * middle
                factors[i] = first
                factors[channels + i] = outer + inner
                factors[2 * channels + i] = outer - inner
                factors[3 * channels + i] = last


@njit(cache=True, nogil=True)
def enter(rechannel: Array, hidden: Array, entry: Array) -> None:
    """u, and what the first layer makes of the dry sound and of ones besides."""
    channels, taps = hidden.shape[0], entry.shape[1] - 2
    for o in range(channels):
        for tap in range(taps):
            total = np.float32(0)
            for i in range(channels):
                total += hidden[o, tap * channels + i] * rechannel[i, 0]
            entry[o, tap] = total
        entry[o, taps:] = hidden[o, taps * channels :]


@njit(cache=True, nogil=True)
def find_biases(hidden: Array, d_hidden: Array, d_residual: Array, past: Array) -> None:
    """Put what the biases of `residual` gain into its gradient; `past` is changed as `complete` says."""
    layers, channels, count = hidden.shape
    for layer in range(layers - 1, -1, -1):
        d_residual[layer, :, channels] = past
        for o in range(channels):
            gain = d_hidden[layer, o, count - 1]
            for first in range(0, count - 2, channels):
                for i in range(channels):
                    past[i] += hidden[layer, o, first + i] * gain


@njit(cache=True, nogil=True)
def transpose_each(matrices: Array, transposed: Array) -> None:
    for n in range(matrices.shape[0]):
        for i in range(matrices.shape[1]):
            for j in range(matrices.shape[2]):
                transposed[n, j, i] = matrices[n, i, j]
