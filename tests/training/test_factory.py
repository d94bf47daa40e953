"""A new home has a model that serves: the one that came with fxd."""

import multiprocessing
import shutil
import time
from collections.abc import Callable
from multiprocessing.synchronize import Semaphore
from pathlib import Path

import pytest

import fxd.factory
from fxd.config import Settings, TcnSettings
from fxd.engines.tcn import TcnModel
from fxd.factory import install_factory_model
from fxd.store.store import Store, open_store
from fxd.training.models import ModelCard, ModelError, copy_model, load_network, read_card, write_model

COMPACT_ID, NANO_ID = "20261101-000000-compact-ab12", "20261102-000000-nano-cd34"


@pytest.fixture
def factory(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    make_network: Callable[..., TcnModel],
    make_card: Callable[..., ModelCard],
) -> Path:
    """Shipped models of two presets."""
    folder = tmp_path / "factory"
    for preset, model_id in (("compact", COMPACT_ID), ("nano", NANO_ID)):
        network = make_network(model_id, preset)
        write_model(folder / preset, network, make_card(network, preset, origin="factory"))
    monkeypatch.setattr(fxd.factory, "FACTORY", folder)
    return folder


def with_preset(settings: Settings, preset: str) -> Settings:
    return settings.model_copy(update={"tcn": TcnSettings(preset=preset)})  # type: ignore[arg-type]


def test_the_factory_model_serves_in_a_new_home(settings: Settings, store: Store, factory: Path) -> None:
    model = install_factory_model(settings, store)
    assert (model.id, model.origin, model.preset) == (COMPACT_ID, "factory", "compact")
    assert store.champion() == model
    assert load_network(settings.paths.models, COMPACT_ID).id == COMPACT_ID
    assert read_card(settings.paths.models / COMPACT_ID) == read_card(factory / "compact")


@pytest.mark.usefixtures("factory")
@pytest.mark.parametrize(("preset", "model_id"), [("nano", NANO_ID), ("standard", COMPACT_ID)])
def test_the_preset_decides_or_else_compact_serves(
    settings: Settings, store: Store, preset: str, model_id: str
) -> None:
    assert install_factory_model(with_preset(settings, preset), store).id == model_id


@pytest.mark.usefixtures("factory")
def test_a_home_with_a_champion_keeps_it(settings: Settings, store: Store) -> None:
    first = install_factory_model(settings, store)
    assert install_factory_model(with_preset(settings, "nano"), store) == first
    assert [promotion.model_id for promotion in store.promotions()] == [COMPACT_ID]


def test_a_lost_folder_of_the_factory_model_is_put_back(
    settings: Settings, store: Store, factory: Path
) -> None:
    install_factory_model(settings, store)
    shutil.rmtree(settings.paths.models / COMPACT_ID)
    install_factory_model(settings, store)
    assert load_network(settings.paths.models, COMPACT_ID).id == COMPACT_ID
    assert len(store.promotions()) == 1
    shutil.rmtree(factory)
    assert install_factory_model(settings, store).id == COMPACT_ID


@pytest.mark.usefixtures("factory")
def test_what_an_installation_that_was_killed_had_begun_is_removed(settings: Settings, store: Store) -> None:
    dead = multiprocessing.get_context("spawn").Process()
    dead.start()
    dead.join()
    (settings.paths.models / f".{COMPACT_ID}.{dead.pid}.tmp").mkdir()
    install_factory_model(settings, store)
    assert [path.name for path in settings.paths.models.iterdir()] == [COMPACT_ID]


@pytest.mark.usefixtures("store")
def test_several_processes_at_once_install_it_once(settings: Settings, factory: Path) -> None:
    context = multiprocessing.get_context("spawn")
    inside = context.Semaphore(0)
    arguments = (settings, factory, inside)
    processes = [context.Process(target=install_there, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    with open_store(settings.database_url) as store:
        assert [promotion.model_id for promotion in store.promotions()] == [COMPACT_ID]
        assert len(store.models()) == 1
    assert [path.name for path in settings.paths.models.iterdir()] == [COMPACT_ID]


def install_there(settings: Settings, factory: Path, inside: Semaphore) -> None:
    """Installs it, and where it has seen that no model serves gives the other process a second to see so too."""

    def copy_late(source: Path, folder: Path) -> None:
        inside.release()
        end = time.monotonic() + 1
        while inside.get_value() < 2 and time.monotonic() < end:
            time.sleep(0.01)
        copy_model(source, folder)

    fxd.factory.FACTORY = factory
    fxd.factory.copy_model = copy_late
    with open_store(settings.database_url) as store:
        install_factory_model(settings, store)


def test_a_missing_or_broken_factory_model_is_an_error_with_a_remedy(
    settings: Settings, store: Store, factory: Path
) -> None:
    (factory / "compact" / "weights.safetensors").write_bytes(b"half")
    with pytest.raises(ModelError, match="no safetensors file"):
        install_factory_model(settings, store)
    assert store.champion() is None
    shutil.rmtree(factory / "compact")
    with pytest.raises(ModelError, match="install fxd again"):
        install_factory_model(settings, store)
