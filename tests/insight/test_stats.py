import copy
import json
import math
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fxd.insight.stats import Summary, stats_json, summaries, summarise
from fxd.store.records import Quality, Result, Run

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]
SCHEMA = json.loads((Path(__file__).parents[1] / "stats.schema.json").read_text())


def checked(runs: Sequence[Run]) -> dict[str, Any]:
    """What a script reads from `fxd stats --json`, checked against the contract."""
    document: dict[str, Any] = json.loads(json.dumps(stats_json(runs), allow_nan=False))
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    return document


def test_a_run_is_told_as_the_contract_says(make_run: MakeRun) -> None:
    run = make_run()
    told = checked([run])["runs"][0]
    assert told == {
        "id": run.id,
        "file": "sub/riff.wav",
        "sha256": "ab" * 32,
        "state": "done",
        "reason": "",
        "received_at": "2026-03-01T00:00:00+00:00",
        "finished_at": "2026-03-01T00:00:01.500000+00:00",
        "seconds": 5.0,
        "sample_rate": 44_100,
        "channels": 2,
        "frames": 220_500,
        "bytes": 882_044,
        "queue_seconds": 0.5,
        "total_seconds": 1.5,
        "warm_up": False,
        "environment": {
            "host": "studio",
            "cpu": "Zen 4",
            "cores": 2,
            "threads": 2,
            "python": "3.11.7",
            "fxd": "0.1.0",
            "libraries": {"numpy": "2.4.6"},
        },
        "results": {
            "dsp": {
                "engine_seconds": 0.25,
                "cpu_seconds": 0.24,
                "rtf": 0.05,
                "x_realtime": 20.0,
                "output": "sub/riff.dsp.wav",
                "output_bytes": 1_764_044,
                "peak_dbfs": 2.3,
                "clipped_frames": 0,
                "loudness_lufs": -14.0,
                "version": "5a77",
            },
            "tcn": {
                "engine_seconds": 0.25,
                "cpu_seconds": 0.24,
                "rtf": 0.05,
                "x_realtime": 20.0,
                "output": "sub/riff.tcn.wav",
                "output_bytes": 1_764_044,
                "peak_dbfs": 2.3,
                "clipped_frames": 0,
                "loudness_lufs": -14.0,
                "version": "20260301-000000-compact-ab12",
                "esr": 3e-4,
                "esr_db": -35.2,
                "mae": 0.002,
                "si_sdr_db": 35.1,
                "mrstft": 0.21,
            },
        },
    }


def test_no_runs_are_a_valid_answer() -> None:
    document = checked([])
    assert document["runs"] == []
    assert document["summary"]["tcn"]["esr_db"] == {
        "n": 0,
        "mean": None,
        "std": None,
        "median": None,
        "p95": None,
        "p99": None,
        "min": None,
        "max": None,
        "ci95": [None, None],
    }


def test_runs_are_told_in_the_order_given(make_run: MakeRun) -> None:
    assert [run["file"] for run in checked([make_run("b"), make_run("c"), make_run("a")])["runs"]] == [
        "b",
        "c",
        "a",
    ]


def test_a_failed_run_is_told_but_not_counted(
    make_run: MakeRun, failed_run: Run, make_result: MakeResult
) -> None:
    # It may have got as far as a result, which then says nothing about the engine.
    half = make_run(
        state="failed", reason="the disk went away", results=(make_result("dsp", engine_seconds=99.0),)
    )
    document = checked([failed_run, make_run(), half])
    assert [run["state"] for run in document["runs"]] == ["failed", "done", "failed"]
    assert document["runs"][0]["results"] == {}
    assert document["runs"][0]["reason"] == failed_run.reason
    assert document["runs"][0]["seconds"] == 0.0
    assert document["summary"]["dsp"]["engine_seconds"]["n"] == 1
    assert document["summary"]["dsp"]["engine_seconds"]["max"] == 0.25


def test_numbers_that_do_not_exist_are_null_and_not_counted(
    make_run: MakeRun, make_result: MakeResult
) -> None:
    silent = make_run(
        results=(
            make_result("dsp", peak_dbfs=-math.inf, loudness_lufs=math.nan),
            make_result("tcn", quality=Quality(math.nan, -math.inf, 0.0, math.inf, math.nan)),
        )
    )
    document = checked([silent, make_run()])
    told = document["runs"][0]["results"]
    assert (told["dsp"]["peak_dbfs"], told["dsp"]["loudness_lufs"]) == (None, None)
    assert [told["tcn"][name] for name in ("esr", "esr_db", "mae", "si_sdr_db", "mrstft")] == [
        None,
        None,
        0.0,
        None,
        None,
    ]
    summary = document["summary"]
    assert (summary["dsp"]["peak_dbfs"]["n"], summary["dsp"]["peak_dbfs"]["mean"]) == (1, 2.3)
    assert (summary["tcn"]["esr_db"]["n"], summary["tcn"]["mae"]["n"]) == (1, 2)


def test_a_file_of_no_length_or_an_unmeasured_time_has_no_pace(
    make_run: MakeRun, make_result: MakeResult
) -> None:
    empty = make_run(frames=0)
    unmeasured = make_run(results=(make_result("dsp", engine_seconds=0.0), make_result("tcn")))
    told = [run["results"]["dsp"] for run in checked([empty, unmeasured])["runs"]]
    assert [(result["rtf"], result["x_realtime"]) for result in told] == [(None, 0.0), (0.0, None)]


def test_a_result_that_was_not_compared_has_no_quality(make_run: MakeRun, make_result: MakeResult) -> None:
    document = checked([make_run(results=(make_result("dsp"), make_result("tcn", quality=None)))])
    assert document["runs"][0]["results"]["tcn"]["esr_db"] is None
    assert document["summary"]["tcn"]["esr"]["n"] == 0


def test_times_are_told_in_utc(make_run: MakeRun) -> None:
    at = datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert checked([make_run(received_at=at)])["runs"][0]["received_at"] == "2026-02-28T23:30:00+00:00"


def test_the_schema_admits_nothing_else(make_run: MakeRun) -> None:
    document = checked([make_run()])
    run = document["runs"][0]
    places = [
        document,
        run,
        run["environment"],
        run["results"],
        run["results"]["dsp"],
        document["summary"]["tcn"],
    ]
    for place in [*places, document["summary"]["dsp"]["rtf"]]:
        before = copy.copy(place)
        place["surprise"] = 1
        with pytest.raises(jsonschema.ValidationError, match="surprise"):
            jsonschema.validate(document, SCHEMA)
        del place["surprise"]
        assert place == before


def test_a_summary_says_where_the_values_lie(make_run: MakeRun, make_result: MakeResult) -> None:
    runs = [
        make_run(results=(make_result("dsp", engine_seconds=seconds), make_result("tcn")))
        for seconds in (3.0, 1.0, 2.0, 5.0, 4.0)
    ]
    summary = summaries(runs)["dsp"]["engine_seconds"]
    assert (summary.n, summary.min, summary.max, summary.median, summary.mean) == (5, 1.0, 5.0, 3.0, 3.0)
    assert summary.std == pytest.approx(math.sqrt(2.5))
    assert summary.p95 == pytest.approx(4.8)
    assert summary.p99 == pytest.approx(4.96)


def test_what_a_cold_worker_took_is_left_out_of_the_timing_unless_there_is_nothing_else(
    make_run: MakeRun, make_result: MakeResult
) -> None:
    cold = make_run(results=(make_result("dsp", engine_seconds=1.0), make_result("tcn")), warm_up=True)
    both = summaries([cold, make_run(), make_run()])
    assert (both["dsp"]["engine_seconds"].n, both["dsp"]["engine_seconds"].max) == (2, 0.25)
    assert (both["tcn"]["x_realtime"].n, both["tcn"]["esr_db"].n, both["dsp"]["peak_dbfs"].n) == (2, 3, 3)
    alone = summaries([cold])
    assert (alone["dsp"]["engine_seconds"].n, alone["dsp"]["engine_seconds"].max) == (1, 1.0)


def test_one_value_has_no_spread_and_no_interval() -> None:
    assert summarise([7.0]) == Summary(1, 7.0, None, 7.0, 7.0, 7.0, 7.0, 7.0, (None, None))


def test_equal_values_have_no_spread() -> None:
    assert summarise([0.1] * 7).std == 0.0


@given(st.lists(st.floats(-1e12, 1e12), min_size=2, max_size=40))
def test_the_interval_lies_among_the_values_and_depends_on_nothing_else(values: list[float]) -> None:
    summary = summarise(values)
    low, high = summary.ci95
    assert low is not None
    assert high is not None
    assert min(values) <= low <= high <= max(values)
    assert summarise(values[::-1]).ci95 == summary.ci95
