"""The benchmarks that were run, each with all that it measured, so that two can be compared months later."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, insert, select

from fxd.store.database import Database
from fxd.store.errors import StoreError
from fxd.store.records import Bench
from fxd.store.rows import values_of
from fxd.store.run_rows import environment_id, load_environments
from fxd.store.tables import benches, environments


class Benches(Database):
    """The part of the store that keeps benchmarks."""

    def add_bench(self, bench: Bench) -> None:
        """Keep a benchmark."""
        values = values_of(bench)
        environment = values.pop("environment")
        with self.write() as connection:
            values["environment_id"] = environment_id(connection, environment)
            connection.execute(insert(benches), values)

    def benches(self, last: int) -> list[Bench]:
        """The `last` benchmarks that were begun, newest first."""
        return self.load_benches(newest_first().limit(last))

    def find_bench(self, part: str) -> Bench:
        """The benchmark whose id is, begins or ends with `part`.

        Raises StoreError where there is none, or more than one.
        """
        matches = benches.c.id.startswith(part, autoescape=True) | benches.c.id.endswith(
            part, autoescape=True
        )
        found = self.load_benches(newest_first().where(matches))
        exact = [bench for bench in found if bench.id == part]
        if len(exact or found) != 1:
            several = f"{len(found)} benchmarks begin or end so" if found else "no benchmark is called that"
            raise StoreError(f"{part!r}: {several}; `fxd bench --list` lists them")
        return (exact or found)[0]

    def benches_on(self, host: str, cpu: str, last: int) -> Iterator[Bench]:
        """The `last` benchmarks that were begun on this host with this processor, newest first.

        Each is read when it is asked for: a document may have a hundred kilobytes.
        """
        here = (environments.c.host == host) & (environments.c.cpu == cpu)
        query = newest_first().join(environments, environments.c.id == benches.c.environment_id)
        with self.read() as connection:
            ids = connection.scalars(query.with_only_columns(benches.c.id).where(here).limit(last)).all()
        for key in ids:
            yield from self.load_benches(newest_first().where(benches.c.id == key))

    def load_benches(self, query: Select[Any]) -> list[Bench]:
        with self.read() as connection:
            rows = connection.execute(query).all()
            known = load_environments(connection, {row.environment_id for row in rows})
        return [
            Bench(key, started_at, known[environment], settings, fxd, document)
            for key, started_at, settings, fxd, document, environment in rows
        ]


def newest_first() -> Select[Any]:
    own = ("id", "started_at", "settings_hash", "fxd", "document", "environment_id")
    return select(*(benches.c[name] for name in own)).order_by(
        benches.c.started_at.desc(), benches.c.id.desc()
    )
