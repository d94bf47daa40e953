"""What was measured in many runs, as columns: a million runs fit, where as `Run`s they would not."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, select

from fxd.store.database import Database
from fxd.store.records import EngineName, Environment
from fxd.store.runs import NEWEST_FIRST, load_environments
from fxd.store.tables import results, runs

ENGINES: tuple[EngineName, ...] = ("dsp", "tcn")
ROWS_AT_A_TIME = 10_000
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
        with numbers for the contents; `with_file_keys`: with numbers for the files. Reads in pieces; memory grows
        with the columns only.
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
        with self.read() as connection:
            rows = connection.execution_options(yield_per=ROWS_AT_A_TIME).execute(
                query(wanted, since, last, list(fill))
            )
            for part in rows.partitions():
                append(found, part, wanted, list(fill.values()))
            found.environments = load_environments(connection, set(found.environment))
        return found


def query(
    wanted: Sequence[tuple[EngineName, str]], since: datetime | None, last: int | None, texts: Sequence[str]
) -> Select[Any]:
    """In the order in which `append` takes a row apart."""
    # Not `= "done"`: for that SQLite takes the index of the states, and sorts a million runs for the newest ten.
    chosen = select(runs).where(runs.c.state != "failed")
    if since is not None:
        chosen = chosen.where(runs.c.finished_at >= since)
    if last is not None:
        chosen = chosen.order_by(*NEWEST_FIRST).limit(last)
    run = chosen.subquery()
    by_engine = {name: results.alias(name) for name in ENGINES}
    columns = [run.c[name] for name in ("finished_at", "frames", "sample_rate", "channels", "warm_up")]
    columns += [run.c.environment_id, *(by_engine[name].c.version for name in ENGINES)]
    columns += [by_engine[engine].c[measure] for engine, measure in wanted]
    columns += [run.c[name] for name in texts]
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
    for fills, column in zip(texts, columns[last:], strict=True):
        for fill in fills:
            fill(column)
