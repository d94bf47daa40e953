"""Retrainings in tests: one line to run one, and what must hold after every one of them."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fxd.config import PathSettings, Settings
from fxd.store.examples import add_example
from fxd.store.store import Store, open_store
from fxd.training.job import job_folder
from fxd.training.models import load_network, read_card
from fxd.training.retrain import Retrained, retrain


def run(
    settings: Settings, store: Store, should_stop: Callable[[], bool] = lambda: False, **options: Any
) -> Retrained:
    return retrain(settings, store, "command", lambda _: None, should_stop, **options)


def changed(settings: Settings, **sections: object) -> Settings:
    return settings.model_copy(update=sections)


def assert_tidy(settings: Settings, store: Store) -> None:
    """Every model folder is whole and known, nothing is half done, and the store says the same as the cards."""
    folders = sorted(path.name for path in settings.paths.models.iterdir())
    assert folders == sorted(model.id for model in store.models())
    for model in store.each_model():
        card = read_card(settings.paths.models / model.id)
        assert (card.reason, card.record().details) == (model.reason, model.details)
        load_network(settings.paths.models, model.id)
    assert not job_folder(settings.paths.db).exists()
    assert all(training.state != "running" for training in store.trainings(100))


@contextmanager
def second_home(settings: Settings, store: Store) -> Iterator[tuple[Settings, Store]]:
    """Another home with the same training set."""
    root = settings.paths.db.parent.parent / "second"
    paths = PathSettings(**{name: root / name for name in PathSettings.model_fields})
    other = changed(settings, paths=paths)
    with open_store(other.database_url) as opened:
        shutil.copytree(settings.dataset, other.dataset)
        with opened.write() as connection:
            for example in store.contents():
                add_example(connection, example)
        yield other, opened
