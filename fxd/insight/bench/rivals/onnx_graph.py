"""The network as an ONNX graph, for any runtime that reads one.

Every layer drops the frames that lack a past, so all shapes but the first follow from constants. For two
layers of reach 2, and 6 frames of dry sound of which 2 are wanted:

    dry, x0    0 1 2 3 4 5
    z0, x1         2 3 4 5        x0 and dry lose their first 2 frames before they are added
    z1                 4 5        and the skip sum takes of z0 what z1 still has
"""

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from fxd.engines.engine import Array
from fxd.engines.tcn import LayerArray, TcnModel

OPSET = 17
IR_VERSION = 8
"""Of ONNX 1.12: every runtime of the last years reads it."""


def to_onnx(model: TcnModel) -> ModelProto:
    """Input `dry` [batch, 1, receptive_field - 1 + n], output `wet` [batch, 1, n], both float32."""
    graph = Graph()
    source, total = "dry", None
    past, context = 0, model.architecture.receptive_field - 1
    for index, array in enumerate(model.architecture.arrays):
        own = {name: model.weights[f"{index}.{name}"] for name in array.shapes()}
        source, total, past = graph.layers(array, own, source, total, past)
        bias = (own["head_bias"],) if array.head_bias else ()
        total = graph.convolve(total, own["head"][..., None], *bias)
    assert past == context
    assert total is not None
    scale = graph.constant(np.float32(model.architecture.head_scale))
    graph.add("Mul", total, scale, output="wet")
    return graph.model(model.id)


class Graph:
    """Nodes and constants under construction; a name stands for a tensor [batch, channels, time]."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """A node of one output; returns the name of that."""
        output = output or f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, value: Any) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value), name))
        return name

    def convolve(self, x: str, weight: Array, *bias: Array, dilation: int = 1) -> str:
        tensors = (self.constant(tensor) for tensor in (weight, *bias))
        return self.add("Conv", x, *tensors, kernel_shape=[weight.shape[2]], dilations=[dilation])

    def drop(self, x: str, frames: int) -> str:
        """x without its first frames."""
        if frames == 0:
            return x
        start, end, axis = (self.constant(np.array([n])) for n in (frames, np.iinfo(np.int64).max, 2))
        return self.add("Slice", x, start, end, axis)

    def layers(
        self, array: LayerArray, own: dict[str, Array], source: str, total: str | None, past: int
    ) -> tuple[str, str, int]:
        """Output and skip sum of a layer array, and how many frames were dropped by then."""
        x = self.convolve(source, own["rechannel"][..., None])
        for layer, dilation in enumerate(array.dilations):
            reach = (array.kernel_size - 1) * dilation
            past += reach
            taps = self.convolve(x, own["conv"][layer], own["conv_bias"][layer], dilation=dilation)
            mix = self.convolve(self.drop("dry", past), own["mix"][layer, :, None, None])
            z = self.add("Tanh", self.add("Add", taps, mix))
            total = z if total is None else self.add("Add", self.drop(total, reach), z)
            residual = self.convolve(z, own["residual"][layer, ..., None], own["residual_bias"][layer])
            x = self.add("Add", self.drop(x, reach), residual)
        assert total is not None
        return x, total, past

    def model(self, name: str) -> ModelProto:
        dry, wet = (
            helper.make_tensor_value_info(end, TensorProto.FLOAT, ["batch", 1, f"{end}_time"])
            for end in ("dry", "wet")
        )
        graph = helper.make_graph(self.nodes, name, [dry], [wet], self.constants)
        opset = helper.make_opsetid("", OPSET)
        return helper.make_model(graph, producer_name="fxd", opset_imports=[opset], ir_version=IR_VERSION)
