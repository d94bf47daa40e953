"""Brings a database to this version's tables, and recognises one that is there already without Alembic."""

from pathlib import Path

from sqlalchemy import Connection, column, func, inspect, select, table

from fxd.store.database import Database
from fxd.store.errors import StoreError
from fxd.store.tables import metadata

# The newest migration. Kept here as well, as Alembic takes longer to import than `fxd stats` may take.
HEAD = "0008"
MIGRATIONS = Path(__file__).parent / "migrations"
VERSION_TABLE = table("alembic_version", column("version_num"))
# Any number would do, as long as every fxd uses the same.
POSTGRESQL_LOCK = 0x66786400


def ensure_current(database: Database) -> None:
    """Make or migrate the tables where needed, once, however many processes arrive at the same moment.

    Raises StoreError where a newer fxd made them.
    """
    with database.read() as connection:
        if version(connection) == HEAD:
            return
    with database.write() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(POSTGRESQL_LOCK)))
        # Where somebody else did it while this one waited for the lock, there is nothing left to do.
        upgrade(connection, version(connection), database.name)


def version(connection: Connection) -> str | None:
    """The migration that the database is at; None where it has none yet."""
    if not inspect(connection).has_table(VERSION_TABLE.name):
        return None
    return connection.execute(select(VERSION_TABLE.c.version_num)).scalar()


def upgrade(connection: Connection, found: str | None, name: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    if found is None and (taken := metadata.tables.keys() & inspect(connection).get_table_names()):
        raise StoreError(
            f"{name}: it has tables of these names that fxd did not make: {', '.join(sorted(taken))}; "
            f"set another [database] url"
        )
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"{name}: its tables are of version {found}, this fxd knows them up to {HEAD}; "
            f"a newer fxd made them: upgrade this one, or set another [database] url"
        )
    command.upgrade(config, "head")
