"""Runs as rows of a spreadsheet: one a run, with a column for each engine and measure."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from fxd.insight.heard import Heard
from fxd.insight.spreadsheet import Cell, write_csv
from fxd.insight.stats import Series, run_json
from fxd.store.records import Run

OF_THE_RUN = (
    "id",
    "file",
    "sha256",
    "state",
    "reason",
    "received_at",
    "finished_at",
    "seconds",
    "sample_rate",
    "channels",
    "frames",
    "bytes",
    "queue_seconds",
    "total_seconds",
    "warm_up",
)
OF_THE_ENVIRONMENT = ("host", "cpu", "cores", "threads", "python", "fxd")
WHAT_HEARD_IS = {Heard.YES: True, Heard.NO: False, Heard.UNKNOWN: None}


def write_runs(output: TextIO, runs: Iterable[tuple[Run, Heard]], series: Sequence[Series]) -> None:
    """Write runs with what their models had heard, in the order given."""
    versions = list(dict.fromkeys(engine for engine, _ in series))
    columns = [f"{engine}_version" for engine in versions] + [
        f"{engine}_{measure}" for engine, measure in series
    ]
    write_csv(output, [*OF_THE_RUN, "heard", *OF_THE_ENVIRONMENT, *columns], rows(runs, series, versions))


def rows(
    runs: Iterable[tuple[Run, Heard]], series: Sequence[Series], versions: Sequence[str]
) -> Iterator[list[Cell]]:
    for run, heard in runs:
        told = run_json(run)
        own = [told[name] for name in OF_THE_RUN]
        environment = [told["environment"][name] for name in OF_THE_ENVIRONMENT]
        results = told["results"]
        found = [results.get(engine, {}).get("version") for engine in versions]
        found += [results.get(engine, {}).get(measure) for engine, measure in series]
        yield [*own, WHAT_HEARD_IS[heard], *environment, *found]
