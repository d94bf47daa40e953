"""Settings: defaults, the file, the environment, and errors that name key, value and remedy."""

import os
import tomllib
from pathlib import Path

import pytest

from fxd.config import ConfigError, Settings, default_config, load_settings


def load(home: Path, text: str) -> Settings:
    (home / "config.toml").write_text(text, encoding="utf-8")
    return load_settings(home)


def test_the_file_that_init_writes_says_every_key_at_its_default(tmp_path: Path) -> None:
    told = tomllib.loads(default_config())
    assert load(tmp_path, default_config()).model_dump() == load(tmp_path, "").model_dump()
    for section, field in Settings.model_fields.items():
        keys = {key.alias or name for name, key in type(field.default).model_fields.items()}
        assert set(told[section]) == keys, section


def test_the_repository_root_is_a_home_with_the_default_settings() -> None:
    root = Path(__file__).parent.parent
    assert (root / "config.toml").read_text(encoding="utf-8") == default_config()
    assert all((root / name).is_dir() for name in ("inbox", "outbox", "models", "db"))


def test_paths_are_below_the_home_unless_absolute(tmp_path: Path) -> None:
    settings = load(tmp_path, '[paths]\noutbox = "/elsewhere"\n')
    assert settings.paths.inbox == tmp_path / "inbox"
    assert settings.paths.outbox == Path("/elsewhere")
    assert settings.logging.file == str(tmp_path / "db" / "fxd.log")
    assert settings.database_url == f"sqlite+pysqlite:///{tmp_path}/db/fxd.sqlite3"


def test_there_is_a_worker_for_every_core_that_may_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5, 6}, raising=False)
    assert load_settings(tmp_path).worker_count == 3


def test_a_variable_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FXD_SATURATOR__DRIVE", "7.5")
    settings = load(tmp_path, "[saturator]\ndrive = 3\ntone_hz = 4000\n")
    assert (settings.saturator.drive, settings.saturator.tone_hz) == (7.5, 4000)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[training]\nseed = 4294967296\n", ["[training] seed", "less than 4294967296"]),
        ("[training]\nmax_minutes = 1e10\n", ["[training] max_minutes", "10000000000.0", "1000000"]),
        ("[saturator]\ndrive = 'loud'\n", ["[saturator] drive", "'loud'", "number", "default"]),
        ("[saturator]\ndrve = 5\n", ["drve", "not a known key", "drive"]),
        ("[staurator]\ndrive = 5\n", ["staurator", "not a known key", "saturator"]),
        ("[saturator]\nantialias = 'maybe'\n", ["antialias", "'maybe'", "'none' or 'on'"]),
        ("[inbox]\nsettle_seconds = -1\n", ["settle_seconds", "-1", "greater than 0"]),
        ("[training]\nschedule = 'nightly'\n", ["schedule", "'nightly'", "five fields"]),
        ("[logging]\nas_json = true\n", ["as_json", "not a known key", "json"]),
        ("[saturator\n", ["not valid TOML", "line 1"]),
    ],
)
def test_a_bad_setting_names_the_file_the_key_the_value_and_the_remedy(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    for word in [str(tmp_path / "config.toml"), *words]:
        assert word in str(caught.value)


def test_a_bad_variable_is_named_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FXD_SATURATOR__DRIVE", "loud")
    with pytest.raises(ConfigError, match="FXD_SATURATOR__DRIVE"):
        load(tmp_path, "")


def test_a_variable_with_a_typing_error_does_not_go_unseen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FXD_STAURATOR__DRIVE", "5")
    with pytest.raises(ConfigError, match="FXD_STAURATOR__DRIVE: no such setting"):
        load(tmp_path, "")


@pytest.mark.parametrize("folder", ["inbox", "inbox/results"])
def test_results_may_not_go_into_the_inbox(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ConfigError, match=r"outbox.*lies in the inbox"):
        load(tmp_path, f'[paths]\noutbox = "{folder}"\n')


@pytest.mark.parametrize("outbox", ["real/out", "linked/out", "linked", "elsewhere/../linked/out"])
def test_results_may_not_get_into_the_inbox_by_another_path(tmp_path: Path, outbox: str) -> None:
    """Every result would be processed, and its results again, until the disk is full."""
    for folder in ("real", "elsewhere"):
        (tmp_path / folder).mkdir()
    (tmp_path / "linked").symlink_to("real")
    (tmp_path / "inbox").symlink_to("linked")
    with pytest.raises(ConfigError, match=r"outbox.*lies in the inbox"):
        load(tmp_path, f'[paths]\noutbox = "{outbox}"\n')


def test_a_variable_that_should_be_a_list_is_told_how(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FXD_INBOX__PATTERNS", "*.wav")
    with pytest.raises(ConfigError, match="lists are JSON"):
        load(tmp_path, "")
