"""The training set: which dry sounds are kept, and for which saturator settings they were heard."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, delete, func, select

from fxd.store.database import Database
from fxd.store.records import Example
from fxd.store.rows import columns_of, insert_new, values_of
from fxd.store.tables import examples

VARIABLES = 500
"""Of one statement; some builds of SQLite take no more than 999."""


class Examples(Database):
    """The part of the store that lists the training set."""

    def examples(self, settings_hash: str | None = None) -> list[Example]:
        """All examples, or those of one saturator setting, in the order in which they were added."""
        query = select(*columns_of(examples, Example)).order_by(examples.c.id)
        if settings_hash is not None:
            query = query.where(examples.c.settings_hash == settings_hash)
        with self.read() as connection:
            return [Example(*row) for row in connection.execute(query)]

    def contents(self) -> list[Example]:
        """One example, the first, for each sound that is kept; in the order in which they were added.

        A known sound under other saturator settings is no new sound.
        """
        query = select(*columns_of(examples, Example)).where(examples.c.id.in_(first_of_each_content()))
        with self.read() as connection:
            return [Example(*row) for row in connection.execute(query.order_by(examples.c.id))]

    def dataset_seconds(self) -> float:
        """Length of the sounds that are kept, each counted once."""
        return float(self.sum_over_contents(examples.c.frames / examples.c.sample_rate))

    def dataset_bytes(self) -> int:
        """Size of the sounds that are kept, each counted once."""
        return int(self.sum_over_contents(examples.c.bytes))

    def sum_over_contents(self, value: ColumnElement[Any]) -> Any:
        """A number, of whatever type the database sums in."""
        query = select(func.coalesce(func.sum(value), 0)).where(examples.c.id.in_(first_of_each_content()))
        with self.read() as connection:
            return connection.execute(query).scalar_one()

    def add_example(self, example: Example) -> bool:
        """Add a sound that no run brought; false where it is there with these settings already."""
        with self.write() as connection:
            return add_example(connection, example)

    def remove_examples(self, contents: Sequence[str]) -> int:
        """Forget sounds, by their content hashes, under all settings. The files are the caller's.

        Returns how many examples that were.
        """
        removed = 0
        with self.write() as connection:
            for start in range(0, len(contents), VARIABLES):
                some = contents[start : start + VARIABLES]
                query = delete(examples).where(examples.c.content_sha256.in_(some))
                removed += connection.execute(query).rowcount
        return removed


def add_example(connection: Connection, example: Example) -> bool:
    """Add to the training set; false where this sound with these settings is in it already."""
    return insert_new(connection, examples, values_of(example))


def first_of_each_content() -> Select[tuple[int]]:
    return select(func.min(examples.c.id)).group_by(examples.c.content_sha256)
