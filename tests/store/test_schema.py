import subprocess
from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from fxd.store import schema
from fxd.store.records import Run
from fxd.store.store import StoreError, StoreUnavailable, open_store
from fxd.store.tables import metadata

StartPython = Callable[[str], "subprocess.Popen[bytes]"]


def test_head_is_the_newest_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [schema.HEAD]


def test_the_migrations_make_the_tables_that_the_code_expects(url: str) -> None:
    with open_store(url) as store, store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_the_migrations_make_the_checks_that_the_code_expects(url: str) -> None:
    """Alembic's comparison leaves them out."""

    def checks(connection: Connection) -> set[tuple[str, str | None, str]]:
        inspector = inspect(connection)
        return {
            (table, check["name"], check["sqltext"])
            for table in metadata.tables
            for check in inspector.get_check_constraints(table)
        }

    with open_store(url) as store, store.write() as connection:
        migrated = checks(connection)
        metadata.drop_all(connection)
        metadata.create_all(connection)
        assert migrated == checks(connection)
        assert len(migrated) == 8


def test_a_current_database_opens_without_alembic(url: str, start_python: StartPython) -> None:
    open_store(url).close()
    process = start_python(
        "import sys\n"
        "from fxd.store.store import open_store\n"
        f"open_store({url!r}).close()\n"
        "print(*{'alembic', 'numpy', 'scipy', 'numba', 'torch'} & sys.modules.keys())\n"
    )
    assert process.communicate()[0] == b"\n"


def test_a_migration_that_fails_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = schema.upgrade

    def fail_at_the_end(connection: Connection, found: str | None, name: str) -> None:
        upgrade(connection, found, name)
        raise KeyboardInterrupt

    monkeypatch.setattr(schema, "upgrade", fail_at_the_end)
    with pytest.raises(KeyboardInterrupt):
        open_store(url)
    monkeypatch.undo()
    with open_store(url) as store:
        assert store.count_runs() == 0


def test_a_database_of_a_newer_fxd_is_left_alone(url: str, make_run: Callable[..., Run]) -> None:
    with open_store(url) as store:
        store.record_run(make_run(), None)
        with store.write() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="are of version 9999, this fxd knows them up to 0008") as caught:
        open_store(url)
    assert not isinstance(caught.value, StoreUnavailable)


def test_a_database_of_another_program_is_left_alone(url: str) -> None:
    with open_store(url) as store, store.write() as connection:
        metadata.drop_all(connection)
        connection.exec_driver_sql("DROP TABLE alembic_version")
        connection.exec_driver_sql("CREATE TABLE runs (id INTEGER)")
    with pytest.raises(
        StoreError, match="has tables of these names that fxd did not make: runs; set another"
    ):
        open_store(url)
