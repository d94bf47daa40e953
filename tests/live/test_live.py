"""`fxd live` on a JACK server without a sound card, against what the engines give offline: sample for sample."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile
from homes import Home, wait_until

from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn, TcnModel
from fxd.factory import install_factory_model
from fxd.home import make_home, open_home
from fxd.store.store import open_store
from fxd.training.models import load_network, model_folder, read_card, write_model

if sys.platform != "linux":
    pytest.skip("jackd without a sound card is Linux's", allow_module_level=True)

from jackd import Array, Feeder, Server, server

RATE = 48_000
SILENCE = np.zeros(2 * RATE, np.float32)
"""After it every engine is at rest again, to the last bit."""


@pytest.fixture(scope="module")
def jack_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with server(tmp_path_factory.mktemp("jack")) as running:
        yield running


@pytest.fixture
def feeder(jack_server: Server) -> Iterator[Feeder]:
    client = Feeder(jack_server)
    yield client
    client.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    make_home(tmp_path / "home")
    return Home(tmp_path / "home")


class Player:
    """`fxd live` with a terminal for its keys."""

    def __init__(self, home: Home, jack_server: Server, *options: str) -> None:
        self.keys, terminal = pty.openpty()
        devices = ["--input", "system JACK", "--output", "system JACK"]
        self.told = home.root / "told.txt"
        with self.told.open("w") as told:
            self.process = subprocess.Popen(
                home.command("live", *devices, *options),
                env=os.environ | jack_server.environment,
                stdin=terminal,
                stdout=told,
                stderr=subprocess.STDOUT,
            )
        os.close(terminal)

    def press(self, keys: str) -> None:
        os.write(self.keys, keys.encode())

    def end(self, keys: str = "x") -> int:
        if keys:
            self.press(keys)
        code = self.process.wait(60)
        os.close(self.keys)
        return code

    def __enter__(self) -> "Player":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="module")
def riff(clips: list[Path]) -> Array:
    sound, _ = soundfile.read(clips[5], dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound[:RATE, 0])


def passed(feeder: Feeder, riff: Array) -> Array:
    """What came back of a riff, without the period by which the ring of the two clients is late."""
    return feeder.play(np.concatenate([riff, SILENCE]))[feeder.server.period :]


def offline(engine: Saturator | Tcn, riff: Array, late: int = 0) -> Array:
    sound = np.concatenate([np.zeros(late, np.float32), riff, SILENCE])
    return engine.stream(RATE, 1).process(sound[None])[0, : len(riff) + len(SILENCE)]


def factory_model(home: Home) -> TcnModel:
    _, settings = open_home(home.root)
    with open_store(settings.database_url) as store:
        champion = install_factory_model(settings, store)
    return load_network(settings.paths.models, champion.id)


def promote_a_quieter_one(home: Home, model: TcnModel) -> TcnModel:
    """Let another model serve: the same at half the level."""
    _, settings = open_home(home.root)
    quieter = {
        name: tensor / 2 if name in ("0.head", "0.head_bias") else tensor
        for name, tensor in model.weights.items()
    }
    other = replace(model, id="20990101-000000-compact-abcd", weights=quieter)
    card = read_card(model_folder(settings.paths.models, model.id)).model_copy(update={"id": other.id})
    write_model(model_folder(settings.paths.models, other.id), other, card)
    with open_store(settings.database_url) as store:
        store.add_model(card.record())
        store.promote(other.id, "promoted by hand", datetime.now(UTC))
    return other


@pytest.mark.long
def test_what_is_played_is_what_process_gives_and_a_take_goes_into_the_training(
    home: Home, jack_server: Server, feeder: Feeder, riff: Array, tmp_path: Path
) -> None:
    model = factory_model(home)
    _, settings = open_home(home.root)
    dsp, tcn = Saturator(settings.saturator), Tcn(model)
    late = dsp.stream(RATE, 1).latency
    with Player(home, jack_server, "--record", str(tmp_path / "take.wav"), "--learn") as player:
        feeder.wire()
        feeder.freewheel(True)
        heard = passed(feeder, riff)
        assert np.array_equal(heard, offline(dsp, riff)[: len(heard)])
        player.press("2")
        settled(feeder)
        heard = passed(feeder, riff)
        assert np.array_equal(heard, offline(tcn, riff, late)[: len(heard)])
        feeder.freewheel(False)
        assert player.end() == 0, player.told.read_text()
    told = player.told.read_text()
    assert "ended with a key" in told

    (session,) = home.json("live", "--sessions")
    assert (session["engines"], session["model_id"], session["switches"]) == ("both", model.id, 1)
    assert (session["sample_rate"], session["block"], session["engine_frames"]) == (RATE, 64, late)
    assert session["calls"] * 64 > 6 * RATE
    assert 0 < session["load_median"] <= session["load_p99"]
    assert "compact" in home.fxd("live", "--sessions").stdout

    dry, _ = soundfile.read(tmp_path / "take.dry.wav", dtype="float32")
    wet, _ = soundfile.read(tmp_path / "take.wet.wav", dtype="float32")
    begin = int(np.flatnonzero(dry)[0]) - int(np.flatnonzero(riff)[0])
    assert np.array_equal(dry[begin : begin + len(riff)], riff)
    assert np.array_equal(wet[begin : begin + len(riff)], offline(dsp, riff)[late : late + len(riff)])
    assert (home.inbox / "take.wav").read_bytes() == (tmp_path / "take.dry.wav").read_bytes()


def settled(feeder: Feeder) -> None:
    """Wait until `fxd live` has seen a key, and its fade is over."""
    time.sleep(0.2)
    feeder.play(SILENCE)


@pytest.mark.long
def test_a_champion_is_heard_as_soon_as_it_serves(
    home: Home, jack_server: Server, feeder: Feeder, riff: Array
) -> None:
    model = factory_model(home)
    with Player(home, jack_server, "--engine", "tcn") as player:
        feeder.wire()
        feeder.freewheel(True)
        heard = passed(feeder, riff)
        assert np.array_equal(heard, offline(Tcn(model), riff)[: len(heard)])
        other = promote_a_quieter_one(home, model)
        expected = offline(Tcn(other), riff)
        wait_until(
            lambda: np.array_equal(heard := passed(feeder, riff), expected[: len(heard)]),
            "the new one is heard",
            60,
        )
        feeder.freewheel(False)
        assert player.end() == 0, player.told.read_text()
    (session,) = home.json("live", "--sessions")
    assert session["model_id"] == other.id
    assert session["engine_frames"] == 0


def test_a_server_that_stops_ends_it_with_a_line_and_all_that_was_recorded(
    home: Home, riff: Array, tmp_path: Path
) -> None:
    factory_model(home)
    take = tmp_path / "take.wav"
    with (
        server(tmp_path) as short_lived,
        Player(home, short_lived, "--engine", "dsp", "--record", str(take)) as player,
    ):
        feeder = Feeder(short_lived)
        feeder.wire()
        feeder.freewheel(True)
        passed(feeder, riff)
        feeder.freewheel(False)
        feeder.close()
        short_lived.stop()
        assert player.end(keys="") == 1
    told = player.told.read_text()
    assert "fxd: system (JACK Audio Connection Kit) went away" in told
    assert "Traceback" not in told
    dry, _ = soundfile.read(tmp_path / "take.dry.wav", dtype="float32")
    begin = int(np.flatnonzero(dry)[0]) - int(np.flatnonzero(riff)[0])
    assert np.array_equal(dry[begin : begin + len(riff)], riff)
    (session,) = home.json("live", "--sessions")
    assert "went away" in session["ending"]


def test_a_rate_that_the_server_does_not_have_is_told_in_a_line(home: Home, jack_server: Server) -> None:
    with Player(home, jack_server, "--engine", "dsp", "--rate", "44100") as player:
        assert player.end(keys="") == 1
    last = player.told.read_text().splitlines()[-1]
    assert last.startswith("fxd: system (JACK Audio Connection Kit) refuses 44100 Hz")
    assert "try --rate 48000" in last


def test_the_devices_are_listed(home: Home, jack_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    assert "system" in home.fxd("live", "--list").stdout
    listed = [device for device in home.json("live", "--list") if "JACK" in device["api"]]
    assert [(device["name"], device["inputs"], device["sample_rate"]) for device in listed] == [
        ("system", 2, RATE)
    ]


@pytest.mark.slow
def test_a_sound_card_of_alsa_is_played_through_and_its_garbage_is_muted(home: Home) -> None:
    # Input of ALSA's null device is whatever the memory held; and it never waits, so a second of it is enough.
    config = home.root / ".asoundrc"
    config.write_text('pcm.fake { type null hint { show on description "Fake" } }\n')
    command = home.command("live", "--engine", "dsp", "--input", "fake", "--output", "fake", "--record")
    player = subprocess.Popen(
        [*command, str(home.root / "take")],
        env=os.environ | {"HOME": str(home.root)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert player.stdout is not None
    assert "dsp: in" in player.stdout.readline()
    player.terminate()
    assert "ended by SIGTERM" in player.communicate(timeout=60)[0]
    take, _ = soundfile.read(home.root / "take.dry.wav", dtype="float32")
    assert np.isfinite(take).all()
    assert len(take) > 0
    (session,) = home.json("live", "--sessions")
    assert "ALSA" in session["device"]
    assert session["block"] == 64


@pytest.mark.slow
def test_a_hangup_ends_it_like_any_wish_to_end(home: Home, jack_server: Server, tmp_path: Path) -> None:
    take = tmp_path / "take.wav"
    with Player(home, jack_server, "--engine", "dsp", "--record", str(take)) as player:
        wait_until(lambda: "dsp: in" in player.told.read_text(), "it plays")
        player.process.send_signal(signal.SIGHUP)
        assert player.end(keys="") == 0
    assert "ended by SIGHUP" in player.told.read_text()
    assert len(soundfile.read(tmp_path / "take.dry.wav")[0]) > 0


@pytest.mark.slow
def test_where_nobody_sees_it_any_more_it_ends_and_what_is_left_is_done(
    home: Home, jack_server: Server, tmp_path: Path
) -> None:
    far, near = pty.openpty()
    devices = ["--input", "system JACK", "--output", "system JACK", "--engine", "dsp"]
    player = subprocess.Popen(
        home.command("live", *devices, "--record", str(tmp_path / "take.wav"), "--learn"),
        env=os.environ | jack_server.environment | {"TERM": "xterm"},
        stdin=near,
        stdout=near,
        stderr=near,
    )
    os.close(near)
    shown = b""
    while b"dBFS" not in shown:
        shown += os.read(far, 65_536)
    # It is not the first of this terminal's session, so there is no SIGHUP.
    os.close(far)
    assert player.wait(60) == 0
    (session,) = home.json("live", "--sessions")
    assert session["ending"] == "its terminal was closed"
    assert (home.inbox / "take.wav").read_bytes() == (tmp_path / "take.dry.wav").read_bytes()
