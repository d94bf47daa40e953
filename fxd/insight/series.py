"""Which series are watched for changes, and how values of different sounds are made comparable.

*Quality* is watched over the whole home: the same sound through the same versions has the same error
anywhere. Sounds differ by 30 dB in ESR, a hundred times what a training brings, so there are two series of
each measure:

- `on known sounds`: of sounds that came more than once, each compared with itself alone. What remains is what
  fxd, its model or its settings changed. A sound counts as another one once the model has trained on it: its
  error is lower then, and that is no better imitation.
- `on new sounds`: of each sound the first time, not yet trained on, as it is. Only here is heard what a home
  of ever new sounds hears; but it may be the sounds that changed. As the same versions give the same error
  for the same sound, it is certain that they did where nothing else did, and then that is what is said
  (`fxd.insight.events`).

*Cost* is watched for each host alone, as times faster than real time (what people wait for) and as processor
time for a second of sound (the work, whoever shared the machine). Left out are sounds of less than a second,
which measure the start of things, and runs of cold workers. Two channels take twice the time of one, other
rates are resampled, and long sounds waste less: sounds are compared with those of their number of channels,
sample rate and length (of four times the length at most).

To compare with itself is to take the median of all values of its kind away, and to add that of all kinds: a
kind from one side of a change only then tells nothing of it, as it should. Queue times are not watched: they
tell how many files were dropped at once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from fxd.insight.changes import Difference, difference
from fxd.insight.energy import SEGMENT, Values
from fxd.insight.heard import Heard, TrainedOn, heard_rows
from fxd.store.measurements import Measurements
from fxd.store.records import EngineName

Rows = npt.NDArray[np.intp]
Kinds = npt.NDArray[np.intp]

COLUMNS: tuple[tuple[EngineName, str], ...] = (
    ("dsp", "engine_seconds"),
    ("dsp", "cpu_seconds"),
    ("tcn", "engine_seconds"),
    ("tcn", "cpu_seconds"),
    ("tcn", "esr_db"),
    ("tcn", "mrstft"),
)
"""What `series_of` needs of a log, with ids, files and content keys."""

LEAST_SECONDS = 1.0
LEAST_DECIBELS = 0.5
LEAST_RATIO = 1.05
"""Changes of less matter to nobody: of half a dB, and of 5 % of all that is no level in dB."""
KNOWN, NEW = "known sounds", "new sounds"


@dataclass(frozen=True)
class Series:
    """One measure of one engine, somewhere, in the order of time."""

    engine: EngineName
    measure: str
    """`x_realtime`, `cpu_per_second`, `esr_db` or `mrstft`."""
    where: str
    """A host, or of which sounds."""
    rows: Rows
    """Of the measurements, [n]."""
    raw: Values
    """As measured; logarithms of all but dB, so that differences are what is compared, [n]."""
    kinds: Kinds
    """Values of the same kind are comparable as they are, [n]."""

    @property
    def name(self) -> str:
        """As changes are remembered by."""
        return f"{self.engine} {self.measure} on {self.where}"

    @property
    def is_ratio(self) -> bool:
        return not self.measure.endswith("_db")

    @property
    def floor(self) -> float:
        """The least difference of `raw` that matters."""
        return float(np.log(LEAST_RATIO)) if self.is_ratio else LEAST_DECIBELS

    @cached_property
    def values(self) -> Values:
        """`raw` where there are no kinds; else each compared with its kind, on the level of all."""
        return self.raw - medians(self.raw, self.kinds)[self.kinds] + float(np.median(self.raw))

    def in_units(self, value: float) -> float:
        """A value of `raw` as it was measured."""
        return float(np.exp(value)) if self.is_ratio else value

    def step(self, before: slice, after: slice) -> Difference:
        """The difference between two stretches, in the units of the measure.

        Of the kinds that are on both sides, where these are values enough: every value less the median that
        its kind had before. Where they are not, `values` are compared as they are.
        """
        both = np.intersect1d(self.kinds[before], self.kinds[after])
        old, new = np.isin(self.kinds[before], both), np.isin(self.kinds[after], both)
        if min(old.sum(), new.sum()) < SEGMENT:
            return self.told(difference(self.values[before], self.values[after]), 0.0)
        values, kinds = self.raw[before][old], self.kinds[before][old]
        was = medians(values, kinds, int(self.kinds.max()) + 1)
        late, late_kinds = self.raw[after][new], self.kinds[after][new]
        return self.told(difference(values - was[kinds], late - was[late_kinds]), float(np.median(values)))

    def told(self, found: Difference, level: float) -> Difference:
        """A difference in units, `level` above where it was measured."""
        before = self.in_units(found.before + level)
        after, low, high = (
            self.in_units(found.before + level + way)
            for way in (found.after - found.before, found.low, found.high)
        )
        return Difference(before, after, low - before, high - before)


def medians(values: Values, kinds: Kinds, count: int | None = None) -> Values:
    """The median of each kind, [kinds]; nan for kinds without a value."""
    order = np.lexsort((values, kinds))
    numbers = np.bincount(kinds, minlength=count or 0)
    first = np.cumsum(numbers) - numbers
    found = np.full(len(numbers), np.nan)
    some = numbers > 0
    lower, upper = (first + (numbers - 1) // 2)[some], (first + numbers // 2)[some]
    found[some] = (values[order[lower]] + values[order[upper]]) / 2
    return found


def series_of(measured: Measurements, trained_on: TrainedOn) -> list[Series]:
    """All that can be watched in these runs; `measured` has COLUMNS, ids and content keys."""
    found = [*costs(measured), *qualities(measured, heard_rows(trained_on, measured))]
    return [one for one in found if len(one.rows) >= 2 * SEGMENT]


def costs(measured: Measurements) -> Iterator[Series]:
    """Of each host and engine, what sounds took."""
    seconds = np.asarray(measured.seconds)
    counted = (seconds >= LEAST_SECONDS) & (np.asarray(measured.warm_up) == 0)
    environments = np.asarray(measured.environment)
    hosts = {key: environment.host for key, environment in measured.environments.items()}
    kinds = kinds_of(measured.channels, measured.sample_rate, length_classes(seconds))
    for host in sorted(set(hosts.values())):
        here = counted & np.isin(environments, [key for key, name in hosts.items() if name == host])
        for engine in ("dsp", "tcn"):
            wall, cpu = (np.asarray(measured.value[engine, f"{name}_seconds"]) for name in ("engine", "cpu"))
            for measure, over, under in (("x_realtime", seconds, wall), ("cpu_per_second", cpu, seconds)):
                rows = np.flatnonzero(here & (over > 0) & (under > 0))
                raw = np.log(over[rows]) - np.log(under[rows])
                yield comparable(Series(engine, measure, host, rows, raw, kinds[rows]), SEGMENT)


def length_classes(seconds: Values) -> Kinds:
    """0 for 1 to 4 seconds, 1 for up to 16, and so on."""
    fourfold: Values = np.log(np.maximum(seconds, LEAST_SECONDS)) / np.log(4)
    return np.floor(fourfold).astype(np.intp)


def qualities(measured: Measurements, heard: npt.NDArray[np.int8]) -> Iterator[Series]:
    """How close the tcn was, to known and to new sounds."""
    keys = np.asarray(measured.content_key)
    sounds = kinds_of(keys, heard)
    first = np.zeros(len(keys), bool)
    first[np.unique(keys, return_index=True)[1]] = True
    is_new = (first | (keys == 0)) & (heard != Heard.YES)
    for measure in ("esr_db", "mrstft"):
        values = np.asarray(measured.value["tcn", measure])
        with np.errstate(divide="ignore", invalid="ignore"):
            raw = values if measure == "esr_db" else np.log(values)
        counted = np.isfinite(raw)
        known = np.flatnonzero(counted & (keys != 0))
        yield comparable(Series("tcn", measure, KNOWN, known, raw[known], sounds[known]), 2)
        new = np.flatnonzero(counted & is_new)
        yield Series("tcn", measure, NEW, new, raw[new], np.zeros(len(new), np.intp))


def kinds_of(*columns: Any) -> Kinds:
    """Numbers, from 0, for the combinations in these columns."""
    kinds = np.zeros(len(columns[0]), np.intp)
    for column in columns:
        known, codes = np.unique(np.asarray(column), return_inverse=True)
        kinds = np.unique(kinds * max(1, len(known)) + codes, return_inverse=True)[1]
    return kinds


def comparable(series: Series, least: int) -> Series:
    """Without kinds of fewer than `least` values, which tell little and would seem quiet."""
    numbers = np.bincount(series.kinds, minlength=1)
    kept = numbers[series.kinds] >= least
    kinds = np.unique(series.kinds[kept], return_inverse=True)[1]
    return Series(series.engine, series.measure, series.where, series.rows[kept], series.raw[kept], kinds)
