"""The network that imitates the saturator: its shape, its weights on disk, and the engine around them.

A causal stack of dilated convolutions with a residual path and a skip sum; the dry sound is mixed into every
layer. In a layer array with `channels` C, layer l of dilation d computes, for every frame t,

    z[t]    = tanh( sum over taps k of  conv[l, :, :, k] x[t - (kernel_size - 1 - k) d]  +  conv_bias[l]
                    + mix[l] dry[t] )
    head[t] += z[t]                                     the skip sum
    x[t]    += residual[l] z[t] + residual_bias[l]      the input of layer l + 1

The first x is `rechannel` times the input of the array: the dry sound for the first array, the last x of the
array before it for every other. The skip sum begins with the head output of the array before, and leaves as
`head @ sum (+ head_bias)`; the last one, times `head_scale`, is the wet sound.

This is the WaveNet family of Neural Amp Modeler 0.5.4 (https://github.com/sdatkinson/neural-amp-modeler):
every shape here can be written as a `.nam` file, layer by layer. As there, the residual weights of the very
last layer exist although nothing reads their output.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np
import safetensors
from safetensors.numpy import save

from fxd.engines.engine import Array, Stream

Shape = tuple[int, ...]

MODEL_SAMPLE_RATE = 48_000


@dataclass(frozen=True)
class LayerArray:
    """Layers of one width, one per dilation. The fields carry the names of a `.nam` file."""

    input_size: int
    channels: int
    head_size: int
    head_bias: bool
    dilations: tuple[int, ...]
    kernel_size: int = 3
    condition_size: int = 1
    activation: Literal["Tanh"] = "Tanh"

    @property
    def reach(self) -> int:
        """Frames before the present one that an output depends on."""
        return (self.kernel_size - 1) * sum(self.dilations)

    def shapes(self) -> dict[str, Shape]:
        """The shape of every weight tensor; the leading axis of most counts the layers."""
        layers, channels = len(self.dilations), self.channels
        shapes: dict[str, Shape] = {
            "rechannel": (channels, self.input_size),
            "conv": (layers, channels, channels, self.kernel_size),
            "conv_bias": (layers, channels),
            "mix": (layers, channels),
            "residual": (layers, channels, channels),
            "residual_bias": (layers, channels),
            "head": (self.head_size, channels),
        }
        return shapes | ({"head_bias": (self.head_size,)} if self.head_bias else {})


@dataclass(frozen=True)
class Architecture:
    """The shape of a network. Raises ValueError where its arrays do not fit each other."""

    arrays: tuple[LayerArray, ...]
    head_scale: float = 0.1
    """A constant, not trained. It is how fast the head learns beside the layers: NAM's 0.02 is too slow here,
    for at equal time the error is 3 to 4 dB larger."""

    def __post_init__(self) -> None:
        if not self.arrays:
            raise ValueError("a network needs at least one layer array")
        for index, array in enumerate(self.arrays):
            before = self.arrays[index - 1] if index else None
            expected = {
                "input_size": before.channels if before else 1,
                "channels": before.head_size if before else array.channels,
                "head_size": array.head_size if array is not self.arrays[-1] else 1,
                "condition_size": 1,
                "activation": "Tanh",
            }
            for name, value in expected.items():
                if getattr(array, name) != value:
                    raise ValueError(
                        f"layer array {index}: {name} is {getattr(array, name)!r}, it must be {value!r}"
                    )
            if not array.dilations:
                raise ValueError(f"layer array {index}: it has no layer")
            if min(array.channels, array.head_size, array.kernel_size, *array.dilations) < 1:
                raise ValueError(f"layer array {index}: sizes and dilations must be 1 or more")

    @property
    def receptive_field(self) -> int:
        """Frames of dry sound, the present one among them, that one wet frame depends on."""
        return 1 + sum(array.reach for array in self.arrays)

    @property
    def weight_count(self) -> int:
        """Numbers in a model, as a `.nam` file counts them: the head scale is one of them."""
        return 1 + sum(prod(shape) for shape in self.shapes().values())

    def shapes(self) -> dict[str, Shape]:
        """The shape of every weight tensor, named `<array>.<tensor>`."""
        return {
            f"{index}.{name}": shape
            for index, array in enumerate(self.arrays)
            for name, shape in array.shapes().items()
        }

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds that one frame takes, as the formulas above say, without any padding.

        Every weight that is no bias counts once; so does the last residual, which nothing reads. Neither the
        tanh nor the head scale is counted.

        >>> [PRESETS[preset].multiply_adds for preset in ("standard", "compact")]
        [13320, 3976]
        """
        biases = ("conv_bias", "residual_bias", "head_bias")
        return sum(prod(shape) for name, shape in self.shapes().items() if not name.endswith(biases))

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Architecture":
        """Raises ValueError where the text is not the JSON form of an architecture.

        >>> Architecture.from_json(PRESETS["lite"].to_json()) == PRESETS["lite"]
        True
        """
        try:
            fields = json.loads(text)
            arrays = (
                LayerArray(**array | {"dilations": tuple(array["dilations"])}) for array in fields["arrays"]
            )
            return cls(tuple(arrays), float(fields["head_scale"]))
        except (TypeError, KeyError) as error:
            raise ValueError(f"this is not the shape of a network: {error!r}") from error


def powers_of_two(first: int, last: int) -> tuple[int, ...]:
    """first, twice that, ..., last."""
    return tuple(1 << exponent for exponent in range(first.bit_length() - 1, last.bit_length()))


def two_arrays(channels: int, split: int) -> Architecture:
    """NAM's pattern: dilations 1 to 512 twice over, the second array half as wide as the first.

    `split` is the last dilation of the first array.
    """
    once = powers_of_two(1, 512)
    layers = len(powers_of_two(1, split))
    half = channels // 2
    return Architecture(
        (
            LayerArray(1, channels, half, head_bias=False, dilations=once[:layers]),
            LayerArray(channels, half, 1, head_bias=True, dilations=once[layers:] + once),
        )
    )


PRESETS: Mapping[str, Architecture] = {
    "standard": two_arrays(16, split=512),
    "lite": two_arrays(12, split=64),
    "feather": two_arrays(8, split=64),
    "nano": two_arrays(4, split=64),
    "compact": Architecture(
        (LayerArray(1, 8, 1, head_bias=True, dilations=(1, 1, 2, *powers_of_two(1, 512), 512, 1)),),
    ),
}
"""NAM's four, and `compact`: the best sound for its cost where minutes of training must do.

Its first layers are close together, since the treble after a tanh is hard to get right: on sounds from elsewhere
the worst tenth gained 4 dB over dilations of 1 to 512 and 1, at equal training time. The second 512 is for the DC
blocker, which rings for longer than 2,049 frames.
"""


@dataclass(frozen=True, eq=False)
class TcnModel:
    """A trained network. Raises ValueError where its weights do not fit its architecture.

    Two of them are the same only if they are one object.
    """

    id: str
    architecture: Architecture
    settings_hash: str
    """Of the saturator that it learned."""
    weights: Mapping[str, Array]
    """float32, named and shaped as `Architecture.shapes` says."""
    sample_rate: int = MODEL_SAMPLE_RATE

    def __post_init__(self) -> None:
        expected = self.architecture.shapes()
        for name in expected.keys() | self.weights.keys():
            if name not in self.weights:
                raise ValueError(f"tensor {name} is missing, expected shape {expected[name]}")
            if name not in expected:
                raise ValueError(f"tensor {name} belongs to no layer of this network")
            tensor = self.weights[name]
            if tensor.shape != expected[name] or tensor.dtype != np.float32:
                raise ValueError(
                    f"tensor {name} is {tensor.dtype} {tensor.shape}, expected float32 {expected[name]}"
                )
            if not np.isfinite(tensor).all():
                raise ValueError(f"tensor {name} holds nan or inf")


def save_weights(path: Path, model: TcnModel) -> None:
    """Write a model as safetensors, everything that is no tensor in the file's metadata.

    It writes in place: whoever needs the file whole or absent gives a temporary name and renames.
    """
    metadata = {
        "id": model.id,
        "architecture": model.architecture.to_json(),
        "sample_rate": str(model.sample_rate),
        "settings_hash": model.settings_hash,
    }
    tensors = {name: np.ascontiguousarray(tensor) for name, tensor in model.weights.items()}
    # Not by safetensors' own `save_file`: where the disk is full, that raises no OSError.
    path.write_bytes(save(tensors, metadata))


def load_weights(path: Path) -> TcnModel:
    """The model that `save_weights` wrote.

    Raises ValueError, naming the file and what is wrong with it, where it holds no such model; OSError where
    it cannot be read.
    """
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = list(file.keys())
            weights = {name: file.get_tensor(name) for name in names}
        return TcnModel(
            metadata["id"],
            Architecture.from_json(metadata["architecture"]),
            metadata["settings_hash"],
            weights,
            int(metadata["sample_rate"]),
        )
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path}: this is no safetensors file: {error}") from error
    except KeyError as error:
        raise ValueError(f"{path}: the metadata lacks {error}; was this written by fxd?") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


class Tcn:
    """The engine `tcn`: a trained network at any sample rate."""

    name = "tcn"

    def __init__(self, model: TcnModel) -> None:
        self.model = model
        self.version = model.id

    def stream(self, sample_rate: int, channels: int) -> Stream:
        # Imported here: the compiler behind it takes longer to load than all that only names a model needs.
        from fxd.engines.inference import TcnStream

        return TcnStream(self.model, sample_rate, channels)
