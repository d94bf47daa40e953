"""What many runs say together, whether they are listed one by one or are too many for that."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from fxd.insight.machines import Machine, machine_of
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
class Span:
    """What runs that are told together differ in."""

    models: int
    settings: int
    """Of the saturator."""
    machines: Collection[Machine]
    """That they were timed on."""


@dataclass(frozen=True)
class Together:
    """What many runs say together, those that are not listed one by one among them."""

    figures: Mapping[EngineName, Mapping[str, Summary]]
    courses: Mapping[Series, Sequence[float]]
    """The values of each measure, oldest first."""
    done: int
    failed: int
    span: Span


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
    return Together(summaries(runs), courses, len(done), len(runs) - len(done), span_of(runs))


def span_of(runs: Sequence[Run]) -> Span:
    """The same of runs that are listed."""
    versions = {(result.engine, result.version) for run in runs for result in run.results}
    engines = [engine for engine, _ in versions]
    timed = warmed([run for run in runs if run.state == "done"])
    machines = {machine_of(run.environment) for run in timed}
    return Span(engines.count("tcn"), engines.count("dsp"), machines)


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
    models, settings = (len(set(measured.version[engine].codes) - {-1}) for engine in ("tcn", "dsp"))
    timed = np.unique(np.asarray(measured.environment)[counted]).tolist()
    span = Span(models, settings, {machine_of(measured.environments[key]) for key in timed})
    return Together(summaries_of(measured), courses, len(measured), failed, span)
