"""The models that ship with fxd, so that the first file in a new home already comes out of both engines.

`fxd/factory/<preset>/` is a model's folder like any in a home, made by `python -m fxd.factory.make`.
"""

from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from fxd.config import Settings
from fxd.pipeline.files import make_folder
from fxd.store.records import Model
from fxd.store.store import Store
from fxd.training.models import (
    CARD_NAME,
    ModelError,
    copy_model,
    load_network,
    model_folder,
    read_card,
    remove_leftovers,
)

FACTORY = Path(__file__).parent
DEFAULT_PRESET = "compact"
LOCK_NAME = "factory.lock"


def factory_folder(preset: str) -> Path:
    """The shipped model of a preset, or of the default one where that preset has none.

    Raises ModelError where not even that is there.
    """
    for candidate in (preset, DEFAULT_PRESET):
        folder = FACTORY / candidate
        if (folder / CARD_NAME).is_file():
            return folder
    raise ModelError(f"{folder}: the factory model is missing; install fxd again, or run `make factory`")


def install_factory_model(settings: Settings, store: Store) -> Model:
    """Let a factory model serve in a home where no model serves yet. Returns the model that serves.

    It may be called again at any time, by several processes at once: a home that has a champion keeps it. Only
    if that is a factory model whose folder is lost, the folder is put back.
    """
    make_folder(settings.paths.db)
    with FileLock(settings.paths.db / LOCK_NAME):
        champion = store.champion()
        if champion is None:
            return install(settings, store)
        if champion.origin == "factory" and not is_usable(settings, champion):
            put_back(settings, champion)
        return champion


def install(settings: Settings, store: Store) -> Model:
    source = factory_folder(settings.tcn.preset)
    model = read_card(source).record()
    copy(source, settings, model)
    load_network(settings.paths.models, model.id)  # one that cannot be read must not serve
    store.add_model(model)
    store.promote(model.id, "it came with fxd, and no model served yet", datetime.now(UTC))
    return model


def is_usable(settings: Settings, model: Model) -> bool:
    try:
        load_network(settings.paths.models, model.id)
    except ModelError:
        return False
    return True


def put_back(settings: Settings, champion: Model) -> None:
    source = factory_folder(champion.preset)
    # Another version of fxd may ship another model; that one is not what served here.
    if read_card(source).id == champion.id:
        copy(source, settings, champion)


def copy(source: Path, settings: Settings, model: Model) -> None:
    remove_leftovers(settings.paths.models)  # of one who was killed doing this
    copy_model(source, model_folder(settings.paths.models, model.id))
