"""What `fxd process` takes for a folder: what the inbox would, had the folder been dropped there."""

from pathlib import Path

import pytest

from fxd.commands.process import process
from fxd.config import ConfigError, InboxSettings, Settings, load_settings
from fxd.home import make_home
from fxd.pipeline.loose import loose_claims


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    make_home(tmp_path / "home")
    return load_settings(tmp_path / "home")


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    return root


def names(settings: Settings, *paths: Path) -> list[str]:
    return [str(claim.relative) for claim in loose_claims(settings, paths, settings.paths.outbox)]


def test_a_folder_stands_for_the_files_below_it_by_the_rules_of_the_inbox(
    settings: Settings, tmp_path: Path
) -> None:
    takes = write(tmp_path / "takes", "b.wav", "done/a.wav", "b.wav.part", ".hidden/c.wav", "notes.txt")
    (takes / "link.wav").symlink_to(takes / "b.wav")
    (takes / "folder").symlink_to(tmp_path)
    only_wav = settings.model_copy(update={"inbox": InboxSettings(patterns=("*.wav",))})
    assert names(only_wav, takes) == ["takes/b.wav", "takes/done/a.wav"]
    flat = settings.model_copy(update={"inbox": InboxSettings(recursive=False)})
    assert names(flat, takes) == ["takes/b.wav", "takes/notes.txt"]


def test_a_file_that_is_named_is_taken_whatever_it_is_called(settings: Settings, tmp_path: Path) -> None:
    write(tmp_path, "riff.tmp", "takes/a.wav")
    assert names(settings, tmp_path / "riff.tmp", tmp_path / "takes") == ["riff.tmp", "takes/a.wav"]
    assert names(settings, tmp_path / "takes" / ".." / "riff.tmp") == ["riff.tmp"]


def test_what_fxd_made_or_keeps_is_not_processed_again(settings: Settings) -> None:
    home = settings.paths.inbox.parent
    write(home, "inbox/a.wav", "inbox/done/b.wav", "inbox/failed/c.wav", "outbox/d.wav", "db/dataset/e.flac")
    write(home, "mine/f.wav", "models/m/g.wav")
    assert names(settings, home) == ["home/config.toml", "home/inbox/a.wav", "home/mine/f.wav"]
    assert names(settings, home / "inbox" / "done") == ["done/b.wav"]
    assert names(settings, home / "outbox") == ["outbox/d.wav"]


@pytest.mark.parametrize("name", ["missing.wav", "empty"])
def test_what_holds_nothing_to_take_is_told(settings: Settings, tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match=f"{name} (is not there|holds no file)"):
        names(settings, tmp_path / name)


def test_results_are_not_put_into_the_inbox_where_a_daemon_would_process_them(
    settings: Settings, tmp_path: Path
) -> None:
    write(tmp_path, "a.wav")
    with pytest.raises(ConfigError, match=r"-o .*results lies in the inbox.*another folder"):
        process(settings, [tmp_path / "a.wav"], settings.paths.inbox / "results", as_json=False)
