"""A log of runs that were never made: what `fxd stats` is asked of, and the command as a script runs it."""

import json
import math
import uuid
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fxd.cli import run as fxd_run
from fxd.config import load_settings
from fxd.home import make_home
from fxd.insight.bench.extent import Extent
from fxd.store.records import Bench, Environment, Model, Quality, Result, Run
from fxd.store.store import open_store

MONDAY = datetime(2026, 3, 2, tzinfo=UTC)
STUDIO = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {"numpy": "2.4.6"})
LAPTOP = Environment("laptop", "M4", 8, 1, "3.11.7", "0.2.0", {"numpy": "2.4.6"})
COMPACT, STANDARD = "20260201-000000-compact-02bf", "20260301-000000-standard-a67e"
SECONDS = 5.0
WHOLE = Extent()


@dataclass
class Log:
    """A home whose log holds what a test puts into it."""

    root: Path
    capsys: pytest.CaptureFixture[str]
    runs: list[Run] = field(default_factory=list)
    recorded: int = 0

    def __post_init__(self) -> None:
        self.url = load_settings(self.root).database_url

    def model(self, id: str, trained_on: list[str] | None = None) -> None:
        details = {} if trained_on is None else {"trained_on": trained_on}
        facts = ("preset", 48_000, "5a77", None, "trained", 600.0, 4_700, 3_098, -35.2, "", details)
        with open_store(self.url) as store:
            store.add_model(Model(id, MONDAY, *facts))

    def bench(
        self,
        environment: Environment,
        peak: float,
        day: float = 0.0,
        extent: Extent = WHOLE,
        load: float = 0.0,
    ) -> None:
        peaks = {"peak_multiply_adds": {"median": peak}}
        document = {"settings": asdict(extent), "load_before": load, **peaks}
        with open_store(self.url) as store:
            store.add_bench(
                Bench(str(uuid.uuid4()), MONDAY + timedelta(days=day), environment, "5a77", "0.1.0", document)
            )

    def add(
        self,
        content: str | None = "c0",
        esr_db: float = -40.0,
        tcn_x: float = 50.0,
        dsp_x: float = 500.0,
        *,
        model: str | None = COMPACT,
        day: float = 0.0,
        on: Environment = STUDIO,
        **fields: Any,
    ) -> None:
        """A run of five seconds of sound; `fields` are others of a `Run`, `settings` the version of the dsp."""
        at, key = MONDAY + timedelta(days=day, seconds=len(self.runs)), str(uuid.uuid4())
        rest = {"output_bytes": 1, "peak_dbfs": 0.0, "clipped_frames": 0, "loudness_lufs": -14.0}
        settings = fields.pop("settings", "5a77")
        quality = Quality(10 ** (esr_db / 10), esr_db, 0.001, -esr_db, 0.1)
        results = [Result("dsp", settings, SECONDS / dsp_x, SECONDS / dsp_x, "a.dsp.wav", **rest)]
        if model is not None:
            took = SECONDS / tcn_x
            results.append(Result("tcn", model, took, took, "a.tcn.wav", **rest, quality=quality))
        values = {
            "id": key,
            "file": f"{content}.wav",
            "sha256": "ab" * 32,
            "state": "done",
            "reason": "",
            "received_at": at,
            "finished_at": at,
            "sample_rate": 44_100,
            "channels": 1,
            "frames": int(SECONDS * fields.get("sample_rate", 44_100)),
            "bytes": 8,
            "queue_seconds": 0.1,
            "total_seconds": 1.0,
            "environment": on,
            "results": tuple(results),
            "content_sha256": content,
        }
        self.runs.append(Run(**(values | fields)))

    def fail(self, count: int, reason: str = "it is not audio") -> None:
        for number in range(count):
            nothing = {"results": (), "sample_rate": 0, "frames": 0}
            self.add(None, file=f"bad {number}.wav", state="failed", reason=reason, **nothing)

    def record(self) -> None:
        """Write the runs added so far into the store."""
        if fresh := self.runs[self.recorded :]:
            with open_store(self.url) as store:
                store.record_runs([(one, None) for one in fresh])
            self.recorded = len(self.runs)

    def ask(self, *arguments: str, code: int = 0) -> str:
        """What `fxd stats` prints, of what went wrong where it did; the runs added so far are recorded before."""
        self.record()
        self.capsys.readouterr()
        assert fxd_run(["--home", str(self.root), "stats", *arguments]) == code
        printed = self.capsys.readouterr()
        return printed.out if code == 0 else printed.err

    def json(self, *arguments: str) -> Any:
        return json.loads(self.ask(*arguments, "--json"), parse_constant=refuse)


def empty_home(root: Path) -> Path:
    """A new home with an empty log: to copy it takes less time than to make its tables."""
    make_home(root)
    with open_store(load_settings(root).database_url):
        return root


def refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def line_of(text: str, *words: str) -> str:
    """The one line that has all of these words in it, its spaces made one."""
    (line,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return " ".join(line.split())


NAN, INF = math.nan, math.inf
