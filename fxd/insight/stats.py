"""What the runs say, in numbers: the object that `fxd stats --json` prints."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from fxd.store.records import EngineName, Result, Run

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

NO_RUNS = "No runs yet. Drop an audio file into the inbox while `fxd start` runs."

RESAMPLES = 2_000
SEED = 0


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
    """Where the median lies with 95 % confidence, from two values on."""


def stats_json(runs: Sequence[Run]) -> dict[str, Any]:
    """`{"runs": [...], "summary": {"dsp": {...}, "tcn": {...}}}`, the runs in the order given.

    Only what JSON knows is in it: a number that does not exist, or is infinite, is None.
    """
    summary = {
        engine: {measure: {**asdict(value), "ci95": list(value.ci95)} for measure, value in measures.items()}
        for engine, measures in summaries(runs).items()
    }
    return {"runs": [run_json(run) for run in runs], "summary": summary}


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


def summarise(values: Sequence[float]) -> Summary:
    """The summary of finite values; percentiles are interpolated linearly between the nearest two."""
    if not values:
        return Summary(0)
    import numpy as np

    ordered = np.sort(np.array(values, np.float64))
    median, p95, p99 = np.percentile(ordered, (50, 95, 99)).tolist()
    several = len(ordered) > 1
    # Of equal values std is 0, not what rounding leaves of it.
    std = float(ordered.std(ddof=1)) if several and ordered[0] < ordered[-1] else 0.0
    return Summary(
        n=len(ordered),
        mean=float(ordered.mean()),
        std=std if several else None,
        median=median,
        p95=p95,
        p99=p99,
        min=float(ordered[0]),
        max=float(ordered[-1]),
        ci95=median_interval(ordered.tolist()) if several else (None, None),
    )


def median_interval(ordered: Sequence[float]) -> tuple[float, float]:
    """The 95 % percentile-bootstrap interval of the median of sorted values, the same for the same values.

    A resample draws n of the n values with replacement, and its median is that of the positions drawn:

        values      2.0 2.5 3.1 7.0 9.4     n = 5
        positions   1 1 2 4 4               drawn; value[2] = 3.1 is the median of this resample

    Only the middle positions matter, and their distribution is known, so nothing needs to be sorted: the
    k-th smallest of n uniform numbers is Beta(k, n + 1 - k), and given it (u) the next one is
    u + (1 - u) * Beta(1, n - k). A uniform number u stands for position floor(n * u).

    Sources: Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979, section 3 (the median);
    David and Nagaraja, "Order Statistics", 2003, sections 2.1 and 2.5.
    """
    import numpy as np

    n, values, rng = len(ordered), np.asarray(ordered), np.random.default_rng(SEED)
    k = (n + 1) // 2
    lower = upper = rng.beta(k, n + 1 - k, RESAMPLES)
    if n % 2 == 0:
        upper = lower + (1 - lower) * rng.beta(1, n - k, RESAMPLES)
    positions = np.minimum((n * np.stack((lower, upper))).astype(int), n - 1)
    low, high = np.percentile(values[positions].mean(axis=0), (2.5, 97.5)).tolist()
    return low, high
