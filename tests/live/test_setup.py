"""Which devices are meant, and what is said where none can be."""

import sys

import pytest
from homes import Home

from fxd.cli import run
from fxd.live import device as devices
from fxd.live.device import DeviceInfo, choose
from fxd.live.errors import LiveError
from fxd.live.setup import Wish, wire


def device(index: int, name: str, api: str = "ALSA", inputs: int = 2, outputs: int = 2) -> DeviceInfo:
    return DeviceInfo(index, name, api, inputs, outputs, 48_000, index == 1, index == 2)


ROOM = [
    device(0, "Scarlett 2i2 USB"),
    device(1, "HDA Intel"),
    device(2, "HDA Intel", outputs=8),
    device(3, "system", "JACK Audio Connection Kit"),
    device(4, "HDMI", inputs=0),
    device(5, "Scarlett 2i2 USB", "JACK Audio Connection Kit"),
    device(6, "mono", inputs=1, outputs=1),
]


@pytest.fixture(autouse=True)
def room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fxd.live.setup.list_devices", lambda: ROOM)


def test_without_a_name_the_defaults_are_used() -> None:
    wiring = wire(Wish())
    assert (wiring.source.index, wiring.target.index) == (1, 2)
    assert (wiring.sample_rate, wiring.block, wiring.ports.outputs) == (48_000, 64, 2)
    assert (wiring.ports.inputs, wiring.ports.first_input) == (1, 0)


@pytest.mark.parametrize(
    ("wanted", "index"), [("0", 0), ("scarlett alsa", 0), ("JACK system", 3), ("system", 3)]
)
def test_a_device_is_named_by_its_number_or_by_words(wanted: str, index: int) -> None:
    assert choose(ROOM, wanted, True).index == index


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("nonsense", "no input device is called so"),
        ("scarlett", "2 input devices are called so"),
        ("4", "no input device is called so"),
        ("99", "no input device is called so"),
    ],
)
def test_a_device_that_is_not_there_is_told_with_the_remedy(wanted: str, told: str) -> None:
    with pytest.raises(LiveError, match=told) as caught:
        wire(Wish(source=wanted))
    assert "fxd live --list" in str(caught.value)


def test_no_device_at_all_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fxd.live.setup.list_devices", lambda: [device(4, "HDMI", inputs=0)])
    with pytest.raises(LiveError, match="there is no input device"):
        wire(Wish())


def test_devices_of_two_interfaces_cannot_be_played_through() -> None:
    with pytest.raises(LiveError, match="choose --input and --output of one of them"):
        wire(Wish(source="0", target="3"))


def test_an_input_that_the_device_does_not_have_is_told() -> None:
    assert wire(Wish(source="0", target="0", first_input=2)).ports.first_input == 1
    with pytest.raises(
        LiveError, match="input 3 is wanted, and Scarlett 2i2 USB has 2: use another --channel"
    ):
        wire(Wish(source="0", target="0", first_input=3))


def test_stereo_wants_two_inputs_and_two_outputs() -> None:
    with pytest.raises(
        LiveError, match="input 2 is wanted, and mono has 1: leave --stereo out, or use another"
    ):
        wire(Wish(source="mono", target="mono", channels=2))
    with pytest.raises(
        LiveError, match="two outputs, and mono has 1: leave --stereo out, or use another --out"
    ):
        wire(Wish(source="0", target="mono", channels=2))
    assert wire(Wish(source="0", target="mono")).ports.outputs == 1


def test_the_block_of_a_jack_server_is_its_own() -> None:
    assert wire(Wish(source="3", target="3")).block == 0
    with pytest.raises(LiveError, match="a JACK server has one block for everybody"):
        wire(Wish(source="3", target="3", block=128))
    assert wire(Wish(block=128)).block == 128
    assert [wire(Wish(source=one, target=one)).block_option for one in "03"] == ["--block", "jackd -p"]


def test_what_has_to_be_installed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(LiveError, match=r"pip install 'fxd\[live\]'"):
        devices.sounddevice()


@pytest.mark.parametrize(
    "options",
    [
        ["--learn"],
        ["--json"],
        ["--last", "3"],
        ["--list", "--sessions"],
        ["--list", "--record", "x.wav"],
        ["--list", "--engine", "both"],
        ["--sessions", "--channel", "1"],
        ["--engine", "dsp", "--model", "x"],
        ["--engine", "nam"],
        ["--block", "15"],
        ["--rate", "1000"],
    ],
)
def test_options_that_make_no_sense_together_are_wrong_usage(
    options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["live", *options]) == 2
    assert "Usage" in capsys.readouterr().err


def test_no_session_yet_is_told(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--home", str(home.root), "live", "--sessions"]) == 0
    assert capsys.readouterr().out == "Nobody has played yet: `fxd live` does.\n"
