"""Files, names and folders that come from strangers: nothing of them is executed, obeyed or left about."""

import ast
import os
import pickle
import pty
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile
from homes import Home

import fxd
from fxd.config import ConfigError, load_settings
from fxd.engines.tcn import load_weights
from fxd.home import make_home
from fxd.log import set_up_log
from fxd.pipeline.files import display
from fxd.privacy import open_to_others
from fxd.store.store import open_store
from fxd.training.checkpoint import Checkpoint

SECRET = "hunter2"
TITLE = "\x1b]0;owned\x07"
"""Sets the title of a terminal."""
HOSTILE_NAMES = (
    "<script>alert(1)</script>".replace("/", "⁄") + ".wav",
    f"{TITLE}\x1b[2J.wav",
    "[red]red[⁄red] [].wav",
    "[bold][link=x].wav",
    "two\nlines.wav",
    "\u202egnp.wav",
    "'; drop table runs;--.wav",
    "{extra} {0} %s.wav",
    "-rf.wav",
    "$(touch owned) `touch owned`.wav",
)
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What may stand in no text that is written for people; lines may end."""


class Bomb:
    """A pickle of it makes a file when it is read."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


def test_a_pickle_in_place_of_a_network_is_refused_and_not_read(tmp_path: Path) -> None:
    import torch

    owned, path = tmp_path / "owned", tmp_path / "weights.safetensors"
    path.write_bytes(pickle.dumps(Bomb(owned)))
    with pytest.raises(ValueError, match="no safetensors file"):
        load_weights(path)
    torch.save({"weights": Bomb(owned)}, path)
    with pytest.raises(ValueError, match="no safetensors file"):
        load_weights(path)
    with pytest.raises(ValueError, match="no safetensors file"):
        Checkpoint.load(path)
    assert not owned.exists()


def test_nothing_of_fxd_can_read_a_pickle() -> None:
    (package,) = fxd.__path__
    for source in Path(package).rglob("*.py"):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
                assert not {"pickle", "marshal", "shelve", "dill", "joblib"} & set(names), source
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("torch.load", "torch.jit.load", "eval", "exec", "os.system"), source
                assert "allow_pickle" not in [keyword.arg for keyword in node.keywords], source


@pytest.fixture(scope="module")
def hostile_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Home, str]]:
    """A home that has processed sound and damaged files of hostile names; and what its terminal got."""
    home = Home(tmp_path_factory.mktemp("hostile") / "home")
    make_home(home.root)
    home.configure("[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = 1\n[training]\nschedule = ''\n")
    sound = np.random.default_rng(0).uniform(-0.5, 0.5, 4410).astype(np.float32)
    for number, name in enumerate(HOSTILE_NAMES):
        soundfile.write(home.inbox / "sound.wav", sound, 44_100)
        (home.inbox / "sound.wav").rename(home.inbox / name)
        folder = home.inbox / f"sub{number}"
        folder.mkdir()
        (folder / name).write_bytes(b"no sound")
    yield home, on_a_terminal(home, "start", "--once", code=3)


def on_a_terminal(home: Home, *arguments: str, code: int) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    environment = os.environ | {"COLUMNS": "200", "TERM": "xterm-256color"}
    # Without umask: what is private is so by itself.
    process = subprocess.Popen(
        home.command(*arguments), stdin=theirs, stdout=theirs, stderr=theirs, env=environment, umask=0
    )
    os.close(theirs)
    written = b""
    with closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
        try:
            while some := terminal.read(65_536):
                written += some
        except OSError:  # EIO: the other end is closed
            pass
    assert process.wait() == code, written.decode()
    return written.decode(errors="backslashreplace")


@pytest.mark.long
def test_a_terminal_takes_no_orders_from_names(hostile_home: tuple[Home, str]) -> None:
    home, written = hostile_home
    for command in (
        ("stats",),
        ("status",),
        ("models",),
        ("process", *map(str, (home.inbox / "done").iterdir())),
    ):
        written += on_a_terminal(home, *command, code=0)
    for name in HOSTILE_NAMES[:3]:
        written += on_a_terminal(home, "why", "--", name, code=0)
    assert "\x1b]0" not in written
    assert "\x1b[2J" not in written
    assert "\u202e" not in written
    for part in ("]0;owned", "<script>", "[red]red", "[bold][link=x]", "drop table runs", "{extra}"):
        assert part in written


def test_no_text_for_people_holds_what_steers_a_terminal(hostile_home: tuple[Home, str]) -> None:
    home, _ = hostile_home
    texts = [path.read_text(encoding="utf-8") for path in home.inbox.rglob("*.error.txt")]
    assert len(texts) == len(HOSTILE_NAMES)
    log = (home.root / "db" / "fxd.log").read_text(encoding="utf-8")
    texts += [log, home.fxd("stats").stdout, home.fxd("status").stdout]
    for text in texts:
        assert STEERING.search(text) is None
    for name in HOSTILE_NAMES:
        assert display(name) in log


def test_a_name_is_no_sql(hostile_home: tuple[Home, str]) -> None:
    home, _ = hostile_home
    name = "'; drop table runs;--.wav"
    with open_store(load_settings(home.root).database_url) as store:
        assert store.count_runs("done") >= len(HOSTILE_NAMES)
        assert {run.file for run in store.runs_of(name)} >= {name}
        assert store.output_owner(f"{name[:-4]}.dsp.wav") is not None
        assert store.runs_of("' or 1=1 --") == []
        assert store.runs_of("%") == []


def test_nothing_is_executed(hostile_home: tuple[Home, str]) -> None:
    home, _ = hostile_home
    assert list(home.root.rglob("owned")) == []


def test_what_fxd_remembers_is_its_owners_alone(hostile_home: tuple[Home, str]) -> None:
    home, _ = hostile_home
    db = home.root / "db"
    for path in (home.root / "config.toml", db, db / "fxd.sqlite3", db / "fxd.log"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0, path
    with open_store(load_settings(home.root).database_url) as store, store.write() as connection:
        # Changes that fit into memory come to the disk with the commit; these do not.
        connection.exec_driver_sql("PRAGMA cache_size = 1")
        connection.exec_driver_sql("UPDATE steps SET detail = hex(zeroblob(4000))")
        beside = [path for path in db.iterdir() if path.name.startswith("fxd.sqlite3-")]
        assert beside
        assert all(stat.S_IMODE(path.stat().st_mode) & 0o077 == 0 for path in beside)


def test_a_log_elsewhere_is_its_owners_alone(tmp_path: Path) -> None:
    from loguru import logger

    before = os.umask(0)
    try:
        make_home(tmp_path / "home")
        settings = load_settings(tmp_path / "home").logging
        set_up_log(settings.model_copy(update={"file": str(tmp_path / "elsewhere.log")}))
        logger.remove()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "elsewhere.log").stat().st_mode) == 0o600


def test_what_others_can_read_is_told_and_left_as_it_is(home: Home) -> None:
    config, database = home.root / "config.toml", home.root / "db" / "fxd.sqlite3"

    def told() -> list[str]:
        return open_to_others(home.root, load_settings(home.root))

    open_store(load_settings(home.root).database_url).close()
    assert told() == []
    database.chmod(0o644)
    assert told() == []  # nobody else gets into its folder
    database.parent.chmod(0o755)
    home.configure(config.read_text() + f"[database]\nurl = 'sqlite:///{database}'\n")
    config.chmod(0o640)
    both = told()
    assert len(both) == 2
    assert f"{config} (mode 640)" in both[0]
    assert f"{database} (mode 644)" in both[1]
    assert home.json("status")["open_to_others"] == both
    assert stat.S_IMODE(config.stat().st_mode) == 0o640
    config.chmod(0o600)
    assert len(told()) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"database = 'postgresql://me:{SECRET}@host/fxd'",
        f"[database]\nurl = ['postgresql://me:{SECRET}@host/fxd']",
        f"[database]\nurl = 'postgresql://me:{SECRET}@host/fxd'\npassword = '{SECRET}'",
        f"[database]\nurl = 'postgresql://me:{SECRET}@host/fxd",
    ],
)
def test_a_mistake_beside_a_password_does_not_show_it(tmp_path: Path, text: str) -> None:
    make_home(tmp_path)
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_settings(tmp_path)
    assert SECRET not in str(caught.value)


def test_a_password_is_in_no_log_and_no_message(home: Home) -> None:
    url = f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/fxd"
    home.configure(f"[database]\nurl = '{url}'\n")
    for command in ("start", "status"):
        done = home.fxd(command, code=1)
        assert SECRET not in done.stdout + done.stderr
        assert "PostgreSQL database fxd on 127.0.0.1" in done.stderr
    log = home.root / "db" / "fxd.log"
    assert not log.exists() or SECRET not in log.read_text()


CALLS = (
    "open,openat,creat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,mkdir,mkdirat,unlink,unlinkat,rmdir,"
    "truncate,chmod"
)
NAMED = re.compile(r'(?:(?:AT_FDCWD|\d+)<(?P<folder>[^>]*)>, )?"(?P<name>(?:[^"\\]|\\.)*)"')
"""A path in a traced call, with the folder that it is relative to."""


@pytest.mark.long
@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not there")
def test_nothing_is_written_outside_of_the_home_the_output_and_the_caches(
    home: Home, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, temporary, results, trace = (tmp_path / name for name in ("here", "tmp", "results", "trace.txt"))
    here.mkdir()
    temporary.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv("TMPDIR", str(temporary))
    shutil.copy(clips[7], home.inbox / "bell.flac")
    (home.inbox / "bad.wav").write_bytes(b"no sound")
    strace = ["strace", "-f", "-qq", "--seccomp-bpf", "-y", "-s", "4096", "-A", "-o", str(trace)]
    for arguments, code in ((["start", "--once"], 3), (["process", clips[7], "-o", results], 0)):
        command = [*strace, "-e", f"trace={CALLS}", *home.command(*arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
    caches = Path(os.environ["NUMBA_CACHE_DIR"])
    allowed = (home.root, results, temporary, caches, Path("/dev/null"), Path("/dev/shm"))
    written = {path for line in trace.read_text().splitlines() for path in changed_by(line)}
    assert {results / f"{clips[7].stem}.dsp.wav", home.outbox / "bell.dsp.wav"} <= written
    assert [path for path in written if not any(path.is_relative_to(root) for root in allowed)] == []
    assert list(here.iterdir()) == []
    assert list(temporary.iterdir()) == []


def changed_by(line: str) -> Iterator[Path]:
    """The paths that a traced call creates, removes, renames or opens for writing."""
    is_reading = "open" in line.split("(", maxsplit=1)[0] and not re.search("O_WRONLY|O_RDWR|O_CREAT", line)
    if "= -1 " not in line and not is_reading:
        for found in NAMED.finditer(line):
            name = found["name"].encode("latin-1").decode("unicode_escape")
            yield Path(found["folder"] or "", name)
