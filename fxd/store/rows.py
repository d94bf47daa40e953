"""Records to rows and back, where a table has a column for every field."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from sqlalchemy import Column, Connection, Table


def values_of(record: Any) -> dict[str, Any]:
    """The fields of a dataclass, by name, as they are."""
    return {field.name: getattr(record, field.name) for field in fields(record)}


def columns_of(table: Table, kind: type[Any]) -> list[Column[Any]]:
    """The columns that hold the fields of the dataclass `kind`, in their order: `kind(*row)` works."""
    return [table.c[field.name] for field in fields(kind)]


def insert_new(connection: Connection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert a row unless one with the same key is there; true where it is new.

    On PostgreSQL this also waits for another transaction that is inserting the same key.
    """
    statement = insert_for(connection)(table).values(values).on_conflict_do_nothing()
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount > 0


def insert_for(connection: Connection) -> Any:
    """The `insert` that knows ON CONFLICT; both databases have it, SQLAlchemy spells it for each."""
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql

        return postgresql.insert
    from sqlalchemy.dialects import sqlite

    return sqlite.insert
