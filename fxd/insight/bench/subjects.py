"""The networks that are measured: by default the model that serves, and two of those that ship with fxd."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fxd.config import ConfigError, Preset, SaturatorSettings, Settings
from fxd.engines.settings_hash import settings_hash
from fxd.engines.tcn import PRESETS, TcnModel, load_weights, save_weights
from fxd.factory import FACTORY
from fxd.store.store import Store
from fxd.training.models import (
    CARD_NAME,
    WEIGHTS_NAME,
    ModelCard,
    load_network,
    model_folder,
    read_card,
    weights_path,
)

USUAL = ("compact", "standard")
"""Presets that are measured unless told otherwise: where a home begins, and what NAM trains most."""
SEED = 0
"""Of the random weights of a preset that has no trained model."""


@dataclass(frozen=True)
class Subject:
    """One network, with what is known of it."""

    network: TcnModel
    preset: str
    origin: Literal["factory", "trained", "random"]
    """`random`: never trained; it costs what a trained one costs, and its sound means nothing."""
    serves: bool
    model_bytes: int
    """Size of its file of weights."""
    trained_on: frozenset[str] = frozenset()
    """Content hashes of what it learned from."""


def choose_subjects(
    settings: Settings, store: Store, presets: Sequence[str], models: Sequence[str]
) -> list[Subject]:
    """The networks of `presets` and the models of these ids; without either, the default ones.

    Raises ConfigError for a preset that does not exist, StoreError for a model that is not known, ModelError
    for one that cannot be read.
    """
    if not presets and not models:
        return default_subjects(settings, store)
    chosen = [subject_of_preset(settings, store, preset) for preset in presets]
    chosen += [model_of_home(settings, store, store.find_model(model).id) for model in models]
    return unique(chosen)


def default_subjects(settings: Settings, store: Store) -> list[Subject]:
    """The model that serves, and the usual ones of those that ship with fxd."""
    usual = (model for model in shipped() if model.preset in USUAL)
    return unique([*serving(settings, store), *usual])


def serving(settings: Settings, store: Store) -> list[Subject]:
    champion = store.champion()
    return [model_of_home(settings, store, champion.id)] if champion else []


def shipped() -> list[Subject]:
    return [model_in(path.parent) for path in sorted(FACTORY.glob(f"*/{CARD_NAME}"))]


def subject_of_preset(settings: Settings, store: Store, preset: str) -> Subject:
    """The best model at hand: the one that serves, one that ships with fxd, else random weights."""
    if preset not in PRESETS:
        names = ", ".join(get_args(Preset))
        raise ConfigError(f"--preset {preset}: there is no such preset; there are {names}")
    at_hand = (subject for subject in (*serving(settings, store), *shipped()) if subject.preset == preset)
    return next(at_hand, None) or untrained(preset, settings.saturator)


def model_of_home(settings: Settings, store: Store, model_id: str) -> Subject:
    champion = store.champion()
    models = settings.paths.models
    card = read_card(model_folder(models, model_id))
    serves = champion is not None and champion.id == model_id
    return subject(load_network(models, model_id), card, weights_path(models, model_id), serves)


def model_in(folder: Path) -> Subject:
    """A model that ships with fxd; its folder is named by its preset, not by its id."""
    path = folder / WEIGHTS_NAME
    return subject(load_weights(path), read_card(folder), path, serves=False)


def subject(network: TcnModel, card: ModelCard, weights: Path, serves: bool) -> Subject:
    heard = frozenset(card.trained_on)
    return Subject(network, card.preset, card.origin, serves, weights.stat().st_size, heard)


def untrained(preset: str, saturator: SaturatorSettings) -> Subject:
    from fxd.training.network import Network

    network = Network(PRESETS[preset])
    network.initialise(SEED)
    model = TcnModel(f"{preset}-untrained", PRESETS[preset], settings_hash(saturator), network.weights())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS_NAME
        save_weights(path, model)
        return Subject(model, preset, "random", serves=False, model_bytes=path.stat().st_size)


def unique(subjects: Sequence[Subject]) -> list[Subject]:
    """Each model once, the first of its kind."""
    return list({subject.network.id: subject for subject in reversed(subjects)}.values())[::-1]


def labels(subjects: Sequence[Subject]) -> dict[str, Subject]:
    """One network for every shape, by the name of its preset: weights change no timing.

    Two shapes of one name, as a preset may change between versions of fxd, are told apart by the model's id.
    """
    named: dict[str, Subject] = {}
    for one in subjects:
        if one.network.architecture not in [known.network.architecture for known in named.values()]:
            named[one.preset if one.preset not in named else one.network.id] = one
    return named
