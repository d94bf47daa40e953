"""The network in onnxruntime, of the extra `fxd[bench]`."""

import os
from typing import Any, cast

from fxd.engines.engine import Array, Stream
from fxd.engines.tcn import TcnModel
from fxd.insight.bench.rivals.context import ContextStream, reject_other_rates
from fxd.insight.bench.rivals.onnx_graph import to_onnx

PROVIDER = "CPUExecutionProvider"
ERRORS_ONLY = 3
"""It warns of weights that nothing reads: the last residual, which exists as NAM's does."""


def load_runtime() -> Any:
    """onnxruntime, kept from what its builds do as they are imported.

    They write an identifier of the machine into the user's home and send events over the network. This
    variable, which must be set before, is the only thing that stops all of it.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    import onnxruntime

    return onnxruntime


class OnnxTcn:
    """An engine: the network as ONNX, one thread, with every optimisation that onnxruntime has."""

    name = "tcn"

    def __init__(self, model: TcnModel) -> None:
        self.model = model
        self.version = model.id
        onnxruntime = load_runtime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.log_severity_level = ERRORS_ONLY
        self.graph = to_onnx(model).SerializeToString()
        self.library = f"onnxruntime {onnxruntime.__version__}"
        self.session = onnxruntime.InferenceSession(self.graph, options, providers=[PROVIDER])

    @property
    def path(self) -> str:
        return f"{self.library}, {', '.join(self.session.get_providers())}"

    def stream(self, sample_rate: int, channels: int) -> Stream:
        """A stream at the network's own rate. Raises ValueError at any other."""
        reject_other_rates(self.model, sample_rate, "onnxruntime")
        return ContextStream(self.forward, self.model.architecture.receptive_field - 1, channels)

    def forward(self, window: Array) -> Array:
        """[channels, context + n] -> [channels, n]"""
        (wet,) = self.session.run(["wet"], {"dry": window[:, None]})
        return cast(Array, wet)[:, 0]
