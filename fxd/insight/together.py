"""What many runs say together, whether they are listed one by one or are too many for that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fxd.insight.sparkline import course_of
from fxd.insight.stats import (
    EVERY_SERIES,
    MEASURES,
    TIMING,
    Series,
    Summary,
    described,
    summaries,
    summaries_of,
    values_of,
    warmed,
)
from fxd.store.measurements import Measurements
from fxd.store.records import EngineName, Run


@dataclass(frozen=True)
class Together:
    """What many runs say together, those that are not listed one by one among them."""

    figures: Mapping[EngineName, Mapping[str, Summary]]
    courses: Mapping[Series, Sequence[float]]
    """The values of each measure, oldest first."""
    done: int
    failed: int


def together(runs: Sequence[Run]) -> Together:
    """The same of runs that are listed, given newest first."""
    done = [run for run in reversed(runs) if run.state == "done"]
    courses: dict[Series, list[float]] = {
        (engine, measure): [values[measure] for values in found if values[measure] is not None]
        for timed, found_of in ((True, described(warmed(done))), (False, described(done)))
        for engine, found in found_of.items()
        for measure in MEASURES[engine]
        if (measure in TIMING) == timed
    }
    return Together(summaries(runs), courses, len(done), len(runs) - len(done))


def together_of(measured: Measurements, failed: int) -> Together:
    """The same of more runs than could be held one by one; `measured` has every column."""
    import numpy as np

    warm = np.asarray(measured.warm_up) == 0
    counted = warm if warm.any() else ~warm
    courses = {}
    for engine, measure in EVERY_SERIES:
        values = values_of(measured, (engine, measure))
        values = values[counted & ~np.isnan(values)] if measure in TIMING else values[~np.isnan(values)]
        courses[engine, measure] = course_of(values)
    return Together(summaries_of(measured), courses, len(measured), failed)
