"""The runs of a window as NumPy columns, a million of them if need be: what was measured, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fxd.insight.heard import Heard, heard_rows
from fxd.local_time import utc
from fxd.store.measurements import Measurements
from fxd.store.records import EngineName, Environment
from fxd.store.store import Store

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

FLOOR_DB = -200.0
"""What is nearer than this is no nearer: an error of zero has no decibels to draw."""
LEAST_SECONDS = 1.0
"""What a shorter sound takes is the start of things, not its length: it is in no figure of speed."""
MEASURES: tuple[tuple[EngineName, str], ...] = (
    ("dsp", "engine_seconds"),
    ("tcn", "engine_seconds"),
    ("tcn", "esr_db"),
)


@dataclass(frozen=True)
class Machine:
    """What timings may be compared within."""

    host: str
    cpu: str
    cores: int
    threads: int

    @classmethod
    def of(cls, environment: Environment) -> Machine:
        return cls(environment.host, environment.cpu, environment.cores, environment.threads)


@dataclass
class Logbook:
    """Columns of runs that are done, oldest first: the same row of each is the same run."""

    at: Floats
    """Seconds since 1970, UTC."""
    esr_db: Floats
    """nan where there is none."""
    channels: npt.NDArray[np.int32]
    sample_rate: npt.NDArray[np.int32]
    x_realtime: dict[EngineName, Floats]
    """nan where the engine did not run, the sound is shorter than LEAST_SECONDS, or the worker was cold (unless
    all were)."""
    counts_cold: bool
    """Whether they were."""
    file: npt.NDArray[np.int64]
    content: npt.NDArray[np.int64]
    """Keys, `fxd.store.measurements.text_key`."""
    model: npt.NDArray[np.int32]
    models: list[str]
    """Ids; `model` counts them, -1 is none."""
    settings: npt.NDArray[np.int32]
    settings_hashes: list[str]
    environment: npt.NDArray[np.int32]
    environments: dict[int, Environment]
    heard: npt.NDArray[np.int8]
    """Whether the model that served had been trained on this sound, `Heard`: its error says little there."""

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def sound(self) -> npt.NDArray[np.int64]:
        """Keys of the sounds: of the content, whatever it was called; of the file where nobody recorded that."""
        return np.where(self.content != 0, self.content, self.file)

    @property
    def new(self) -> Mask:
        """The rows of sounds of which it is known that their model never heard them."""
        return np.asarray(self.heard == Heard.NO)

    @cached_property
    def as_now(self) -> Mask:
        """The rows of the model and the saturator settings of the newest run that had a model."""
        with_model = np.flatnonzero(self.model >= 0)
        if not len(with_model):
            return np.ones(len(self), np.bool_)
        newest = with_model[-1]
        return np.asarray((self.model == self.model[newest]) & (self.settings == self.settings[newest]))

    @property
    def machine(self) -> Machine | None:
        """The machine of the newest run."""
        return Machine.of(self.environments[int(self.environment[-1])]) if len(self) else None

    def on(self, machine: Machine) -> Mask:
        """The rows of one machine."""
        there = np.zeros(len(self), np.bool_)
        for key, found in self.environments.items():
            if Machine.of(found) == machine:
                there |= self.environment == key
        return there

    def by(self, model_id: str) -> Mask:
        """The rows of one model."""
        code = self.models.index(model_id) if model_id in self.models else -2
        return np.asarray(self.model == code)

    def once(self, rows: Mask) -> Mask:
        """Of `rows` the newest of each sound: one that came a hundred times counts as one that came once."""
        found = np.zeros(len(self), np.bool_)
        found[newest_of_each(self.sound, np.flatnonzero(rows))[0]] = True
        return found

    def time(self, row: int) -> datetime:
        return moment(float(self.at[row]))


def moment(seconds: float) -> datetime:
    """Seconds since 1970 as the store has them: in whole microseconds."""
    return utc(round(seconds * 1e6) / 1e6)


def read_logbook(store: Store, since: datetime | None) -> Logbook:
    """The runs that finished from then on."""
    found = store.measurements(MEASURES, since=since, with_content_keys=True, with_file_keys=True)
    return logbook_of(found, heard_rows(store.trained_on, found))


def logbook_of(found: Measurements, heard: npt.NDArray[np.int8]) -> Logbook:
    warm = np.frombuffer(found.warm_up, np.int8) == 0 if len(found) else np.zeros(0, np.bool_)
    seconds = column(found.seconds, np.float64)
    speeds = {
        engine: speed(seconds, column(found.value[engine, "engine_seconds"], np.float64))
        for engine in found.version
    }
    timed = np.any([np.isfinite(values) for values in speeds.values()], axis=0)
    counts_cold = bool(timed.any() and not (timed & warm).any())
    return Logbook(
        at=column(found.finished_at, np.float64),
        esr_db=np.maximum(column(found.value["tcn", "esr_db"], np.float64), FLOOR_DB),
        channels=column(found.channels, np.int32),
        sample_rate=column(found.sample_rate, np.int32),
        x_realtime={
            engine: values if counts_cold else np.where(warm, values, np.nan)
            for engine, values in speeds.items()
        },
        counts_cold=counts_cold,
        file=column(found.file_key, np.int64),
        content=column(found.content_key, np.int64),
        model=column(found.version["tcn"].codes, np.int32),
        models=found.version["tcn"].texts,
        settings=column(found.version["dsp"].codes, np.int32),
        settings_hashes=found.version["dsp"].texts,
        environment=column(found.environment, np.int32),
        environments=found.environments,
        heard=heard,
    )


def column(values: Any, kind: Any) -> npt.NDArray[Any]:
    return np.frombuffer(values, kind) if len(values) else np.zeros(0, kind)


def speed(seconds: Floats, engine_seconds: Floats) -> Floats:
    """Times faster than real time; nan where the sound is too short to tell."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = seconds / engine_seconds
    found[~np.isfinite(found) | (found <= 0) | (seconds < LEAST_SECONDS)] = np.nan
    return found


def newest_of_each(keys: npt.NDArray[np.int64], rows: Rows) -> tuple[Rows, npt.NDArray[np.intp]]:
    """Of `rows`, oldest first, the newest of each key, and how many of `rows` have that key."""
    _, first, count = np.unique(keys[rows][::-1], return_index=True, return_counts=True)
    return rows[len(rows) - 1 - first], count
