"""What has to last is synced in time: every state that a power cut may leave of a few steps, looked at."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from crash.disk import Disk, Way
from crash.image import LEAST, State, image_of
from crash.operations import Told
from crash.promise import visible
from crash.scenario import environment
from crash.syscalls import Reader, strace
from fxd.config import load_settings
from fxd.home import make_home
from fxd.pipeline.claims import Claims
from fxd.store.store import open_store

WAYS: tuple[Way, ...] = ("strict", "ordered")
DRAWS = range(1, 4)

CLAIM = """
from datetime import UTC, datetime
from pathlib import Path
from fxd.pipeline.claims import Claims
from fxd.pipeline.inbox import Candidate, signature

inbox = Path("inbox").absolute()
claims = Claims(inbox)

def claim(name):
    path = inbox / name
    return claims.take(Candidate(path, signature(path), 0.0, datetime.now(UTC), 0.0))
"""
CLAIM_TWO = (
    CLAIM
    + """
for name in ("riff.wav", "sub/er/riff.wav"):
    assert claim(name) is not None
"""
)
RECORD = (
    CLAIM
    + """
from fxd.config import load_settings
from fxd.environment import describe_environment
from fxd.pipeline.publish import Publisher
from fxd.store.store import open_store

settings = load_settings(Path().absolute())
with open_store(settings.database_url) as store:
    publisher = Publisher(settings, store, describe_environment(threads=1), settings.paths.outbox)
    claims.give_back(claim("sub/er/riff.wav"))
    run = publisher.record_failure(claim("sub/er/riff.wav"), "it is only a test")
    print("recorded", flush=True)
"""
)
INIT = """
from pathlib import Path
from fxd.home import make_home

make_home(Path("new").absolute())
print("made", flush=True)
"""
WRITE = """
from pathlib import Path
from fxd.pipeline.files import write_text

write_text(Path("outbox/sub/note.txt"), "new " * 2000)
print("written", flush=True)
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """With two files in its inbox, and a database."""
    root = tmp_path / "home"
    make_home(root)
    for name in ("riff.wav", "sub/er/riff.wav"):
        path = root / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    open_store(load_settings(root).database_url).close()
    return root


def after_power_cuts(home: Path, script: str) -> Iterator[tuple[Path, str]]:
    """Every different home that a power cut may leave while the script runs in `home`, and what it had told."""
    disk = Disk(home)
    trace, said = home.with_name("trace"), home.with_name("said")
    with said.open("wb") as output:
        subprocess.run(
            [*strace(trace), sys.executable, "-c", script],
            cwd=home,
            env=environment(),
            stdout=output,
            check=True,
        )
    seen: set[tuple[str, str]] = set()
    told = ""
    for cut, operation in enumerate([*Reader(home, said).operations(trace), None]):
        for state in states_at(cut):
            image = image_of(disk, state)
            if (key := (image.digest(), told)) not in seen:
                seen.add(key)
                image.write(copy := home.with_name(f"image {len(seen)}"))
                yield copy, told
        if operation is not None:
            disk.apply(operation)
            told += operation.text if isinstance(operation, Told) else ""
    assert len(seen) > 3


def states_at(cut: int) -> list[State]:
    return [State("test", cut, way, draw) for way in WAYS for draw in (LEAST, *DRAWS)]


def waiting(inbox: Path, recorded: Sequence[str] = ()) -> list[str]:
    """What a daemon would find in an inbox, and recover of what another one had claimed and not recorded."""
    found = [str(path.relative_to(inbox)) for path in visible(inbox).values()]
    claims = Claims(inbox)
    found += [str(claim.relative) for claim in claims.recover() if claim.id not in recorded]
    claims.close()
    return sorted(found)


def test_a_power_cut_while_files_are_claimed_loses_none_and_doubles_none(home: Path) -> None:
    for left, _ in after_power_cuts(home, CLAIM_TWO):
        assert waiting(left / "inbox") == ["riff.wav", "sub/er/riff.wav"]


def test_a_file_is_recorded_for_good_or_it_waits(home: Path) -> None:
    counts = set()
    for left, told in after_power_cuts(home, RECORD):
        runs = recorded_in(left)
        counts.add(len(runs))
        assert runs or not told
        assert len(waiting(left / "inbox", runs)) == 2 - len(runs)
    assert counts == {0, 1}


def recorded_in(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "db" / "fxd.sqlite3")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [run_id for (run_id,) in connection.execute("SELECT id FROM runs")]


def test_a_file_that_was_written_whole_is_whole_and_stays(home: Path) -> None:
    for left, told in after_power_cuts(home, WRITE):
        note = left / "outbox" / "sub" / "note.txt"
        assert note.exists() or not told
        assert not note.exists() or note.read_text() == "new " * 2000


def test_a_new_home_is_there_for_good(home: Path) -> None:
    for left, told in after_power_cuts(home, INIT):
        if told:
            there = {path.name for path in (left / "new").iterdir()}
            assert there == {"config.toml", "inbox", "outbox", "models", "db"}
            assert (left / "new" / "config.toml").read_text() == (home / "config.toml").read_text()
