"""The model that serves, as a retraining needs it: to begin with, and to compare with."""

from dataclasses import dataclass
from pathlib import Path

from loguru import logger
from pydantic import ValidationError

from fxd.config import Settings
from fxd.engines.tcn import TcnModel
from fxd.store.records import Model
from fxd.store.store import Store
from fxd.training.models import ModelCard, ModelError, load_network, model_folder, read_card


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
    """The model that serves; one that cannot be read gives way to any other."""
    record = store.champion()
    if record is None:
        return NoChampion("no model served yet")
    models = settings.paths.models
    try:
        return Champion(load_network(models, record.id), known_card(models, record))
    except ModelError as error:
        logger.warning("the model that serves cannot be used: {}", error)
        return NoChampion(f"{record.id}, which should serve, cannot be read")


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
