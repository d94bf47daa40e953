"""A training that can be taken up again, as one file that is whole or absent.

Arrays are the tensors of a safetensors file, everything else is JSON in its metadata. Nothing is ever unpickled.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save

from fxd.engines.tcn import Architecture
from fxd.pipeline.files import whole_file
from fxd.store.records import CurvePoint
from fxd.training.learner import Energy, Tensors
from fxd.training.plan import Plan


@dataclass(frozen=True)
class Best:
    """The weights that did best in a validation so far."""

    step: int
    esr: float
    weights: Tensors


@dataclass(frozen=True)
class Checkpoint:
    """All that a training needs to go on as if nothing had happened."""

    model_id: str
    settings_hash: str
    architecture: Architecture
    plan: Plan
    seconds: float
    """Spent in training so far."""
    step: int
    learner: Tensors
    random_state: dict[str, Any]
    """Of the NumPy generator that draws the segments."""
    recent: Energy
    """Of the batches since the latest point of the curve."""
    curve: tuple[CurvePoint, ...]
    best: Best | None

    def save(self, path: Path) -> None:
        """Replace what is at `path`, whole or not at all. Raises OSError where the disk does not take it."""
        best = self.best and {"step": self.best.step, "esr": self.best.esr}
        metadata = {
            "model_id": self.model_id,
            "settings_hash": self.settings_hash,
            "architecture": self.architecture.to_json(),
            "plan": json.dumps(asdict(self.plan)),
            "seconds": json.dumps(self.seconds),
            "step": json.dumps(self.step),
            "random_state": json.dumps(self.random_state),
            "recent": json.dumps(self.recent),
            "curve": json.dumps([asdict(point) for point in self.curve]),
            "best": json.dumps(best),
        }
        tensors = {f"learner/{name}": array for name, array in self.learner.items()}
        if self.best:
            tensors |= {f"best/{name}": array for name, array in self.best.weights.items()}
        contiguous = {name: np.ascontiguousarray(array) for name, array in tensors.items()}
        metadata["digest"] = digest(metadata, contiguous)
        with whole_file(path) as temporary:
            # Not by safetensors' own `save_file`: where the disk is full, that raises no OSError.
            temporary.write_bytes(save(contiguous, metadata))

    @classmethod
    def load(cls, path: Path) -> "Checkpoint":
        """Raises ValueError, naming the file, where it is no checkpoint; OSError where it cannot be read."""
        try:
            with safetensors.safe_open(path, framework="numpy") as file:
                text = file.metadata() or {}
                names = list(file.keys())
                arrays = {name: file.get_tensor(name) for name in names}
            if text.pop("digest") != digest(text, arrays):
                raise ValueError("its content is not what was written")
            learner, weights = part(arrays, "learner/"), part(arrays, "best/")
            best = json.loads(text["best"])
            return cls(
                model_id=text["model_id"],
                settings_hash=text["settings_hash"],
                architecture=Architecture.from_json(text["architecture"]),
                plan=Plan(**json.loads(text["plan"])),
                seconds=json.loads(text["seconds"]),
                step=json.loads(text["step"]),
                learner=learner,
                random_state=json.loads(text["random_state"]),
                recent=Energy(*json.loads(text["recent"])),
                curve=tuple(CurvePoint(**point) for point in json.loads(text["curve"])),
                best=Best(**best, weights=weights) if best else None,
            )
        except safetensors.SafetensorError as error:
            raise ValueError(f"{path}: this is no safetensors file: {error}") from error
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: this is no checkpoint of a training: {error!r}") from error


def digest(text: Mapping[str, str], arrays: Tensors) -> str:
    """SHA-256 of all that a checkpoint holds: a bad block of a disk shall not become a bad network."""
    found = sha256(json.dumps(sorted(text.items())).encode())
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape}".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def part(arrays: Tensors, prefix: str) -> Tensors:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
