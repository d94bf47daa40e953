"""The training set: which dry sounds are kept, and for which saturator settings they were heard."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, Double, Select, cast, delete, func, select, update

from fxd.store.database import Database
from fxd.store.records import Example
from fxd.store.rows import columns_of, insert_new, values_of
from fxd.store.tables import dataset_totals, examples

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

    def first_example_at(self) -> datetime | None:
        """When the oldest of the sounds that are kept was added; None where there is none."""
        with self.read() as connection:
            oldest: datetime | None = connection.execute(select(func.min(examples.c.added_at))).scalar_one()
        return oldest

    def dataset_seconds(self) -> float:
        """Length of the sounds that are kept, each counted once."""
        with self.read() as connection:
            return float(connection.execute(select(dataset_totals.c.seconds)).scalar_one())

    def dataset_bytes(self) -> int:
        """Size of the sounds that are kept, each counted once."""
        with self.read() as connection:
            return int(connection.execute(select(dataset_totals.c.bytes)).scalar_one())

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
                subtract(connection, some)
                query = delete(examples).where(examples.c.content_sha256.in_(some))
                removed += connection.execute(query).rowcount
        return removed


def add_example(connection: Connection, example: Example) -> bool:
    """Add to the training set; false where this sound with these settings is in it already."""
    # The totals first: whoever adds the same sound under other settings waits there, and then finds it known.
    change_totals(connection, 0.0, 0)
    known = select(examples.c.id).where(examples.c.content_sha256 == example.content_sha256).limit(1)
    is_known = connection.execute(known).first() is not None
    is_added = insert_new(connection, examples, values_of(example))
    if is_added and not is_known:
        change_totals(connection, example.frames / example.sample_rate, example.bytes)
    return is_added


def subtract(connection: Connection, contents: Sequence[str]) -> None:
    """Take sounds that are about to be forgotten out of the totals."""
    change_totals(connection, 0.0, 0)
    firsts = first_of_each_content().where(examples.c.content_sha256.in_(contents))
    seconds = func.sum(cast(examples.c.frames, Double) / examples.c.sample_rate)
    query = select(func.coalesce(seconds, 0.0), func.coalesce(func.sum(examples.c.bytes), 0))
    seconds, size = connection.execute(query.where(examples.c.id.in_(firsts))).one()
    change_totals(connection, -float(seconds), -int(size))


def change_totals(connection: Connection, seconds: float, size: int) -> None:
    """Add to what the training set amounts to. The row stays locked until the transaction ends."""
    totals = dataset_totals.c
    connection.execute(
        update(dataset_totals).values(seconds=totals.seconds + seconds, bytes=totals.bytes + size)
    )


def first_of_each_content() -> Select[tuple[int]]:
    return select(func.min(examples.c.id)).group_by(examples.c.content_sha256)
