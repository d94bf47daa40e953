"""What is said of a new champion that cannot be heard, and that it takes a while."""

import io
import shutil
import sys
import threading

import pytest
from homes import Home

from fxd.commands.play import leave
from fxd.factory import install_factory_model
from fxd.home import open_home
from fxd.insight.plain import short_id
from fxd.live.desk import Load
from fxd.live.engines import Rehearsal, Shape
from fxd.live.errors import LiveError
from fxd.live.follow import Arrival, ChampionWatch
from fxd.store.store import open_store
from fxd.training.models import model_folder


def looked(home: Home) -> list[Arrival | str | None]:
    """What a session hears that began with another champion."""
    _, settings = open_home(home.root)
    with open_store(settings.database_url) as store:
        watch = ChampionWatch(settings, store, Shape(48_000, 1), lambda: 16, "jackd -p", "another")
        watch.look()
        watch.look()
        return [watch.news() for _ in range(3)]


@pytest.fixture
def champion(home: Home) -> str:
    _, settings = open_home(home.root)
    with open_store(settings.database_url) as store:
        return install_factory_model(settings, store).id


def test_a_champion_that_takes_a_minute_to_compile_is_announced(home: Home, champion: str) -> None:
    announced, arrived, nothing = looked(home)
    assert announced == f"{short_id(champion)} serves now; it is made ready, and then fades in"
    assert isinstance(arrived, Arrival)
    assert arrived.model.id == champion
    assert nothing is None


def test_a_champion_whose_files_are_gone_is_told_once(home: Home, champion: str) -> None:
    _, settings = open_home(home.root)
    shutil.rmtree(model_folder(settings.paths.models, champion))
    _, told, nothing = looked(home)
    assert str(told).startswith(f"{short_id(champion)} serves now, and cannot be heard: ")
    assert "No such file" in str(told)
    assert nothing is None


@pytest.mark.usefixtures("champion")
def test_a_champion_that_is_still_compiled_keeps_nobody_from_leaving(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, compiled = threading.Event(), threading.Event()

    def slow(*_: object) -> Rehearsal:
        begun.set()
        assert compiled.wait(60)
        raise LiveError("it is no longer wanted")

    monkeypatch.setattr("fxd.live.follow.rehearse", slow)
    monkeypatch.setattr("fxd.live.follow.LOOK_SECONDS", 0.01)
    monkeypatch.setattr("fxd.live.follow.STOP_SECONDS", 0.01)
    monkeypatch.setattr("fxd.live.follow.be_polite", lambda: None)
    _, settings = open_home(home.root)
    with open_store(settings.database_url) as store:
        watch = ChampionWatch(settings, store, Shape(48_000, 1), lambda: 16, "jackd -p", "another")
        assert not watch.is_busy
        watch.start()
        assert begun.wait(60)
        watch.stop()
        assert watch.is_busy
        compiled.set()
        watch.thread.join(60)
        assert not watch.is_busy


def test_what_was_told_is_out_before_the_program_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    told, left = io.BytesIO(), []
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(told, "utf-8"))
    monkeypatch.setattr("fxd.commands.play.os._exit", lambda code: left.append((code, told.getvalue())))
    print("played")
    leave(1)
    assert left == [(1, b"played\n")]


@pytest.mark.usefixtures("champion")
def test_a_champion_that_cannot_keep_up_is_not_faded_in(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_cast: object, _shape: object, block: int) -> Rehearsal:
        return Rehearsal({"tcn": 1.0}, Load(32 / block, 1, 1, 0))

    monkeypatch.setattr("fxd.live.follow.rehearse", slow)
    monkeypatch.setattr("fxd.live.engines.rehearse", slow)
    _, told, _ = looked(home)
    assert "blocks of 16 at 48000 Hz take 200 %" in str(told)
    assert "use jackd -p 64, which takes 50 %" in str(told)
