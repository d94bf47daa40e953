"""Runs as rows of their tables: what is written for one, and how one is put together again."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import Connection, Select, Table, insert, select

from fxd.store.records import Environment, Quality, Result, Run, Step
from fxd.store.rows import columns_of, insert_new, values_of
from fxd.store.tables import environments, results, runs, steps

ELSEWHERE = {"environment", "results", "steps", "quality"}
"""Fields that are rows of other tables, or several columns."""
RUN_COLUMNS = [runs.c[field.name] for field in fields(Run) if field.name not in ELSEWHERE]
RESULT_COLUMNS = [results.c[field.name] for field in fields(Result) if field.name not in ELSEWHERE]
NEWEST_FIRST = (runs.c.finished_at.desc(), runs.c.id.desc())


def basename(path: str) -> str:
    return PurePosixPath(path).name


def known_ids(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Those of `ids` that are recorded."""
    return set(connection.execute(select(runs.c.id).where(runs.c.id.in_(ids))).scalars())


def insert_all(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def environment_id(connection: Connection, environment: Environment) -> int:
    """The row of this environment, made where it is new."""
    values = asdict(environment)
    fingerprint = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
    query = select(environments.c.id).where(environments.c.fingerprint == fingerprint)
    if (found := connection.execute(query).scalar()) is not None:
        return int(found)
    insert_new(connection, environments, {**values, "fingerprint": fingerprint})
    return int(connection.execute(query).scalar_one())


def run_values(run: Run, environment: int) -> dict[str, Any]:
    values = {column.name: getattr(run, column.name) for column in RUN_COLUMNS}
    return {**values, "name": basename(run.file), "environment_id": environment}


def result_values(run_id: str, result: Result) -> dict[str, Any]:
    values = values_of(result)
    quality: Quality | None = values.pop("quality")
    empty = dict.fromkeys(field.name for field in fields(Quality))
    return {
        **values,
        **(empty if quality is None else values_of(quality)),
        "run_id": run_id,
        "output_name": basename(result.output),
        "compared": quality is not None,
    }


def step_values(run_id: str, step: Step) -> dict[str, Any]:
    return {**values_of(step), "run_id": run_id}


def load(connection: Connection, ids: Select[tuple[str]], with_steps: bool = True) -> list[Run]:
    """The runs that `ids` selects, whole, newest first."""
    chosen = select(ids.subquery().c[0])
    query = select(runs.c.environment_id, *RUN_COLUMNS).where(runs.c.id.in_(chosen)).order_by(*NEWEST_FIRST)
    rows = connection.execute(query).all()
    environment_of = load_environments(connection, {row.environment_id for row in rows})
    results_of = load_results(connection, chosen)
    steps_of = load_steps(connection, chosen) if with_steps else defaultdict(list)
    found = []
    for environment, *values in rows:
        own: dict[str, Any] = dict(zip((column.name for column in RUN_COLUMNS), values, strict=True))
        own |= {"results": tuple(results_of[own["id"]]), "steps": tuple(steps_of[own["id"]])}
        found.append(Run(**own, environment=environment_of[environment]))
    return found


def load_environments(connection: Connection, ids: set[int]) -> dict[int, Environment]:
    columns = columns_of(environments, Environment)
    query = select(environments.c.id, *columns).where(environments.c.id.in_(ids))
    return {key: Environment(*values) for key, *values in connection.execute(query)}


def load_results(connection: Connection, run_ids: Select[tuple[str]]) -> dict[str, list[Result]]:
    query = (
        select(results.c.run_id, results.c.compared, *RESULT_COLUMNS, *columns_of(results, Quality))
        .where(results.c.run_id.in_(run_ids))
        .order_by(results.c.engine)
    )
    found = defaultdict(list)
    for run_id, compared, *values in connection.execute(query):
        own, quality = values[: len(RESULT_COLUMNS)], values[len(RESULT_COLUMNS) :]
        own.append(Quality(*quality) if compared else None)
        found[run_id].append(Result(*own))
    return found


def load_steps(connection: Connection, run_ids: Select[tuple[str]]) -> dict[str, list[Step]]:
    query = (
        select(steps.c.run_id, *columns_of(steps, Step))
        .where(steps.c.run_id.in_(run_ids))
        .order_by(steps.c.id)
    )
    found = defaultdict(list)
    for run_id, *values in connection.execute(query):
        found[run_id].append(Step(*values))
    return found
