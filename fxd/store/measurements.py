"""What was measured in many runs, as columns: a million runs fit, where as `Run`s they would not."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select

from fxd.store.database import Database
from fxd.store.records import EngineName, Environment
from fxd.store.run_rows import NEWEST_FIRST, load_environments
from fxd.store.tables import results, runs

ENGINES: tuple[EngineName, ...] = ("dsp", "tcn")
ROWS_AT_A_TIME = 10_000
OLDEST_FIRST = (runs.c.finished_at, runs.c.id)
Fill = Callable[[Iterable[Any]], None]
"""Takes the texts of some rows into a column."""

COUNTS = ("output_bytes", "clipped_frames")
MEASURE_COLUMNS = (
    "engine_seconds",
    "cpu_seconds",
    "output_bytes",
    "peak_dbfs",
    "clipped_frames",
    "loudness_lufs",
    "esr",
    "esr_db",
    "mae",
    "si_sdr_db",
    "mrstft",
)
"""What may be asked for, of each engine."""


@dataclass
class Texts:
    """A column of texts that repeat: each is kept once, a row holds its number."""

    codes: array[int] = field(default_factory=lambda: array("i"))
    """[rows]; -1 where there is none."""
    texts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = {text: code for code, text in enumerate(self.texts)}

    def extend(self, texts: Iterable[str | None]) -> None:
        known = self.known
        self.codes.extend([known[text] if text in known else self.code_of(text) for text in texts])

    def code_of(self, text: str | None) -> int:
        """A new text gets the next number."""
        if text is None:
            return -1
        self.known[text] = len(self.texts)
        self.texts.append(text)
        return self.known[text]

    def __getitem__(self, row: int) -> str | None:
        code = self.codes[row]
        return None if code < 0 else self.texts[code]


@dataclass
class Measurements:
    """Columns of runs that are done, oldest first: the same row of each is the same run.

    They are `array.array`s: `np.frombuffer(column)`, or `np.asarray(column)`, is the same memory.
    """

    finished_at: array[float] = field(default_factory=lambda: array("d"))
    """Seconds since 1970, UTC."""
    seconds: array[float] = field(default_factory=lambda: array("d"))
    """Audio length."""
    channels: array[int] = field(default_factory=lambda: array("i"))
    sample_rate: array[int] = field(default_factory=lambda: array("i"))
    warm_up: array[int] = field(default_factory=lambda: array("b"))
    """1 where the worker was cold: what it took says little."""
    environment: array[int] = field(default_factory=lambda: array("i"))
    """Keys of `environments`."""
    environments: dict[int, Environment] = field(default_factory=dict)
    version: dict[EngineName, Texts] = field(default_factory=lambda: {name: Texts() for name in ENGINES})
    """Settings hash for dsp, model id for tcn."""
    value: dict[tuple[EngineName, str], array[float]] = field(default_factory=dict)
    """What was asked for; nan where there is none."""
    run_id: list[str] = field(default_factory=list)
    file: Texts = field(default_factory=Texts)
    content: Texts = field(default_factory=Texts)
    """Content hashes. These three are filled only where names were asked for: they are most of the memory."""
    content_key: array[int] = field(default_factory=lambda: array("q"))
    """`text_key` of the content hashes, where these keys were asked for: what tells sounds apart in 8 bytes."""
    file_key: array[int] = field(default_factory=lambda: array("q"))
    """The same of the files."""

    def __len__(self) -> int:
        return len(self.finished_at)


def text_key(text: str | None) -> int:
    """A number that stands for a text as long as this process lives; 0 where there is none."""
    return 0 if text is None else hash(text) or 1


class Columns(Database):
    """The part of the store that reads many runs at once."""

    def measurements(
        self,
        measures: Iterable[tuple[EngineName, str]],
        since: datetime | None = None,
        last: int | None = None,
        with_names: bool = False,
        with_files: bool = False,
        with_content_keys: bool = False,
        with_file_keys: bool = False,
    ) -> Measurements:
        """These measures, pairs of an engine and one of `MEASURE_COLUMNS`, of runs that are done, oldest first.

        `since`: only of runs that finished then or later; `last`: only of the newest so many of these;
        `with_names`: with their ids, files and contents; `with_files`: with the files alone; `with_content_keys`:
        with numbers for the contents; `with_file_keys`: with numbers for the files.

        Reads in pieces, as who reads keeps others from writing where SQLite has no write-ahead log; memory grows
        with the columns only. A run that is recorded meanwhile may be among them or not.
        """
        wanted = list(dict.fromkeys(measures))
        found = Measurements(value={key: array("d") for key in wanted})
        fill: dict[str, list[Fill]] = {}
        if with_names:
            fill = {"id": [found.run_id.extend], "file": [found.file.extend]}
            fill["content_sha256"] = [found.content.extend]
        elif with_files:
            fill = {"file": [found.file.extend]}
        if with_content_keys:
            fill.setdefault("content_sha256", []).append(
                lambda texts: found.content_key.extend(map(text_key, texts))
            )
        if with_file_keys:
            fill.setdefault("file", []).append(lambda texts: found.file_key.extend(map(text_key, texts)))
        for part in self.parts(wanted, since, last, list(fill)):
            append(found, part, wanted, list(fill.values()))
        with self.read() as connection:
            found.environments = load_environments(connection, set(found.environment))
        return found

    def parts(
        self,
        wanted: Sequence[tuple[EngineName, str]],
        since: datetime | None,
        last: int | None,
        texts: Sequence[str],
    ) -> Iterator[Sequence[Any]]:
        """The rows of `query` in pieces, oldest first, each read in a transaction of its own."""
        chosen = done_since(since)
        if last is not None:
            place = chosen.order_by(*NEWEST_FIRST).offset(last - 1).limit(1)
            with self.read() as connection:
                first = connection.execute(place).first()
            if first is not None:
                chosen = chosen.where(not_before(first))
        rest = math.inf if last is None else last
        page = chosen
        while rest > 0:
            count = int(min(rest, ROWS_AT_A_TIME))
            with self.read() as connection:
                part = connection.execute(
                    query(wanted, page.order_by(*OLDEST_FIRST).limit(count), texts)
                ).all()
            if part:
                yield part
            if len(part) < count:
                return
            rest -= count
            page = chosen.where(not_before(part[-1]), runs.c.id != part[-1].id)


def done_since(since: datetime | None) -> Select[Any]:
    """The runs that are done."""
    # Not `= "done"`: for that SQLite takes the index of the states, and sorts a million runs for the newest ten.
    chosen = select(runs).where(runs.c.state != "failed")
    return chosen if since is None else chosen.where(runs.c.finished_at >= since)


def not_before(row: Any) -> ColumnElement[bool]:
    """In the order of OLDEST_FIRST this row and what comes after it."""
    later = or_(runs.c.finished_at > row.finished_at, runs.c.id >= row.id)
    # The first condition is what an index can find.
    return and_(runs.c.finished_at >= row.finished_at, later)


def query(wanted: Sequence[tuple[EngineName, str]], chosen: Select[Any], texts: Sequence[str]) -> Select[Any]:
    """The columns of the chosen runs in the order in which `append` takes a row apart, and their ids."""
    run = chosen.subquery()
    by_engine = {name: results.alias(name) for name in ENGINES}
    columns = [run.c[name] for name in ("finished_at", "frames", "sample_rate", "channels", "warm_up")]
    columns += [run.c.environment_id, *(by_engine[name].c.version for name in ENGINES)]
    columns += [by_engine[engine].c[measure] for engine, measure in wanted]
    columns += [run.c[name] for name in texts]
    if "id" not in texts:
        columns.append(run.c.id)
    joined: Any = run
    for name, table in by_engine.items():
        joined = joined.outerjoin(table, and_(table.c.run_id == run.c.id, table.c.engine == name))
    return select(*columns).select_from(joined).order_by(run.c.finished_at, run.c.id)


def append(
    found: Measurements,
    rows: Sequence[Any],
    wanted: Sequence[tuple[EngineName, str]],
    texts: Sequence[Sequence[Fill]],
) -> None:
    first, last = 6 + len(ENGINES), 6 + len(ENGINES) + len(wanted)
    # By columns: a million rows one by one take twice as long.
    columns = list(zip(*rows, strict=True))
    finished_at, frames, sample_rate, channels, warm_up, environment = columns[:6]
    found.finished_at.extend([moment.timestamp() for moment in finished_at])
    found.seconds.extend(
        [count / rate if rate else 0.0 for count, rate in zip(frames, sample_rate, strict=True)]
    )
    found.channels.extend(channels)
    found.sample_rate.extend(sample_rate)
    found.warm_up.extend(warm_up)
    found.environment.extend(environment)
    for name, versions in zip(ENGINES, columns[6:first], strict=True):
        found.version[name].extend(versions)
    for key, values in zip(wanted, columns[first:last], strict=True):
        # A run without a result of this engine has no count either; measures are nan already.
        found.value[key].extend(
            [math.nan if value is None else value for value in values] if key[1] in COUNTS else values
        )
    for fills, column in zip(texts, columns[last : last + len(texts)], strict=True):
        for fill in fills:
            fill(column)
