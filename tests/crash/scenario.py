"""What is interrupted: homes with something to do, and the commands that do it.

A home is prepared once and copied for every point. Its files are short excerpts of real clips, so that nearly all
of a run is the start of Python and of the engines: two seconds of one core.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Protocol

import soundfile

from fxd.config import load_settings
from fxd.home import make_home
from fxd.store.store import open_store
from fxd.training.evidence import fewest_files

from .material import add_excerpt, add_poor_champion, excerpt
from .promise import Dropped, Expectation, hash_of, originals_of, sound_of, visible

Role = Literal["main", "worker", "retraining"]
"""Of a process: the command itself, a worker of it, the retraining that a daemon starts."""

ROOT = Path(__file__).parents[2]
CONFIG = """
[inbox]
settle_seconds = 0.01
[processing]
workers = 1
[tcn]
preset = "nano"
device = "cpu"
[training]
schedule = ""
"""
DRAIN = ("start", "--once")
RETRAIN = ("retrain", "--now", "--steps", "2")
PROCESS = ("process", "loose/known.wav", "loose/riff.wav", "loose/other/riff.flac")
EXIT_CODES = (0, 3)
"""Done; done, with something quarantined."""
DEADLINE_SECONDS = 300.0
"""Only a failure takes that long, or a machine that has to compile the engines first and has much else to do."""


@dataclass(frozen=True)
class Scenario:
    """A home with something to do."""

    name: str
    prepare: Callable[..., Expectation]
    """Makes the home, at a path where nothing is yet; may be told who runs `fxd` meanwhile."""
    command: tuple[str, ...]
    """Arguments of `fxd`, run in the home: what is interrupted."""
    recovery: tuple[tuple[str, ...], ...] = (DRAIN,)
    """Commands after which the promise holds, whatever interrupted `command`."""
    roles: tuple[Role, ...] = ("main", "worker")
    """The processes that are interrupted."""


def environment() -> dict[str, str]:
    """For every `fxd` that is run here: kernels are compiled once, the user's own settings do not count."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FXD_")}
    kernels = os.environ.get("NUMBA_CACHE_DIR", str(ROOT / ".pytest_cache" / "kernels"))
    return kept | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": kernels, "OMP_NUM_THREADS": "1"}


def copy_home(home: Path, copy: Path) -> None:
    """Files that have two names in the home have two names in the copy, unlike those of `shutil.copytree`."""
    subprocess.run(["cp", "-a", str(home), str(copy)], check=True)


class Runner(Protocol):
    """Whoever runs `fxd`."""

    def run(self, home: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
        """Run one command to its end. Returns its exit code, and what it said."""
        ...


class Plain:
    """Runs `fxd` as anybody would. A supervisor does it in a fifth of the time."""

    def run(self, home: Path, arguments: tuple[str, ...]) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "fxd", "--home", str(home), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=home,
            env=environment(),
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout


PLAIN = Plain()


def run_well(runner: Runner, home: Path, arguments: tuple[str, ...]) -> None:
    """Run a command where nothing may fail. Raises RuntimeError with what it said."""
    code, said = runner.run(home, arguments)
    if code not in EXIT_CODES:
        raise RuntimeError(f"fxd {' '.join(arguments)} ended with {code}:\n{said}")


def dropped(home: Path, names: Sequence[str], bad: Sequence[str] = ()) -> tuple[Dropped, ...]:
    paths = {name: home / "inbox" / name for name in names}
    return tuple(
        Dropped(name, hash_of(path), None if name in bad else soundfile.info(path).frames)
        for name, path in paths.items()
    )


def known(home: Path) -> Expectation:
    """What a home that is at rest holds."""
    with open_store(load_settings(home).database_url) as store:
        runs = frozenset(run.id for run in store.runs(1_000_000))
    return Expectation(runs=runs, originals=originals_of(home))


def with_sounds(runner: Runner, home: Path, expected: Expectation, command: tuple[str, ...]) -> Expectation:
    """The same, with the sounds that undisturbed runs make of a copy of the home, and that lie there already."""
    copy = home.with_name(f"{home.name}.reference")
    copy_home(home, copy)
    before = {sound_of(path) for path in visible(home / "outbox").values()}
    run_well(runner, copy, command)
    after = {sound_of(path) for path in visible(copy / "outbox").values()}
    shutil.rmtree(copy)
    return replace(expected, sounds=frozenset(before | after))


def configure(home: Path, extra: str = "") -> None:
    make_home(home)
    (home / "config.toml").write_text(CONFIG + extra, encoding="utf-8")


def new_home(home: Path, runner: Runner = PLAIN) -> Expectation:
    """A home in which nothing ever ran: database and factory model are made on the way."""
    configure(home)
    excerpt(home / "inbox" / "first.wav", "loop_electric", 1500)
    return with_sounds(runner, home, Expectation(dropped(home, ["first.wav"])), DRAIN)


def home_with_files(home: Path, runner: Runner = PLAIN) -> Expectation:
    """Two of one name with other content, one that is cut off, one that was processed once before."""
    configure(home)
    excerpt(home / "inbox" / "old.wav", "loop_electric", 1200)
    shutil.copy(home / "inbox" / "old.wav", home / "inbox" / "sub.tmp")
    run_well(runner, home, DRAIN)
    (home / "inbox" / "sub.tmp").rename(home / "inbox" / "old.wav")
    excerpt(home / "inbox" / "sub" / "riff.wav", "loop_breakbeat", 2400)
    excerpt(home / "inbox" / "sub" / "riff.flac", "guit_harmonics", 2000)
    excerpt(home / "inbox" / "sub" / "er" / "cut.flac", "loop_breakbeat", 9000)
    os.truncate(home / "inbox" / "sub" / "er" / "cut.flac", 5000)
    files = dropped(
        home, ["old.wav", "sub/riff.wav", "sub/riff.flac", "sub/er/cut.flac"], ["sub/er/cut.flac"]
    )
    return with_sounds(runner, home, replace(known(home), dropped=files), DRAIN)


def home_with_loose_files(home: Path, runner: Runner = PLAIN) -> Expectation:
    """Files outside of the inbox, one of which the daemon knows."""
    configure(home)
    excerpt(home / "inbox" / "known.wav", "loop_electric", 1200)
    excerpt(home / "loose" / "known.wav", "loop_electric", 1200)
    run_well(runner, home, DRAIN)
    excerpt(home / "loose" / "riff.wav", "loop_breakbeat", 2400)
    excerpt(home / "loose" / "other" / "riff.flac", "guit_harmonics", 2000)
    paths = [home / name for name in PROCESS[1:]]
    files = tuple(
        Dropped(str(path.relative_to(home)), hash_of(path), soundfile.info(path).frames) for path in paths
    )
    return with_sounds(runner, home, replace(known(home), processed=files), PROCESS)


def home_to_learn(home: Path, runner: Runner = PLAIN) -> Expectation:
    """A training set that is too large, a champion that every challenger beats, and a file that waits."""
    configure(home)
    settings = load_settings(home)
    with open_store(settings.database_url) as store:
        for clip in ("loop_electric", "guit_harmonics", "bass_thick_c"):
            add_excerpt(settings, store, clip, "training", 22_050)
        for number in range(fewest_files(1)):
            add_excerpt(settings, store, "loop_breakbeat", "validation", 8_000, 9_000 * number)
        add_poor_champion(settings, store)
        limit = (store.dataset_bytes() - 1) / 1e9
    configure(home, f"max_dataset_gb = {limit:.9f}\n")
    run_well(runner, home, DRAIN)  # there is a database, and nothing to do
    excerpt(home / "inbox" / "riff.wav", "loop_breakbeat", 2400)
    return replace(known(home), dropped=dropped(home, ["riff.wav"]))


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("new", new_home, DRAIN),
        Scenario("drop", home_with_files, DRAIN),
        Scenario("process", home_with_loose_files, PROCESS, (PROCESS, DRAIN)),
        Scenario("retrain", home_to_learn, RETRAIN, (DRAIN, RETRAIN, DRAIN), ("main",)),
    )
}
