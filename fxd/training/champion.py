"""The model that serves, as a retraining needs it: to begin with, and to compare with."""

import errno
from dataclasses import dataclass
from pathlib import Path

from loguru import logger
from pydantic import ValidationError

from fxd.config import Settings
from fxd.engines.tcn import TcnModel
from fxd.store.records import Model
from fxd.store.store import Store
from fxd.training.models import (
    WEIGHTS_NAME,
    ModelCard,
    ModelError,
    load_network,
    model_folder,
    read_card,
    weights_path,
)


@dataclass(frozen=True)
class Champion:
    """Weights and card of the model that serves."""

    network: TcnModel
    card: ModelCard

    @property
    def steps(self) -> int:
        """That its weights have taken, since a training began from zero."""
        return self.card.steps + int(self.card.recipe.get("known_steps", 0))


@dataclass(frozen=True)
class NoChampion:
    """There is none, or it cannot serve."""

    reason: str


def load_champion(settings: Settings, store: Store) -> Champion | NoChampion:
    """The model that serves; one that is damaged, or gone for good, gives way to any other.

    Raises OSError where it may be back soon, as its disk or share is away: it must not lose its place by that.
    """
    record = store.champion()
    if record is None:
        return NoChampion("no model served yet")
    models = settings.paths.models
    try:
        return Champion(load_network(models, record.id), known_card(models, record))
    except ModelError as error:
        if is_away(models, record.id):
            text = f"{record.id}, the model that serves, cannot be read now"
            raise OSError(errno.ENOENT, text, str(weights_path(models, record.id))) from error
        logger.warning("the model that serves cannot be used: {}", error)
        return NoChampion(f"{record.id}, which should serve, cannot be read")


def is_away(models: Path, model_id: str) -> bool:
    """Whether the weights of a model may come back by themselves.

    A system that refuses to read them may let one read them later. Where their folder is not there, but those of
    other models are, somebody removed it; where there is none at all, what all of them are on is away.
    """
    try:
        with weights_path(models, model_id).open("rb") as file:
            file.read(1)
    except (FileNotFoundError, NotADirectoryError):
        return not model_folder(models, model_id).exists() and not any(models.glob(f"*/{WEIGHTS_NAME}"))
    except OSError:
        return True
    return False


def known_card(models: Path, record: Model) -> ModelCard:
    """The card in the model's folder, else the one that the store has: a model serves without its card as well.

    Raises ModelError where neither can be read.
    """
    try:
        return read_card(model_folder(models, record.id))
    except ModelError as error:
        try:
            card = ModelCard.model_validate(record.details)
        except ValidationError:
            raise error from None
        logger.warning("what the database has of {} is used: {}", record.id, error)
        return card
