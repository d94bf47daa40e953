"""What the runs say, in numbers: the object that `fxd stats --json` prints."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from fxd.bootstrap import COUNTED, FEWEST, median_interval, percentiles
from fxd.store.records import EngineName, Result, Run

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fxd.store.measurements import Measurements

Series = tuple[EngineName, str]
"""An engine and one of its measures."""

COST = (
    "engine_seconds",
    "cpu_seconds",
    "rtf",
    "x_realtime",
    "output_bytes",
    "peak_dbfs",
    "clipped_frames",
    "loudness_lufs",
)
TIMING = frozenset(("engine_seconds", "cpu_seconds", "rtf", "x_realtime"))
QUALITY = ("esr", "esr_db", "mae", "si_sdr_db", "mrstft")
MEASURES: dict[EngineName, tuple[str, ...]] = {"dsp": COST, "tcn": COST + QUALITY}
"""What is known of every engine; quality is measured against the dsp, so the dsp has none."""

EVERY_SERIES: tuple[Series, ...] = tuple(
    (engine, measure) for engine, measures in MEASURES.items() for measure in measures
)
DERIVED = {"rtf": "engine_seconds", "x_realtime": "engine_seconds"}
"""Measures that are not kept, and what they are made of."""

NO_RUNS = "No runs yet. Drop an audio file into the inbox while `fxd start` runs."


@dataclass(frozen=True)
class Summary:
    """One measure over many runs; None where there are too few values for it."""

    n: int
    mean: float | None = None
    std: float | None = None
    """Of a sample: over n - 1, from two values on."""
    median: float | None = None
    p95: float | None = None
    p99: float | None = None
    min: float | None = None
    max: float | None = None
    ci95: tuple[float | None, float | None] = (None, None)
    """The bootstrap's interval of the median, from two values on; 95 % sure it is from FEWEST on, `interval`."""

    @property
    def interval(self) -> tuple[float, float] | None:
        """Where the median lies with 95 % confidence; None where they are too few to say so."""
        low, high = self.ci95
        return None if low is None or high is None or self.n < FEWEST else (low, high)


def stats_json(runs: Sequence[Run]) -> dict[str, Any]:
    """`{"runs": [...], "summary": {"dsp": {...}, "tcn": {...}}}`, the runs in the order given.

    Only what JSON knows is in it: a number that does not exist, or is infinite, is None.
    """
    return {"runs": [run_json(run) for run in runs], "summary": summary_json(summaries(runs))}


def summary_json(figures: Mapping[EngineName, Mapping[str, Summary]]) -> dict[str, Any]:
    """The part of the object that says what the runs say together."""
    return {
        engine: {measure: figure_json(value) for measure, value in measures.items()}
        for engine, measures in figures.items()
    }


def figure_json(value: Summary) -> dict[str, Any]:
    return {**asdict(value), "ci95": list(value.ci95)}


def summaries(runs: Sequence[Run]) -> dict[EngineName, dict[str, Summary]]:
    """Every measure of every engine over the runs that were done; with n = 0 where it has no value.

    What a cold worker took is left out of the timing, unless there is nothing else.
    """
    done = [run for run in runs if run.state == "done"]
    every, warm = described(done), described(warmed(done))
    return {
        engine: {
            measure: summarise(
                [
                    values[measure]
                    for values in (warm if measure in TIMING else every)[engine]
                    if values[measure] is not None
                ]
            )
            for measure in measures
        }
        for engine, measures in MEASURES.items()
    }


def warmed(runs: Sequence[Run]) -> Sequence[Run]:
    """Those of `runs` whose timing counts: not those of a cold worker, unless there are no others."""
    return [run for run in runs if not run.warm_up] or runs


def columns_of(series: Iterable[Series]) -> list[Series]:
    """The columns of `Measurements` that these measures are made of."""
    return [(engine, DERIVED.get(measure, measure)) for engine, measure in series]


def values_of(measured: Measurements, series: Series) -> NDArray[np.float64]:
    """One measure of every row, [rows]; nan where it is no finite number, as the contract leaves these out."""
    import numpy as np

    engine, measure = series
    values = np.array(measured.value[engine, DERIVED.get(measure, measure)], np.float64)
    if measure in DERIVED:
        seconds = np.asarray(measured.seconds)
        with np.errstate(divide="ignore", invalid="ignore"):
            values = seconds / values if measure == "x_realtime" else values / seconds
    values[~np.isfinite(values)] = np.nan
    return values


def summaries_of(measured: Measurements) -> dict[EngineName, dict[str, Summary]]:
    """What `summaries` says, of more runs than could be held one by one; `measured` has every column."""
    import numpy as np

    warm = np.asarray(measured.warm_up) == 0
    counted = warm if warm.any() else ~warm
    found: dict[EngineName, dict[str, Summary]] = {}
    for engine, measures in MEASURES.items():
        found[engine] = {}
        for measure in measures:
            values = values_of(measured, (engine, measure))
            values = values[counted] if measure in TIMING else values
            found[engine][measure] = summarise(values[~np.isnan(values)])
    return found


def described(runs: Sequence[Run]) -> dict[EngineName, list[dict[str, Any]]]:
    """The results of each engine in `runs`."""
    found: dict[EngineName, list[dict[str, Any]]] = {engine: [] for engine in MEASURES}
    for run in runs:
        for result in run.results:
            found[result.engine].append(result_json(result, run.seconds))
    return found


def run_json(run: Run) -> dict[str, Any]:
    """One run as the contract lists it."""
    return {
        "id": run.id,
        "file": run.file,
        "sha256": run.sha256,
        "state": run.state,
        "reason": run.reason,
        "received_at": iso(run.received_at),
        "finished_at": iso(run.finished_at),
        "seconds": run.seconds,
        "sample_rate": run.sample_rate,
        "channels": run.channels,
        "frames": run.frames,
        "bytes": run.bytes,
        "queue_seconds": number(run.queue_seconds),
        "total_seconds": number(run.total_seconds),
        "warm_up": run.warm_up,
        "environment": asdict(run.environment),
        "results": {result.engine: result_json(result, run.seconds) for result in run.results},
    }


def result_json(result: Result, seconds: float) -> dict[str, Any]:
    """What one engine did with a file of this length, as the contract lists it."""
    described = {
        "engine_seconds": number(result.engine_seconds),
        "cpu_seconds": number(result.cpu_seconds),
        "rtf": ratio(result.engine_seconds, seconds),
        "x_realtime": ratio(seconds, result.engine_seconds),
        "output": result.output,
        "output_bytes": result.output_bytes,
        "peak_dbfs": number(result.peak_dbfs),
        "clipped_frames": result.clipped_frames,
        "loudness_lufs": number(result.loudness_lufs),
        "version": result.version,
    }
    if result.engine == "tcn":
        described |= {name: number(getattr(result.quality, name, math.nan)) for name in QUALITY}
    return described


def iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat()


def number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def ratio(numerator: float, denominator: float) -> float | None:
    return number(numerator / denominator) if denominator else None


def summarise(values: Sequence[float] | NDArray[np.float64]) -> Summary:
    """The summary of finite values; percentiles are interpolated linearly between the nearest two."""
    if len(values) == 0:
        return Summary(0)
    if len(values) == 1:
        only = float(values[0])
        return Summary(1, only, None, only, only, only, only, only)
    # What the interval needs no NumPy for needs none here: it takes longer to load than all the rest.
    if len(values) > COUNTED:
        return summarise_many(values)
    ordered = sorted(map(float, values))
    mean = math.fsum(ordered) / len(ordered)
    return summary_of(ordered, mean, math.dist(ordered, [mean] * len(ordered)))


def summarise_many(values: Sequence[float] | NDArray[np.float64]) -> Summary:
    import numpy as np

    ordered = np.sort(np.asarray(values, np.float64))
    mean = float(ordered.mean())
    return summary_of(ordered, mean, float(np.linalg.norm(ordered - mean)))


def summary_of(ordered: Sequence[float] | NDArray[np.float64], mean: float, distance: float) -> Summary:
    """The summary of sorted values, two or more; `distance` is that of all of them from the mean."""
    median, p95, p99 = percentiles(ordered, (50, 95, 99))
    return Summary(
        n=len(ordered),
        mean=mean,
        # Of equal values it is 0, not what rounding leaves of it.
        std=distance / math.sqrt(len(ordered) - 1) if ordered[0] < ordered[-1] else 0.0,
        median=median,
        p95=p95,
        p99=p99,
        min=float(ordered[0]),
        max=float(ordered[-1]),
        ci95=median_interval(ordered),
    )
