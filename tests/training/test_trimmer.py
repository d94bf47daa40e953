"""The training set stays within its limit where nothing is retrained."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from homes import Home, wait_until

from fxd import trimmer as trimmer_module
from fxd.commands.start import start as start_here
from fxd.config import Settings, TrainingSettings, load_settings
from fxd.factory.clips import add_clip
from fxd.store.examples import add_example
from fxd.store.records import Example
from fxd.store.store import Store, open_store
from fxd.training import dataset, lock
from fxd.training.dataset import dataset_lock
from fxd.training.lock import training_kept_away, training_lock, who_trains
from fxd.trimmer import TOLERANCE, Trimmer

SOUNDS = 4


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trimmer_module, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(trimmer_module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setattr(trimmer_module, "AT_ONCE", 1)


@pytest.fixture
def sounds(add_excerpt: Callable[..., Example]) -> list[Example]:
    """Training sounds, oldest first."""
    clips = ("loop_electric", "guit_harmonics", "loop_amen", "loop_breakbeat")
    return [add_excerpt(clip) for clip in clips[:SOUNDS]]


def limited(settings: Settings, size: float) -> Settings:
    training = TrainingSettings(schedule="", max_dataset_gb=size / 1e9)
    return settings.model_copy(update={"training": training})


def look(trimmer: Trimmer, store: Store) -> None:
    """One look, to its end."""
    trimmer.tend(store)
    trimmer.wait(time.monotonic() + 60)


def files_of(settings: Settings) -> set[str]:
    return {str(path.relative_to(settings.dataset)) for path in settings.dataset.rglob("*") if path.is_file()}


def test_a_set_that_outgrows_its_limit_is_trimmed_to_it_without_a_retraining(
    settings: Settings, store: Store, sounds: list[Example], told: list[str]
) -> None:
    size = store.dataset_bytes()
    look(Trimmer(limited(settings, size / TOLERANCE)), store)
    assert store.contents() == sounds
    look(Trimmer(limited(settings, size / 2)), store)
    assert 0 < store.dataset_bytes() <= size / 2
    assert files_of(settings) == {example.path for example in store.contents()}
    (line,) = told
    assert line.startswith(f"the training set lost {SOUNDS - len(store.contents())} sounds")


@pytest.mark.usefixtures("sounds")
def test_it_looks_now_and_then_and_once_a_day_where_the_set_stays_too_large(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    trimmer = Trimmer(limited(settings, 1e9))
    for _ in range(2):
        look(trimmer, store)
    assert 0 < trimmer.next_look - time.monotonic() <= trimmer_module.LOOK_SECONDS
    trimmer = Trimmer(limited(settings, 1))
    monkeypatch.setattr(trimmer_module, "surplus", lambda *_: [])
    look(trimmer, store)
    assert trimmer.next_look - time.monotonic() > trimmer_module.TOO_LARGE_SECONDS - 60


def test_nothing_is_trimmed_while_a_retraining_is_under_way(
    settings: Settings, store: Store, sounds: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    trimmer = Trimmer(limited(settings, 1))
    with training_lock(settings.paths.db):
        look(trimmer, store)
        monkeypatch.setattr(trimmer_module, "who_trains", lambda _: None)  # one that has begun just now
        trimmer.next_look = 0.0
        look(trimmer, store)
    assert store.contents() == sounds
    trimmer.next_look = 0.0
    look(trimmer, store)
    assert store.contents() == []


def test_a_retraining_that_begins_meanwhile_finds_the_rest_as_it_was(
    settings: Settings, store: Store, sounds: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = training_lock(settings.paths.db)
    remove = dataset.remove

    def remove_then_retrain(*arguments: object) -> None:
        remove(*arguments)
        threading.Timer(0.0, begun.__enter__).start()

    monkeypatch.setattr(trimmer_module, "remove", remove_then_retrain)
    trimmer = Trimmer(limited(settings, 1))
    trimmer.ending.wait = lambda _: wait_until(lambda: who_trains(settings.paths.db), "it has begun")
    look(trimmer, store)
    begun.__exit__(None, None, None)
    assert len(store.contents()) == len(sounds) - 1


def test_whoever_wants_to_retrain_waits_for_a_bite_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE_SECONDS", 0.0)
    with training_kept_away(tmp_path) as is_free:
        assert is_free
        assert who_trains(tmp_path) is None
        begun = threading.Event()

        def retrain() -> None:
            with training_lock(tmp_path):
                begun.set()

        thread = threading.Thread(target=retrain)
        thread.start()
        assert not begun.wait(0.2)
    assert begun.wait(60)
    thread.join()


def test_what_goes_wrong_is_told_and_tried_again_later(
    settings: Settings,
    store: Store,
    sounds: list[Example],
    warned: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dataset, "LOCK_SECONDS", 0.0)
    trimmer = Trimmer(limited(settings, 1))
    with dataset_lock(settings.dataset):
        look(trimmer, store)
    assert store.contents() == sounds
    (line,) = warned
    assert line.startswith("the training set is not trimmed to [training] max_dataset_gb")
    assert dataset.LOCK_NAME in line
    assert trimmer.next_look - time.monotonic() > trimmer_module.AFTER_TROUBLE_SECONDS - 60


def test_in_a_database_of_several_homes_each_trims_its_own_sounds(
    settings: Settings, store: Store, sounds: list[Example], tmp_path: Path
) -> None:
    elsewhere = replace(sounds[0], content_sha256="ee" * 32, path="ee/elsewhere.flac", bytes=10_000_000)
    with open_store(f"sqlite+pysqlite:///{tmp_path / 'shared.sqlite3'}") as shared:
        with shared.write() as connection:
            for example in (elsewhere, *sounds):
                add_example(connection, example)
        look(Trimmer(limited(settings, store.dataset_bytes() / 2)), shared)
        left = shared.contents()
    assert elsewhere in left
    assert 1 < len(left) < 1 + len(sounds)
    assert files_of(settings) == {example.path for example in left} - {elsewhere.path}


def test_the_daemon_trims_though_it_never_retrains(home: Home, clips: list[Path]) -> None:
    home.configure("[processing]\nworkers = 1\n[training]\nschedule = ''\nmax_dataset_gb = 0.0002\n")
    settings = load_settings(home.root)
    with open_store(settings.database_url) as store:
        for clip in clips:
            add_clip(store, settings, clip)
        before = store.dataset_bytes()

    def end_when_trimmed() -> None:
        try:
            with open_store(settings.database_url) as store:
                wait_until(lambda: store.dataset_bytes() < before, "the set is trimmed")
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end_when_trimmed)
    thread.start()
    assert start_here(home.root, settings, once=False) == 0
    thread.join()
    with open_store(settings.database_url) as store:
        assert store.dataset_bytes() < before
