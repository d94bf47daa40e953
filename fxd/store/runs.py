"""The log of runs: what came in, what the engines made of it, and every step on the way."""

import math
from collections.abc import Iterator, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, true, union

from fxd.store.database import Database
from fxd.store.examples import VARIABLES, add_example
from fxd.store.records import Environment, Example, Run, RunState, Step
from fxd.store.rows import columns_of, insert_new
from fxd.store.run_rows import (
    NEWEST_FIRST,
    environment_id,
    insert_all,
    known_ids,
    load,
    result_values,
    run_values,
    step_values,
)
from fxd.store.tables import environments, results, runs, steps


class Runs(Database):
    """The part of the store that logs runs."""

    def record_run(self, run: Run, example: Example | None) -> bool:
        """Record a run, its results and steps, and its training example, in one transaction.

        False, and nothing is written, where a run of this id is recorded already. An example that is in
        the training set already is not added again.
        """
        return bool(self.record_runs([(run, example)]))

    def record_runs(self, entries: Sequence[tuple[Run, Example | None]]) -> list[str]:
        """The same for several runs in one transaction, all or none; returns the ids of those that were new."""
        with self.write() as connection:
            known = known_ids(connection, [run.id for run, _ in entries])
            fresh = [(run, example) for run, example in entries if run.id not in known]
            # Looked up once an object: the runs of one daemon share theirs.
            distinct = {id(run.environment): run.environment for run, _ in fresh}
            ids = {key: environment_id(connection, environment) for key, environment in distinct.items()}
            # On PostgreSQL another process may have recorded one of them since, so each is asked for once more.
            added = [
                (run, example)
                for run, example in fresh
                if insert_new(connection, runs, run_values(run, ids[id(run.environment)]))
            ]
            insert_all(
                connection, results, [result_values(run.id, one) for run, _ in added for one in run.results]
            )
            insert_all(connection, steps, [step_values(run.id, one) for run, _ in added for one in run.steps])
            for _, example in added:
                if example is not None:
                    add_example(connection, example)
            return [run.id for run, _ in added]

    def add_steps(self, entries: Sequence[tuple[str, Step]]) -> None:
        """Add what happened to recorded runs afterwards: pairs of a run's id and a step, in one transaction."""
        with self.write() as connection:
            insert_all(connection, steps, [step_values(run_id, step) for run_id, step in entries])

    def has_run(self, run_id: str) -> bool:
        """Is a run of this id recorded?"""
        with self.read() as connection:
            return connection.execute(select(runs.c.id).where(runs.c.id == run_id)).first() is not None

    def run(self, run_id: str) -> Run | None:
        """The run of this id, or None."""
        with self.read() as connection:
            return next(iter(load(connection, select(runs.c.id).where(runs.c.id == run_id))), None)

    def runs(self, last: int) -> list[Run]:
        """The `last` runs that finished, newest first."""
        with self.read() as connection:
            return load(connection, select(runs.c.id).order_by(*NEWEST_FIRST).limit(last))

    def runs_since(self, moment: datetime) -> list[Run]:
        """The runs that finished at this time or later, newest first."""
        with self.read() as connection:
            return load(connection, select(runs.c.id).where(runs.c.finished_at >= moment))

    def pages(self, last: int | None, since: datetime | None, size: int) -> Iterator[list[Run]]:
        """The `last` runs that finished at `since` or later, all where these are None, newest first.

        In lists of `size` runs, without their steps, so that a long log need not be held at once. What is
        recorded meanwhile is not in it.
        """
        left = math.inf if last is None else last
        query = select(runs.c.id).order_by(*NEWEST_FIRST)
        if since is not None:
            query = query.where(runs.c.finished_at >= since)
        place: ColumnElement[bool] = true()
        while left > 0:
            asked = int(min(size, left))
            with self.read() as connection:
                page = load(connection, query.where(place).limit(asked), with_steps=False)
            if page:
                yield page
            if len(page) < asked:
                return
            left -= asked
            at, id = page[-1].finished_at, page[-1].id
            # The first of the two alone would do for the index; the second is for runs of the same moment.
            place = (runs.c.finished_at <= at) & ((runs.c.finished_at < at) | (runs.c.id < id))

    def count_done(self, last: int | None, since: datetime | None) -> tuple[int, int]:
        """How many of the `last` runs since then are done, and how many failed."""
        chosen = select(runs.c.state)
        if since is not None:
            chosen = chosen.where(runs.c.finished_at >= since)
        if last is not None:
            chosen = chosen.order_by(*NEWEST_FIRST).limit(last)
        state = chosen.subquery().c.state
        with self.read() as connection:
            rows = connection.execute(select(state, func.count()).group_by(state))
            counted: dict[str, int] = {name: number for name, number in rows}  # noqa: C416
        return counted.get("done", 0), counted.get("failed", 0)

    def environments(self) -> list[Environment]:
        """Every environment that anything ran or was measured in."""
        with self.read() as connection:
            return [
                Environment(*row)
                for row in connection.execute(select(*columns_of(environments, Environment)))
            ]

    def runs_of(self, text: str) -> list[Run]:
        """The runs whose file, or one of whose outputs, is `text` as a whole path or as its last part.

        Newest first.
        """
        # Three indexed look-ups; one condition with OR over a join would read every run.
        matches = union(
            select(runs.c.id).where((runs.c.file == text) | (runs.c.name == text)),
            select(results.c.run_id).where((results.c.output == text) | (results.c.output_name == text)),
        )
        with self.read() as connection:
            return load(connection, select(matches.subquery().c[0]))

    def count_runs(self, state: RunState | None = None) -> int:
        """How many runs are recorded, of one state or of both."""
        query = select(func.count()).select_from(runs)
        if state is not None:
            query = query.where(runs.c.state == state)
        with self.read() as connection:
            return connection.execute(query).scalar_one()

    def contents_heard(self, version: str, since: datetime) -> set[str]:
        """Content hashes of the sounds that an engine of this version has processed from a time on."""
        query = (
            select(runs.c.content_sha256)
            .distinct()
            .join(results, results.c.run_id == runs.c.id)
            .where(results.c.version == version, runs.c.finished_at >= since)
            .where(runs.c.content_sha256.is_not(None))
        )
        with self.read() as connection:
            return {content for (content,) in connection.execute(query)}

    def files_of(self, contents: Sequence[str]) -> dict[str, str]:
        """By which file these sounds came in last, by content hash; those that no run brought are left out."""
        query = (
            select(runs.c.content_sha256, runs.c.file)
            .where(runs.c.content_sha256.is_not(None))
            .order_by(*NEWEST_FIRST)
        )
        found: dict[str, str] = {}
        with self.read() as connection:
            for start in range(0, len(contents), VARIABLES):
                some = contents[start : start + VARIABLES]
                for content, file in connection.execute(query.where(runs.c.content_sha256.in_(some))):
                    found.setdefault(content, file)
        return found

    def maker_of(self, output: str, size: int) -> str | None:
        """The latest run that made this output, if what it made had this size in bytes; else None."""
        query = (
            select(runs.c.id, results.c.output_bytes)
            .join(results, results.c.run_id == runs.c.id)
            .where(results.c.output == output)
            .order_by(*NEWEST_FIRST)
            .limit(1)
        )
        with self.read() as connection:
            made = connection.execute(query).first()
        return made.id if made is not None and made.output_bytes == size else None

    def bringer_of(self, names: Sequence[str], size: int, kept_as: str) -> str | None:
        """The run that is done and brought a file of one of these names and of this size in bytes; else None.

        Of several it is the one whose original was archived as `kept_as`, a path below the inbox, or the latest.
        """
        brought = select(runs.c.id).where(
            runs.c.name.in_(names), runs.c.bytes == size, runs.c.state == "done"
        )
        was_told = (steps.c.name == "archived") & (steps.c.detail == kept_as)
        query = brought.outerjoin(steps, (steps.c.run_id == runs.c.id) & was_told).order_by(
            steps.c.id.is_(None), *NEWEST_FIRST
        )
        with self.read() as connection:
            return connection.execute(query.limit(1)).scalar()

    def output_owner(self, output: str) -> str | None:
        """SHA-256 of the input whose latest run made this output; None where no run did.

        `output` is a path below the outbox.
        """
        # By the order in which they were recorded: by their times, a clock that was set back would turn it round.
        first_step = select(func.min(steps.c.id)).where(steps.c.run_id == runs.c.id).scalar_subquery()
        query = (
            select(runs.c.sha256)
            .join(results, results.c.run_id == runs.c.id)
            .where(results.c.output == output)
            .order_by(func.coalesce(first_step, 0).desc(), *NEWEST_FIRST)
            .limit(1)
        )
        with self.read() as connection:
            return connection.execute(query).scalar()
