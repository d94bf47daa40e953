"""Whether a home at rest is in order, whatever went through it: database, models, training set, no litter."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import soundfile

from fxd.config import Settings
from fxd.store.store import Store
from fxd.training.models import ModelError, load_network, read_card

DATABASE = "fxd.sqlite3"
DATABASE_PARTS = ("-journal", "-wal", "-shm")
PARTS = {DATABASE + suffix for suffix in DATABASE_PARTS}
LASTING = {
    DATABASE,
    "fxd.log",
    "fxd.lock",
    "factory.lock",
    "dataset.lock",
    "training.lock",
    "training.json",
    "dataset",
}
"""What may lie in `db` while nobody works; `status.json` is a daemon's, `training` a retraining's."""


def visible(folder: Path) -> dict[str, Path]:
    """The files below `folder` that are in no hidden folder and not hidden themselves, by their path in it."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = {str(path.relative_to(folder)): path for path in paths}
    return {name: path for name, path in found.items() if not any(p[0] == "." for p in Path(name).parts)}


def damaged(settings: Settings) -> Iterator[str]:
    path = settings.paths.db / DATABASE
    for suffix in DATABASE_PARTS:
        part = path.with_name(path.name + suffix)
        # A journal that begins with zeros was never begun: SQLite takes no notice of it, and writes over it.
        if part.exists() and any(part.read_bytes()[:8]):
            yield f"database: {part.name} is left"
    with closing(sqlite3.connect(path)) as connection:
        try:
            for (told,) in connection.execute("PRAGMA integrity_check"):
                if told != "ok":
                    yield f"database: {told}"
            for row in connection.execute("PRAGMA foreign_key_check"):
                yield f"database: a foreign key leads nowhere: {row}"
        except sqlite3.DatabaseError as error:
            yield f"database: {error}"


def littered(home: Path, settings: Settings) -> Iterator[str]:
    """What a crash left lying about."""
    for path in sorted(home.rglob("*")):
        if path.name.endswith(".tmp") and path not in strays(home):
            yield f"litter: {path.relative_to(home)}"
    for path in strays(home):
        yield f"litter: {path.relative_to(home)}"
    for path in visible(home / "inbox").values():
        if path.relative_to(home).parts[1] not in ("done", "failed"):
            yield f"litter: {path.relative_to(home)} was not taken"
    for path in settings.paths.db.iterdir():
        if path.name not in LASTING | PARTS and not path.name.endswith(".tmp"):
            yield f"litter: {path.relative_to(home)}"


def strays(home: Path) -> list[Path]:
    """What may be somebody's who is at work just now, so that it goes only when it is old."""
    folders = [home / "inbox" / ".claimed", home / "outbox" / ".attempts"]
    return [path for folder in folders if folder.is_dir() for path in sorted(folder.iterdir())]


def unserved(settings: Settings, store: Store) -> Iterator[str]:
    """A champion that loads, every folder a whole and known model, no training that seems to run."""
    if store.champion() is None:
        yield "models: nobody serves"
    known = {model.id for model in store.models()}
    there = {path.name for path in settings.paths.models.iterdir()}
    for name in known ^ there:
        yield f"models: {name} is {'known and not there' if name in known else 'there and not known'}"
    for model in store.each_model():
        try:
            load_network(settings.paths.models, model.id)
            card = read_card(settings.paths.models / model.id)
        except ModelError as error:
            yield f"models: {error}"
        else:
            if card.record().details != model.details:
                yield f"models: the card of {model.id} says something else than its record"
    for training in store.trainings(1_000):
        if training.state == "running":
            yield f"training: {training.id} is said to run"


def strayed(settings: Settings, store: Store) -> Iterator[str]:
    """The training set: its rows and its files are the same."""
    there = {
        str(path.relative_to(settings.dataset)): path
        for path in settings.dataset.rglob("*")
        if path.is_file()
    }
    rows = {example.path: example for example in store.contents()}
    for name in rows.keys() ^ there.keys():
        yield f"dataset: {name} is {'recorded and not there' if name in rows else 'there and not recorded'}"
    for name in rows.keys() & there.keys():
        if there[name].stat().st_size != rows[name].bytes:
            yield f"dataset: {name} has not the size that its row says"
        if soundfile.info(there[name]).frames != rows[name].frames:
            yield f"dataset: {name} has not the frames that its row says"
