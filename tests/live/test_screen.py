"""What a person sees while playing."""

import math
import os

import pytest
from homes import Home
from rich.console import Console

from fxd.config import SaturatorSettings
from fxd.live import screen
from fxd.live.desk import Load, Reading
from fxd.live.session import View

QUIET = Reading(100, 64, 6400, 0, 0, 0, -20.0, -10.0, Load(0.02, 0.05, 0.3, 0))
TROUBLED = Reading(100, 64, 6400, 1, 3, 9, 0.5, math.inf, Load(0.02, 0.05, 1.3, 2))


def view(reading: Reading = QUIET, **others: object) -> View:
    facts: dict[str, object] = {
        "device": "system (JACK)",
        "sample_rate": 48_000,
        "block": 64,
        "block_option": "--block",
        "seconds": 754.2,
        "heard": "tcn",
        "roles": ("bypass", "dsp", "tcn"),
        "model": "compact-02bf",
        "saturator": SaturatorSettings(),
        "reading": reading,
        "engine_seconds": 35 / 48_000,
        "device_seconds": 0.004,
        "recording": "",
        "note": "",
    }
    return View(**facts | others)  # type: ignore[arg-type]


def drawn(shown: View) -> str:
    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(screen.picture(shown))
    console.file.close()
    return console.export_text()


def test_the_screen_tells_levels_load_knobs_and_latency() -> None:
    text = drawn(view())
    for part in (
        "-20.0 dBFS",
        "-10.0 dBFS",
        "2.0 % of the time, p99 5.0 %, worst 30.0 %",
        "0 xruns",
        "compact-02bf",
    ):
        assert part in text
    assert "drive 5.00   tone 5000 Hz   output 0.80" in text
    assert "4.73 ms: device 4.00, engines 0.73" in text
    assert "system (JACK), 48000 Hz, blocks of 64" in text
    assert "1 dsp  2 tcn  3 bypass" in text


def test_troubles_are_told_apart_with_what_helps() -> None:
    told = screen.troubles_told(view(TROUBLED))
    assert told.startswith(
        "1 xrun, 2 blocks took longer to make than to play (a larger --block helps), 3 samples"
    )
    assert "9 samples above full scale (turn the output down: d)" in told


def test_a_line_has_it_all() -> None:
    line = screen.line(view(TROUBLED, note="a note"))
    assert line.startswith("12:34 tcn: in 0.5, out inf dBFS; load 2.0 % of the time")
    assert line.endswith("; a note")
    assert "\n" not in line


def test_a_device_that_does_not_tell_its_latency_is_believed() -> None:
    assert (
        screen.latency(view(device_seconds=math.nan)) == "engines 0.73 ms; the device does not tell its own"
    )


def test_without_a_terminal_there_is_a_line_every_ten_seconds(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("fxd.live.screen.time.monotonic", lambda: now)
    shown = screen.Screen(Console())
    for _ in range(25):
        shown.show(view())
        now += 1
    shown.close()
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_fxd_stats_tells_that_somebody_played(home: Home) -> None:
    from datetime import UTC, datetime

    from fxd.home import open_home
    from fxd.insight.live_sessions import live_line
    from fxd.store.records import Environment, LiveSession
    from fxd.store.store import open_store

    here = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {})
    at = datetime(2026, 3, 1, tzinfo=UTC)
    numbers = (48_000, 64, 1, 35, math.nan, 100, 0.02, 0.05, 0.3, 0, 2, 0, 0, 1)
    session = LiveSession("a", at, 90.0, "", here, "both", None, "5a77", "card", *numbers, "")
    _, settings = open_home(home.root)
    with open_store(settings.database_url) as store:
        store.keep_live_session(session)
    assert live_line([]) == ""
    assert live_line([session]) in home.fxd("stats").stdout
    assert live_line([session]).startswith(
        "Played live: 1 session, 2 minutes, 2 xruns, p99 of the load at most 5 %"
    )
    (told,) = home.json("live", "--sessions")
    assert told["device_seconds"] is None
