"""The folder of a model: whole or absent, and refused with a clear word where it is broken."""

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from fxd.config import Settings
from fxd.engines.tcn import TcnModel
from fxd.store.store import Store
from fxd.training import models as models_module
from fxd.training.models import (
    ModelCard,
    ModelError,
    load_network,
    new_model_id,
    read_card,
    remove_leftovers,
    weights_path,
    write_model,
)

MakeNetwork = Callable[..., TcnModel]
MakeCard = Callable[..., ModelCard]

ID = "20261124-031502-nano-ab12"


@pytest.fixture
def written(settings: Settings, make_network: MakeNetwork, make_card: MakeCard) -> TcnModel:
    network = make_network(ID)
    write_model(settings.paths.models / ID, network, make_card(network))
    return network


def test_a_model_comes_back_as_it_was_written(
    settings: Settings, written: TcnModel, make_card: MakeCard
) -> None:
    network = load_network(settings.paths.models, ID)
    assert (network.id, network.architecture) == (written.id, written.architecture)
    for name, tensor in written.weights.items():
        np.testing.assert_array_equal(network.weights[name], tensor)
    assert read_card(settings.paths.models / ID) == make_card(written)
    assert sorted(path.name for path in weights_path(settings.paths.models, ID).parent.iterdir()) == [
        "model.json",
        "weights.safetensors",
    ]


def test_the_store_keeps_what_the_card_says(store: Store, written: TcnModel, make_card: MakeCard) -> None:
    card = make_card(written)
    assert store.add_model(card.record())
    kept = store.model(ID)
    assert kept == card.record()
    assert ModelCard.model_validate(kept.details) == card


def test_a_model_without_validation_has_no_esr(written: TcnModel, make_card: MakeCard) -> None:
    card = make_card(written, esr_db=None, scores=())
    assert np.isnan(card.record().esr_db)
    assert json.loads(card.model_dump_json())["esr_db"] is None


def test_ids_sort_by_time_and_never_collide(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    at = datetime(2026, 11, 24, 3, 15, 2, tzinfo=UTC)
    names = iter(["ab12", "ab12", "cd34"])
    monkeypatch.setattr(models_module.secrets, "token_hex", lambda _: next(names))
    first = new_model_id(settings.paths.models, "compact", at)
    assert first == "20261124-031502-compact-ab12"
    (settings.paths.models / first).mkdir()
    assert new_model_id(settings.paths.models, "compact", at) == "20261124-031502-compact-cd34"


def test_a_model_that_could_not_be_written_leaves_nothing(
    settings: Settings, make_network: MakeNetwork, make_card: MakeCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(models_module, "sync_file", full_disk)
    network = make_network(ID)
    with pytest.raises(OSError, match="No space"):
        write_model(settings.paths.models / ID, network, make_card(network))
    assert list(settings.paths.models.iterdir()) == []


def test_a_model_written_again_replaces_the_first(
    settings: Settings, written: TcnModel, make_network: MakeNetwork, make_card: MakeCard
) -> None:
    network = make_network(ID, seed=1)
    write_model(settings.paths.models / ID, network, make_card(network, reason="it is another"))
    assert read_card(settings.paths.models / ID).reason == "it is another"
    found = load_network(settings.paths.models, ID)
    np.testing.assert_array_equal(found.weights["0.conv"], network.weights["0.conv"])
    assert not np.array_equal(found.weights["0.conv"], written.weights["0.conv"])


def test_what_a_killed_process_was_writing_is_removed(settings: Settings) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    dead = settings.paths.models / f".{ID}.{ended.pid}.tmp"
    living = settings.paths.models / f".{ID}.1.tmp"
    others = [settings.paths.models / name for name in (".x.tmp", f".{ID}.tmp", "..tmp")]
    for folder in (dead, living, *others):
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes(b"half")
    remove_leftovers(settings.paths.models)
    assert not dead.exists()
    assert living.exists()
    assert all(other.exists() for other in others), "somebody else's"


def test_a_missing_model_is_named_with_a_remedy(settings: Settings) -> None:
    with pytest.raises(ModelError, match=rf"{ID}: No such file.*weights.safetensors.*fxd models promote"):
        load_network(settings.paths.models, ID)
    with pytest.raises(ModelError, match=rf"{ID}/model.json: No such file.*fxd models promote"):
        read_card(settings.paths.models / ID)


@pytest.mark.usefixtures("written")
def test_a_broken_model_is_named_with_the_reason(settings: Settings) -> None:
    folder = settings.paths.models / ID
    (folder / "weights.safetensors").write_bytes(b"half")
    (folder / "model.json").write_text('{"id": "' + ID + '"}')
    with pytest.raises(ModelError, match="no safetensors file"):
        load_network(settings.paths.models, ID)
    with pytest.raises(ModelError, match=r"model.json: created_at: Field required"):
        read_card(settings.paths.models / ID)
    (folder / "model.json").write_text("{")
    with pytest.raises(ModelError, match=r"model.json: .*JSON"):
        read_card(settings.paths.models / ID)


@pytest.mark.usefixtures("written")
def test_a_folder_under_another_name_is_refused(settings: Settings) -> None:
    (settings.paths.models / ID).rename(settings.paths.models / "mine")
    with pytest.raises(ModelError, match=f"these are the weights of {ID}"):
        load_network(settings.paths.models, "mine")
