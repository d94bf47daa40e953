"""What a report asks of the whole log: where a window begins, what failed in it, a few runs among very many."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from fxd.store.database import Database
from fxd.store.examples import VARIABLES
from fxd.store.measurements import ROWS_AT_A_TIME
from fxd.store.records import Model, Run
from fxd.store.rows import columns_of
from fxd.store.run_rows import NEWEST_FIRST, load
from fxd.store.tables import examples, models, runs


@dataclass(frozen=True)
class Failure:
    """Why files failed."""

    reason: str
    files: int
    """So many failed for it."""
    example: str
    """One of them."""
    last_at: datetime


class Overview(Database):
    """The part of the store that tells of many runs at once."""

    def beginning_of(self, last: int) -> datetime | None:
        """When the first of the `last` runs, done or failed, finished; None where there are fewer."""
        query = select(runs.c.finished_at).order_by(*NEWEST_FIRST).offset(last - 1).limit(1)
        with self.read() as connection:
            return connection.execute(query).scalar()

    def failures(self, since: datetime | None, most: int) -> tuple[int, list[Failure]]:
        """How many runs failed from then on, and the `most` reasons that were given most often."""
        failed = runs.c.state == "failed"
        if since is not None:
            failed = failed & (runs.c.finished_at >= since)
        number = func.count()
        query = (
            select(runs.c.reason, number, func.max(runs.c.file), func.max(runs.c.finished_at))
            .where(failed)
            .group_by(runs.c.reason)
            .order_by(number.desc(), runs.c.reason)
            .limit(most)
        )
        with self.read() as connection:
            total = connection.execute(select(func.count()).select_from(runs).where(failed)).scalar_one()
            return total, [Failure(*row) for row in connection.execute(query)]

    def runs_finished_at(self, moments: Collection[datetime]) -> list[Run]:
        """The runs that finished at one of these moments, newest first."""
        chosen, found = list(moments), list[Run]()
        with self.read() as connection:
            for start in range(0, len(chosen), VARIABLES):
                some = chosen[start : start + VARIABLES]
                found += load(connection, select(runs.c.id).where(runs.c.finished_at.in_(some)))
        return sorted(found, key=lambda run: (run.finished_at, run.id), reverse=True)

    def profiles(self) -> Iterator[tuple[str, str]]:
        """Content hash and profile of every sound of the training set to which somebody listened."""
        query = select(examples.c.content_sha256, examples.c.profile).where(examples.c.profile != "")
        with self.read() as connection:
            rows = connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(query)
            yield from ((content, profile) for content, profile in rows)

    def each_model(self) -> Iterator[Model]:
        """All models, newest first, one at a time: what all of them trained on need not fit into memory."""
        query = select(models.c.id).order_by(models.c.created_at.desc(), models.c.id)
        with self.read() as connection:
            ids = connection.execute(query).scalars().all()
        for model_id in ids:
            with self.read() as connection:
                row = connection.execute(
                    select(*columns_of(models, Model)).where(models.c.id == model_id)
                ).first()
            if row is not None:
                yield Model(*row)
