"""The model that serves, as a retraining needs it: to begin with, and to compare with."""

from dataclasses import dataclass

from loguru import logger

from fxd.config import Settings
from fxd.engines.tcn import TcnModel
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
        return Champion(load_network(models, record.id), read_card(model_folder(models, record.id)))
    except ModelError as error:
        logger.warning("the model that serves cannot be used: {}", error)
        return NoChampion(f"{record.id}, which should serve, cannot be read")
