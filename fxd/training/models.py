"""The folder `models`: one folder for each trained model, whole or absent.

models/20261124-031502-compact-ab12/
    weights.safetensors     the network
    model.json              the card: how it came about, and how good it is
"""

import math
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, ValidationError

from fxd.config import SaturatorSettings
from fxd.engines.tcn import TcnModel, load_weights, save_weights
from fxd.pipeline.files import appear, make_folder, sync_file, sync_folder
from fxd.store.records import Model

WEIGHTS_NAME = "weights.safetensors"
CARD_NAME = "model.json"
REMEDY = "put the folder back from a backup, or choose another model with `fxd models promote ID`"


class ModelError(Exception):
    """A model cannot be used; the message names it, the reason and the remedy."""


class Score(BaseModel):
    """How a model did on one validation file."""

    model_config = ConfigDict(frozen=True)

    content_sha256: str
    seconds: float
    esr_db: float | None
    """None where the network gave nan or inf."""


class ModelCard(BaseModel):
    """What model.json says. Fields that a later version of fxd adds are ignored."""

    model_config = ConfigDict(frozen=True)

    id: str
    created_at: datetime
    origin: Literal["factory", "trained"]
    fxd: str
    """Version."""
    preset: str
    architecture: dict[str, Any]
    sample_rate: int
    weights: int
    """How many numbers."""
    saturator: SaturatorSettings
    """What it learned."""
    settings_hash: str
    parent: str | None
    """The model that its training started from."""
    recipe: dict[str, Any]
    """The plan of its training."""
    train_seconds: float
    steps: int
    trained_on: tuple[str, ...]
    """Content hashes of all that it, or a model it descends from, could hear; it is never judged on these."""
    scores: tuple[Score, ...]
    esr_db: float | None
    """Over all scores: total error energy over total target energy."""
    curve: tuple[dict[str, Any], ...] = ()
    """How the training went."""
    reason: str
    """Why it was promoted, or why not."""
    decision: dict[str, Any]
    """The figures behind `reason`."""
    environment: dict[str, Any]

    def record(self) -> Model:
        """The same for the store."""
        return Model(
            id=self.id,
            created_at=self.created_at,
            preset=self.preset,
            sample_rate=self.sample_rate,
            settings_hash=self.settings_hash,
            parent=self.parent,
            origin=self.origin,
            train_seconds=self.train_seconds,
            steps=self.steps,
            weights=self.weights,
            esr_db=math.nan if self.esr_db is None else self.esr_db,
            reason=self.reason,
            details=self.model_dump(mode="json"),
        )


def model_folder(models: Path, model_id: str) -> Path:
    return models / model_id


def weights_path(models: Path, model_id: str) -> Path:
    """The file with the weights of a model."""
    return model_folder(models, model_id) / WEIGHTS_NAME


def new_model_id(models: Path, preset: str, at: datetime) -> str:
    """A name that sorts by time and that no model here has: `20261124-031502-compact-ab12`."""
    while True:
        model_id = f"{at:%Y%m%d-%H%M%S}-{preset}-{secrets.token_hex(2)}"
        if not model_folder(models, model_id).exists():
            return model_id


def write_model(folder: Path, network: TcnModel, card: ModelCard) -> None:
    """Make the folder of a model appear, whole; an older one there is replaced."""
    with whole_folder(folder) as staging:
        save_weights(staging / WEIGHTS_NAME, network)
        (staging / CARD_NAME).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")


def copy_model(source: Path, folder: Path) -> None:
    """Make a copy of a model's folder appear as `folder`, whole; an older one there is replaced."""
    with whole_folder(folder) as staging:
        for name in (WEIGHTS_NAME, CARD_NAME):
            shutil.copyfile(source / name, staging / name)


@contextmanager
def whole_folder(final: Path) -> Iterator[Path]:
    """A temporary folder beside `final`, which replaces `final` when the block ends well.

    The process that puts it together can be told from its name.
    """
    staging = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        make_folder(staging)
        yield staging
        for path in staging.iterdir():
            sync_file(path)
        sync_folder(staging)
        # A folder can only be renamed over an empty one.
        shutil.rmtree(final, ignore_errors=True)
        appear(staging, final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def remove_leftovers(models: Path) -> None:
    """Remove what processes that were killed were putting together."""
    for staging in models.glob(".*.*.tmp"):
        pid = staging.name.split(".")[-2]
        if pid.isdecimal() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(staging, ignore_errors=True)


def read_card(folder: Path) -> ModelCard:
    """The card in a model's folder. Raises ModelError where it is missing or is not a card."""
    path = folder / CARD_NAME
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; {REMEDY}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ModelError(f"{path}: {where}: {first['msg']}; {REMEDY}") from error


def load_network(models: Path, model_id: str) -> TcnModel:
    """The network of a model. Raises ModelError where it is missing or broken."""
    path = weights_path(models, model_id)
    try:
        network = load_weights(path)
    except OSError as error:
        # From safetensors an error has no strerror, but the reason and the path in its text.
        raise ModelError(f"{model_id}: {error}; {REMEDY}") from error
    except ValueError as error:
        raise ModelError(f"{error}; {REMEDY}") from error
    if network.id != model_id:
        raise ModelError(f"{path}: these are the weights of {network.id}; {REMEDY}")
    return network
