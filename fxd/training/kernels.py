"""The forward pass of one layer array over a segment, compiled: see `fxd.training.form` for its frames."""

from collections.abc import Callable

from numba.misc.special import literally

from fxd.compiler import njit
from fxd.training.form import TILE, Form, block
from fxd.training.winograd import ForwardTask, activate_far, activate_near, first_pair, is_far, pair_rows
from fxd.vectors.arithmetic import add, tanh
from fxd.vectors.memory import broadcast_rows, load_rows, store_rows, zeros
from fxd.vectors.registers import LANES
from fxd.vectors.sums import add_outer
from fxd.vectors.winograd import PRODUCTS, TAPS


@njit(cache=True, nogil=True)
def transform(  # type: ignore[no-untyped-def]
    target, target_at, matrix, matrix_at, across, bias_at, source, source_at, count, columns,
    begin, end, outputs, rows, width,
):  # fmt: skip
    """target = matrix times source (+ bias), from frame `begin` to `end`.

    Row i of the matrix, what all `outputs` gain from row i of the source, begins at `matrix_at` + i * `across`.
    The bias begins at `bias_at`; a negative one means that there is none.
    """
    literally(rows)
    literally(width)
    for t in range(begin, end, width * LANES):
        for top in range(0, outputs, rows):
            tile = zeros(rows, width)
            if bias_at >= 0:
                tile = broadcast_rows(matrix, bias_at + top, rows, width)
            for row in range(count):
                factors = matrix_at + row * across + top
                tile = add_outer(tile, matrix, factors, source, source_at + row * columns + t, width)
            store_rows(target, target_at + top * columns + t, columns, tile, width)


@njit(cache=True, nogil=True)
def activate(  # type: ignore[no-untyped-def]
    hidden, hidden_at, dry, x, x_at, z, z_at, total, columns, dilation, begin, wet, end,
    taps, inputs, channels, rows, width,
):  # fmt: skip
    """z of one layer, of so many rows of `inputs`, from frame `begin` to `end`.

    From `wet` on it is added to the skip sum, too.
    """
    literally(taps)
    literally(inputs)
    literally(channels)
    literally(rows)
    literally(width)
    side = hidden_at + taps * inputs * channels
    for t in range(begin, end, width * LANES):
        for top in range(0, channels, rows):
            tile = broadcast_rows(hidden, side + channels + top, rows, width)
            tile = add_outer(tile, hidden, side + top, dry, t, width)
            for tap in range(taps):
                behind = x_at + t - (taps - 1 - tap) * dilation
                factors = hidden_at + tap * inputs * channels + top
                for row in range(inputs):
                    tile = add_outer(tile, hidden, factors + row * channels, x, behind + row * columns, width)
            tile = tanh(tile)
            at = top * columns + t
            store_rows(z, z_at + at, columns, tile, width)
            if t >= wet:
                sums = add(tile, load_rows(total, at, columns, rows, width))
                store_rows(total, at, columns, sums, width)


@njit(cache=True, nogil=True)
def pass_on(  # type: ignore[no-untyped-def]
    residual, residual_at, x, z, place, columns, begin, end, channels, rows, width
):
    """The input of the layer after that whose rows begin at `place`: x + residual z + bias."""
    literally(channels)
    literally(rows)
    literally(width)
    for t in range(begin, end, width * LANES):
        for top in range(0, channels, rows):
            at = place + top * columns + t
            tile = load_rows(x, at, columns, rows, width)
            bias = broadcast_rows(residual, residual_at + channels * channels + top, rows, width)
            tile = add(tile, bias)
            for row in range(channels):
                factors = residual_at + row * channels + top
                tile = add_outer(tile, residual, factors, z, place + row * columns + t, width)
            store_rows(x, at + channels * columns, columns, tile, width)


@njit(cache=True, nogil=True)
def activate_in_pairs(  # type: ignore[no-untyped-def]
    weights, layer, dry, x, z, place, total, columns, dilation, begin, wet, end, channels, rows, width,
    paired_rows,
):  # fmt: skip
    """What `activate` does, of a layer whose rows begin at `place` in x and z; in pairs, where it can."""
    literally(channels)
    literally(rows)
    literally(width)
    literally(paired_rows)
    matrix, hidden_at = channels * channels, layer * (TAPS * channels + 2) * channels
    pairs = first_pair(begin, end, dilation, width)
    task = ForwardTask(
        weights.filtered, layer * PRODUCTS * matrix, weights.hidden, hidden_at + TAPS * matrix,
        dry, x, z, place, total, columns, pairs, wet, end,
    )  # fmt: skip
    if is_far(dilation, width):
        activate_far(task, dilation, channels, paired_rows)
    elif dilation == 1:
        activate_near(task, 1, channels, paired_rows)
    elif dilation == 2:
        activate_near(task, 2, channels, paired_rows)
    elif dilation == 4:
        activate_near(task, 4, channels, paired_rows)
    elif dilation == 8:
        activate_near(task, 8, channels, paired_rows)
    activate(
        weights.hidden, hidden_at, dry, x, place, z, place, total, columns, dilation,
        begin, wet, pairs, TAPS, channels, channels, rows, width,
    )  # fmt: skip


def forward_kernel(form: Form) -> Callable[..., None]:
    channels, inputs, outputs = form.channels, form.input_size, form.head_size
    taps, is_first, paired = form.taps, form.first, form.winograd
    rows, width = block(channels)
    head_rows, head_width = block(outputs)
    step, head_step = width * LANES, head_width * LANES
    head_bias = channels * outputs if form.head_bias else -1
    hidden_size, residual_size = (taps * channels + 2) * channels, (channels + 1) * channels
    high = pair_rows(channels)

    @njit(cache=True, nogil=True)
    def forward(weights, source, source_at, dry, kept, span, follows):  # type: ignore[no-untyped-def]
        """Fill `kept`.

        The weights are transposed. The array hears the rows of `source` from `source_at` on; `dry` is
        [2, columns], the dry sound and ones. Whether an array `follows` decides if the output of the last layer
        is needed.
        """
        x, z, total = kept.x, kept.z, kept.total
        layers, columns = z.shape[0], z.shape[2]
        plane, wet = channels * columns, span.wet // step * step
        for low in range(span.firsts[0] // step * step, span.end, TILE):
            end = min(low + TILE, span.end)
            transform(
                x, 0, weights.rechannel, 0, channels, -1, source, source_at, inputs, columns,
                low, end, channels, rows, width,
            )  # fmt: skip
            for layer in range(layers):
                place = layer * plane
                begin = max(low, span.firsts[layer + 1] // step * step)
                dilation = span.dilations[layer]
                if is_first and layer == 0:
                    activate(
                        weights.entry, 0, dry, dry, 0, z, 0, total, columns, dilation, begin, wet, end,
                        taps, 1, channels, rows, width,
                    )  # fmt: skip
                elif paired:
                    activate_in_pairs(
                        weights, layer, dry, x, z, place, total, columns, dilation, begin, wet, end,
                        channels, rows, width, high,
                    )  # fmt: skip
                else:
                    activate(
                        weights.hidden, layer * hidden_size, dry, x, place, z, place, total, columns, dilation,
                        begin, wet, end, taps, channels, channels, rows, width,
                    )  # fmt: skip
                if follows or layer < layers - 1:
                    pass_on(
                        weights.residual, layer * residual_size, x, z, place, columns,
                        begin, end, channels, rows, width,
                    )  # fmt: skip
        transform(
            kept.heads, 0, weights.head, 0, outputs, head_bias, total, 0,
            channels, columns, span.wet // head_step * head_step, span.end, outputs, head_rows, head_width,
        )  # fmt: skip

    compiled: Callable[..., None] = forward
    return compiled
