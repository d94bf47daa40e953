"""Nothing is removed unless told, and then the oldest."""

import time
from pathlib import Path

import pytest

from fxd.config import RetentionSettings, Settings, load_settings
from fxd.home import make_home
from fxd.pipeline.retention import sweep

DAY = 86_400.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_home(tmp_path)
    for name in (
        "inbox/done/sub/a.wav",
        "inbox/failed/b.wav",
        "outbox/a.dsp.wav",
        "outbox/.attempts/x/dsp.wav",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "inbox" / "waiting.wav").write_bytes(b"x")
    return load_settings(tmp_path)


def with_limits(settings: Settings, **days: float) -> Settings:
    return settings.model_copy(update={"retention": RetentionSettings(**days)})


def test_nothing_is_removed_by_default(settings: Settings) -> None:
    assert sweep(settings, time.time() + 1000 * DAY) == []


def test_what_is_older_than_its_limit_goes_and_nothing_else(settings: Settings) -> None:
    limited = with_limits(settings, done_days=2, outbox_days=5)
    assert sweep(limited, time.time() + 1 * DAY) == []
    assert [path.name for path in sweep(limited, time.time() + 3 * DAY)] == ["a.wav"]
    assert [path.name for path in sweep(limited, time.time() + 6 * DAY)] == ["a.dsp.wav"]
    left = {path.name for path in settings.paths.inbox.parent.rglob("*") if path.is_file()}
    assert left == {"config.toml", "b.wav", "waiting.wav", "dsp.wav"}
