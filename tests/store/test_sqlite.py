import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import event

from fxd.config import PathSettings, Settings
from fxd.store import sqlite
from fxd.store.records import Run
from fxd.store.store import Store, StoreError, StoreUnavailable, open_store

pytestmark = [
    pytest.mark.usefixtures("database"),
    pytest.mark.parametrize("database", ["sqlite-rollback", "sqlite-wal"], indirect=True),
]
MakeRun = Callable[..., Run]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the fixture `url` keeps its file."""
    return tmp_path / "db" / "fxd.sqlite3"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)


@pytest.fixture
def every_connection(store: Store) -> Iterator[Callable[[str], None]]:
    """Runs a statement on every connection that the store opens from now on."""

    def arrange(statement: str) -> None:
        store.close()
        event.listen(store.engine, "connect", lambda connection, _: connection.execute(statement))

    yield arrange


def pragma(store: Store, name: str) -> object:
    with store.read() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_connections_are_durable_and_checked(store: Store, database: str) -> None:
    assert pragma(store, "journal_mode") == ("wal" if database == "sqlite-wal" else "delete")
    assert pragma(store, "synchronous") == 3
    assert pragma(store, "foreign_keys") == 1


def test_a_file_goes_from_one_journal_to_the_other_with_all_that_is_in_it(
    url: str, monkeypatch: pytest.MonkeyPatch, make_run: MakeRun
) -> None:
    run = make_run()
    with open_store(url) as store:
        store.record_run(run, None)
    for version, journal in (((3, 51, 3), "wal"), ((3, 40, 1), "delete"), ((3, 52, 0), "wal")):
        monkeypatch.setattr(sqlite3, "sqlite_version_info", version)
        with open_store(url) as store:
            assert pragma(store, "journal_mode") == journal
            assert store.runs(1) == [run]


def test_the_change_of_the_journal_waits_for_others(
    url: str, path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.parent.mkdir()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute(f"PRAGMA journal_mode = {'delete' if database == 'sqlite-wal' else 'wal'}")
    other.execute("BEGIN IMMEDIATE")
    # Who waits, sleeps; then the other one ends.
    monkeypatch.setattr(sqlite.time, "sleep", lambda _: other.close())
    with open_store(url) as store:
        assert pragma(store, "journal_mode") == ("wal" if database == "sqlite-wal" else "delete")


def test_the_file_and_its_folder_are_made_and_only_the_owner_can_read_the_file(url: str, path: Path) -> None:
    with open_store(url) as store:
        store.count_runs()
        assert {file.stat().st_mode & 0o777 for file in path.parent.iterdir()} == {0o600}


@pytest.mark.parametrize("name", ["100%25 what? #1 ö & 'more'", os.fsdecode(b"caf\xe9")])
def test_a_home_may_be_called_anything(tmp_path: Path, name: str) -> None:
    db = tmp_path / name
    with open_store(Settings(paths=PathSettings(db=db)).database_url) as store:
        assert store.count_runs() == 0
    assert list(tmp_path.iterdir()) == [db]
    assert [file.name for file in db.iterdir()] == ["fxd.sqlite3"]


def test_a_file_that_is_no_database_is_left_alone(url: str, path: Path) -> None:
    path.parent.mkdir()
    path.write_text("notes of mine, " * 1_000)
    with pytest.raises(
        StoreError, match=r"fxd\.sqlite3: this file is not a SQLite database; move it away"
    ) as caught:
        open_store(url)
    assert not isinstance(caught.value, StoreUnavailable)
    assert path.read_text() == "notes of mine, " * 1_000


def test_a_damaged_database_is_called_damaged(url: str, path: Path) -> None:
    open_store(url).close()
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    with pytest.raises(StoreError, match=r"fxd\.sqlite3: the database is damaged; move it away"):
        open_store(url)


def test_a_database_without_its_tables_is_told_so(store: Store, path: Path) -> None:
    path.unlink()
    path.touch()
    with pytest.raises(StoreError, match=r"fxd\.sqlite3: its tables are gone: .*start fxd again"):
        store.count_runs()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("a file")
    with pytest.raises(StoreError, match=r"db/fxd\.sqlite3: the database cannot be made here: "):
        open_store(f"sqlite:///{tmp_path}/db/fxd.sqlite3")


@pytest.mark.usefixtures("impatient")
def test_a_locked_database_can_be_tried_again(store: Store, path: Path, make_run: MakeRun) -> None:
    run = make_run()
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match=r"fxd\.sqlite3: it is locked by another program"):
            store.record_run(run, None)
        assert store.count_runs() == 0
        other.execute("ROLLBACK")
    other.close()
    assert store.record_run(run, None)


def test_a_full_disk_can_be_tried_again(
    store: Store, every_connection: Callable[[str], None], make_run: MakeRun
) -> None:
    run = make_run(reason="x" * 1_000_000)
    every_connection("PRAGMA max_page_count = 1")
    with pytest.raises(StoreUnavailable, match=r"fxd\.sqlite3: the disk is full; make room"):
        store.record_run(run, None)
    assert store.count_runs() == 0
    every_connection("PRAGMA max_page_count = 1000000")
    assert store.record_run(run, None)


def test_a_disk_that_became_read_only_can_be_tried_again(
    store: Store, every_connection: Callable[[str], None], make_run: MakeRun
) -> None:
    every_connection("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable, match=r"fxd\.sqlite3: it cannot be written; check owner and mode"):
        store.record_run(make_run(), None)
    assert store.runs(1) == []
    every_connection("PRAGMA query_only = OFF")
    assert store.record_run(make_run(), None)


def test_nothing_is_written_into_a_file_that_was_taken_away(
    store: Store, path: Path, make_run: MakeRun
) -> None:
    first, second = make_run(minute=1), make_run(minute=2)
    store.record_run(first, None)
    # As when a share goes away: what is left is the empty folder that it was mounted on.
    elsewhere = path.parent.rename(path.parent.with_name("elsewhere"))
    path.parent.mkdir()
    for attempt in (lambda: store.record_run(second, None), store.count_runs):
        with pytest.raises(
            StoreUnavailable, match=r"fxd\.sqlite3: it cannot be opened; check that its folder"
        ):
            attempt()
    assert list(path.parent.iterdir()) == []
    path.parent.rmdir()
    elsewhere.rename(path.parent)
    assert store.record_run(second, None)
    assert store.runs(2) == [second, first]


def test_no_empty_database_is_put_where_one_is_gone_from_its_training_set(url: str, path: Path) -> None:
    """A daemon that waited for the old one would go on with it, and find no model."""
    open_store(url).close()
    (path.parent / "dataset" / "ab").mkdir(parents=True)
    path.unlink()
    with pytest.raises(StoreError, match=r"fxd\.sqlite3: the database is gone.*dataset holds.*a backup back"):
        open_store(url)
    assert not path.exists()
    (path.parent / "dataset" / "ab").rmdir()  # a home without a past
    open_store(url).close()


def test_questions_about_runs_do_not_read_all_of_them(store: Store, make_run: MakeRun) -> None:
    plans = []

    def explain(
        _connection: object, cursor: sqlite3.Cursor, statement: str, parameters: tuple[object], *_: object
    ) -> None:
        if statement.startswith("SELECT"):
            plans.extend(
                row[3] for row in cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            )

    run = make_run()
    store.record_run(run, None)
    event.listen(store.engine, "before_cursor_execute", explain)
    store.runs(20)
    store.run(run.id)
    store.has_run(run.id)
    store.runs_of("riff.wav")
    store.output_owner("sub/riff.dsp.wav")
    store.count_runs("failed")
    assert any("INDEX ix_runs_finished_at_id" in step for step in plans)
    scans = [step for step in plans if step.startswith("SCAN") and "USING" not in step]
    assert not {"SCAN runs", "SCAN results", "SCAN steps"} & set(scans)
