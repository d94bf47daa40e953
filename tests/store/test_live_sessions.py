from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fxd.store.records import Environment, LiveSession
from fxd.store.store import Store, open_store

HERE = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {"numpy": "2.4.6", "sounddevice": "0.5.6"})
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


def session(name: str, minute: int = 0) -> LiveSession:
    return LiveSession(
        id=name,
        started_at=MIDNIGHT + timedelta(minutes=minute),
        seconds=12.5,
        ending="",
        environment=HERE,
        engines="both",
        model_id=None,
        settings_hash="5a77",
        device="Größe (ALSA)",
        sample_rate=48_000,
        block=64,
        channels=1,
        engine_frames=35,
        device_seconds=0.004,
        calls=2**40,
        load_median=0.017,
        load_p99=0.05,
        load_worst=0.31,
        late=0,
        xruns=1,
        bad_samples=0,
        clipped_samples=3,
        switches=7,
        recorded="take.dry.wav",
    )


def test_a_live_session_is_read_back_as_it_was_kept(url: str) -> None:
    with open_store(url) as store:
        store.keep_live_session(session("a"))
    with open_store(url) as store:
        assert store.live_sessions(10) == [session("a")]


def test_a_live_session_that_goes_on_stays_one(store: Store) -> None:
    store.keep_live_session(session("a"))
    later = replace(session("a"), seconds=99.0, ending="quit", environment=replace(HERE, host="stage"))
    store.keep_live_session(later)
    assert store.live_sessions(10) == [later]


def test_live_sessions_come_newest_first_as_many_as_wanted(store: Store) -> None:
    for name, minute in (("b", 2), ("a", 1), ("c", 3)):
        store.keep_live_session(session(name, minute))
    assert [found.id for found in store.live_sessions(2)] == ["c", "b"]


def test_what_the_device_does_not_tell_is_no_number(store: Store) -> None:
    store.keep_live_session(replace(session("a"), device_seconds=float("nan")))
    (found,) = store.live_sessions(1)
    assert found.device_seconds != found.device_seconds


def test_a_session_of_no_known_engines_is_refused(store: Store) -> None:
    with pytest.raises(Exception, match="engines"):
        store.keep_live_session(replace(session("a"), engines="none"))  # type: ignore[arg-type]
