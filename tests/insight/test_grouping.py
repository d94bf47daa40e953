"""`fxd stats --by`."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from logs import COMPACT, INF, LAPTOP, MONDAY, NAN, STANDARD, STUDIO, Log, line_of
from rich.cells import cell_len

from fxd.insight.bench.extent import QUICK, Extent
from fxd.insight.grouping import medians
from fxd.store.records import Environment

SCHEMA = json.loads((Path(__file__).parents[1] / "stats-by.schema.json").read_text())


def groups(log: Log, *arguments: str) -> dict[str, dict]:
    """The groups that `fxd stats --by` tells, by name, in its order; the document is checked."""
    document = log.json("--by", *arguments)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    return {group["group"]: group for group in document["groups"]}


def figure(group: dict, engine: str, measure: str) -> tuple[int, float | None]:
    found = group["figures"][engine][measure]
    return found["n"], found["median"] if found["median"] is None else round(found["median"], 6)


def test_runs_are_told_by_what_they_have_in_common(log: Log) -> None:
    log.model(COMPACT, [])
    log.model(STANDARD, [])
    log.add("a", -30.0, 40.0)
    log.add("b", -40.0, 60.0, day=1, sample_rate=48_000)
    log.add("a", -50.0, 20.0, day=8, model=STANDARD)
    assert list(groups(log, "model")) == [STANDARD, COMPACT]
    by_model = groups(log, "model")[COMPACT]
    assert (by_model["runs"], figure(by_model, "tcn", "esr_db")) == (2, (2, -35.0))
    assert figure(by_model, "tcn", "x_realtime") == (2, 50.0)
    assert figure(by_model, "dsp", "x_realtime") == (2, 500.0)
    assert list(groups(log, "sample-rate")) == ["44100", "48000"]
    assert list(groups(log, "host")) == ["studio"]
    # Midnight in UTC is the evening before in New York, so the first run is of Sunday and of the week before.
    assert list(groups(log, "day")) == ["2026-03-09", "2026-03-02", "2026-03-01"]
    assert list(groups(log, "week")) == ["2026-W11", "2026-W10", "2026-W09"]


def test_files_come_from_the_worst_on_and_those_without_a_figure_last(log: Log) -> None:
    log.model(COMPACT, [])
    for content, esr_db in (
        ("good", -50.0),
        ("silent", NAN),
        ("bad", -10.0),
        ("good", -48.0),
        ("fair", -30.0),
    ):
        log.add(content, esr_db)
    assert list(groups(log, "file")) == ["bad.wav", "fair.wav", "good.wav", "silent.wav"]
    assert figure(groups(log, "file")["good.wav"], "tcn", "esr_db") == (2, -49.0)
    log.add("slow", -60.0, 1.0)
    assert next(iter(groups(log, "file", "--engine", "tcn", "--measure", "x_realtime"))) == "slow.wav"


def test_sounds_that_the_model_of_the_run_trained_on_say_nothing_of_its_quality(log: Log) -> None:
    log.model(COMPACT, ["heard"])
    log.model(STANDARD, ["new"])  # what another model trains on, later, makes a run no better
    log.add("heard", -90.0)
    log.add("new", -40.0)
    group = groups(log, "model")[COMPACT]
    assert (group["runs"], group["heard"]) == (2, 1)
    assert figure(group, "tcn", "esr_db") == (1, -40.0)
    assert figure(group, "tcn", "x_realtime")[0] == 2
    table = log.ask("--by", "model")
    assert line_of(table, "compact-02bf") == "compact-02bf 2 1 -40 50 500"
    assert "left out of quality: 1 run of sounds that their own model had trained on" in " ".join(
        table.split()
    )


def test_models_that_met_other_files_are_not_left_to_be_compared_by_these(log: Log) -> None:
    log.model(COMPACT, [])
    log.model(STANDARD, [])
    log.add("a", -30.0)
    said = "`fxd stats --compare A B` takes the same for both"
    assert said not in " ".join(log.ask("--by", "model").split())
    log.add("b", -40.0, model=STANDARD)
    assert said in " ".join(log.ask("--by", "model").split())
    assert not any(said in note for note in log.json("--by", "model", "--measure", "rtf")["notes"])
    assert not any(said in note for note in log.json("--by", "week")["notes"])


def test_where_all_was_heard_there_is_no_error_to_tell(log: Log) -> None:
    log.model(COMPACT, ["a"])
    log.add("a", -90.0)
    assert figure(groups(log, "week")["2026-W09"], "tcn", "esr_db") == (0, None)


def test_where_nobody_knows_what_a_model_heard_its_runs_count_and_that_is_said(log: Log) -> None:
    log.model(COMPACT, ["a"])
    log.add(None, -30.0)
    log.add("b", -40.0, model=STANDARD)
    found = groups(log, "model")
    assert figure(found[COMPACT], "tcn", "esr_db") == (1, -30.0)
    assert figure(found[STANDARD], "tcn", "esr_db") == (1, -40.0)
    assert "counted in quality: 2 runs of which nobody knows" in " ".join(log.ask("--by", "model").split())


def test_cold_workers_are_not_timed(log: Log) -> None:
    log.model(COMPACT, [])
    log.add("a", -40.0, 1.0, warm_up=True)
    log.add("b", -42.0, 50.0)
    (group,) = groups(log, "model").values()
    assert group["warm_up"] == 1
    assert figure(group, "tcn", "x_realtime") == (1, 50.0)
    assert figure(group, "tcn", "esr_db") == (2, -41.0)
    assert "left out of timing: 1 run of cold workers" in log.ask("--by", "model")
    groups_of_one = groups(log, "file")
    assert [figure(groups_of_one[f"{name}.wav"], "tcn", "x_realtime")[0] for name in "ab"] == [0, 1]


def test_where_all_workers_were_cold_they_are_timed_as_the_plain_table_does(log: Log) -> None:
    log.model(COMPACT, [])
    for number in range(3):
        log.add(f"{number}", -40.0, 10.0 + number, warm_up=True)
    (group,) = groups(log, "model").values()
    plain = log.json()["summary"]["tcn"]["x_realtime"]
    assert figure(group, "tcn", "x_realtime") == (plain["n"], plain["median"]) == (3, 11.0)
    assert "counted in timing: 3 runs of cold workers, as there are no others" in " ".join(
        log.ask("--by", "model").split()
    )


def test_timing_is_of_the_machine_with_most_runs_where_there_is_no_peak(log: Log) -> None:
    log.bench(STUDIO, 60e9)
    for number in range(3):
        log.add(f"s{number}", tcn_x=50.0)
    log.add("l", tcn_x=100.0, on=LAPTOP)
    document = log.json("--by", "week")
    assert document["timing"] == "one machine"
    assert figure(document["groups"][0], "tcn", "x_realtime") == (3, 50.0)
    assert figure(document["groups"][0], "tcn", "esr_db")[0] == 4
    said = " ".join(log.ask("--by", "week").split())
    assert "timing is of studio alone, 3 of 4 runs: there is no benchmark of laptop: `fxd bench`" in said


def test_timing_is_normalised_by_the_peaks_where_each_machine_has_one(log: Log) -> None:
    log.bench(STUDIO, 60e9)
    log.bench(LAPTOP, 90e9)
    log.add("s", tcn_x=50.0)
    log.add("l", tcn_x=90.0, on=LAPTOP)
    document = log.json("--by", "host", "--measure", "x_realtime", "--measure", "rtf")
    assert document["timing"] == "normalised"
    found = {group["group"]: group for group in document["groups"]}
    # As on the laptop, where the newest run was: what studio did in 60 G/s is worth half as much again in 90.
    assert figure(found["studio"], "tcn", "x_realtime") == (1, 75.0)
    assert figure(found["studio"], "tcn", "rtf") == (1, round(1 / 75, 6))
    assert figure(found["laptop"], "tcn", "x_realtime") == (1, 90.0)
    assert "as on laptop by the multiply-add peaks" in document["notes"][0]


def normalised(log: Log) -> tuple[float, str]:
    """The speed of studio as on the laptop, and what is said of it."""
    document = log.json("--by", "host", "--measure", "x_realtime")
    assert document["timing"] == "normalised"
    found = {group["group"]: group for group in document["groups"]}
    return figure(found["studio"], "tcn", "x_realtime")[1], document["notes"][0]


@pytest.mark.parametrize(("extent", "load"), [(QUICK, 0.0), (Extent(repetitions=5), 0.0), (Extent(), 0.6)])
def test_a_rough_benchmark_tells_no_peak_where_there_is_another(
    log: Log, extent: Extent, load: float
) -> None:
    log.add("s", tcn_x=50.0)
    log.add("l", tcn_x=90.0, on=LAPTOP)
    log.bench(STUDIO, 60e9)
    log.bench(STUDIO, 30e9, day=1, extent=extent, load=load)
    log.bench(LAPTOP, 90e9)
    assert normalised(log) == (
        75.0,
        "timing of all machines is told as on laptop by the multiply-add peaks of their benchmarks",
    )


def test_a_rough_benchmark_is_named_where_there_is_no_other(log: Log) -> None:
    log.add("s", tcn_x=50.0)
    log.add("l", tcn_x=90.0, on=LAPTOP)
    log.bench(STUDIO, 90e9, extent=QUICK)
    log.bench(STUDIO, 60e9, day=1, extent=Extent(timed_seconds=1.0), load=1.25)
    log.bench(LAPTOP, 90e9)
    value, said = normalised(log)
    assert value == 75.0, "by the newest of the rough ones"
    assert said.endswith(
        "of their benchmarks, though that of studio was quick and began on a busy machine (load 1.2); "
        "`fxd bench` there again, whole and on a quiet machine, tells better"
    )


def test_peaks_do_not_even_out_threads(log: Log) -> None:
    more = Environment("studio", "Zen 4", 2, 2, "3.11.7", "0.1.0", {})
    log.bench(STUDIO, 60e9)
    log.add("a", tcn_x=50.0)
    log.add("b", tcn_x=80.0, on=more)
    document = log.json("--by", "host")
    assert document["timing"] == "apart"
    found = {group["group"]: figure(group, "tcn", "x_realtime") for group in document["groups"]}
    assert found == {"studio, 1 thread": (1, 50.0), "studio, 2 threads": (1, 80.0)}
    assert "another number of threads" in document["notes"][0]


def test_another_version_of_a_library_is_no_other_machine(log: Log) -> None:
    log.add("a", tcn_x=50.0)
    log.add("b", tcn_x=70.0, on=Environment("studio", "Zen 4", 2, 1, "3.12.0", "0.3.0", {"numpy": "3.0"}))
    document = log.json("--by", "host")
    assert (document["timing"], [group["runs"] for group in document["groups"]]) == ("one machine", [2])


@pytest.mark.parametrize("by", ["model", "day", "week", "host", "sample-rate", "file"])
def test_an_empty_log_and_one_of_failures_say_so(log: Log, by: str) -> None:
    assert log.ask("--by", by) == "No runs yet. Drop an audio file into the inbox while `fxd start` runs.\n"
    assert groups(log, by) == {}
    assert log.ask("--by", by, "--csv").count("\n") == 1
    log.fail(3)
    assert "None of the runs was done: 3 failed" in log.ask("--by", by)
    assert log.json("--by", by)["failed"] == 3


def test_where_all_of_the_runs_asked_for_failed_it_is_said_of_these(log: Log) -> None:
    log.add("a", day=1)
    log.fail(3)
    log.runs[1:] = [replace(run, finished_at=MONDAY + timedelta(days=3)) for run in log.runs[1:]]
    for arguments, said in (
        (["--last", "2"], "None of the newest 2 runs was done: 2 failed;"),
        (["--last", "1"], "None of the newest 1 run was done: 1 failed;"),
        (["--since", "2026-03-04"], "None of the runs since 2026-03-04 00:00 was done: 3 failed;"),
        (
            ["--since", "2026-03-04", "--last", "2"],
            "None of the newest 2 runs since 2026-03-04 00:00 was done: 2 failed;",
        ),
        (
            ["--since", "2026-03-09"],
            "No runs are done since 2026-03-09 00:00; the newest of all is of 2026-03-0",
        ),
    ):
        assert log.ask("--by", "model", *arguments).startswith(said)


@pytest.mark.parametrize("by", ["model", "day", "week", "host", "sample-rate", "file"])
def test_odd_names_and_numbers_fit_80_columns_and_steer_nothing(log: Log, by: str) -> None:
    odd = "[bold]漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字\x1b[31m\n\u202egnp"
    for esr_db in (-INF, NAN, INF, -40.0):
        log.add(
            odd, esr_db, 1e9, 1e-7, model=f"20260101-000000-{odd}", on=Environment(odd, odd, 1, 1, "", "", {})
        )
    log.add("plain", model=None)
    log.fail(2)
    for more in ([], ["--measure", "esr_db"], ["--measure", "output_bytes"]):
        table = log.ask("--by", by, *more)
        assert max(cell_len(line) for line in table.splitlines()) <= 80
        assert not set("\x1b\u202e") & set(table)
        assert "left out of all: 2 runs that failed" in table
    assert sum(group["figures"]["tcn"]["esr_db"]["n"] for group in groups(log, by).values()) == 1


def test_csv_has_a_row_for_each_group_and_measure_and_no_formula(log: Log) -> None:
    log.add("=1+1", -40.0)
    log.add("@sum", -30.0)
    rows = list(csv.DictReader(io.StringIO(log.ask("--by", "file", "--csv"))))
    assert [(row["group"], row["engine"], row["measure"], row["median"]) for row in rows[:2]] == [
        ("'@sum.wav", "tcn", "esr_db", "-30.0"),
        ("'@sum.wav", "tcn", "x_realtime", "50.0"),
    ]
    assert (rows[3]["group"], rows[3]["ci95_low"], len(rows)) == ("'=1+1.wav", "", 6)


def test_a_table_lists_fifty_groups_and_says_how_many_more_there_are(log: Log) -> None:
    for number in range(53):
        log.add(f"{number:02}", -40.0 - number)
    table = log.ask("--by", "file")
    assert table.count(".wav") == 50
    assert "00.wav" in table
    assert "and 3 more" in table
    assert len(groups(log, "file")) == 53


def test_more_measures_than_fit_side_by_side_stand_in_tables_of_their_own(log: Log) -> None:
    log.add("a")
    table = log.ask("--by", "week", "--engine", "tcn", "--measure", "esr", "--measure", "esr_db")
    assert table.count("Medians by week") == 1
    chosen = [word for name in ("esr", "esr_db", "mae", "rtf") for word in ("--measure", name)]
    table = log.ask("--by", "week", "--engine", "tcn", *chosen)
    assert table.count("Medians by week") == 1
    assert all(name in table for name in (" esr ", "esr_db", "tcn mae by week", "rtf"))


def test_only_the_runs_asked_for_are_grouped(log: Log) -> None:
    log.add("old", -10.0)
    log.add("b", -20.0, day=3)
    log.fail(1)
    log.add("c", -30.0, day=4)
    assert list(groups(log, "file", "--last", "2")) == ["b.wav", "c.wav"]
    assert list(groups(log, "file", "--since", "2026-03-04")) == ["b.wav", "c.wav"]
    assert list(groups(log, "file", "--since", "2026-03-04", "--last", "1")) == ["c.wav"]


def test_models_and_hosts_come_by_their_newest_run(log: Log) -> None:
    log.add("a")
    log.add("a", model=STANDARD, on=LAPTOP)
    log.add("a")
    assert list(groups(log, "model")) == [COMPACT, STANDARD]
    assert list(groups(log, "host")) == ["studio", "laptop"]


def test_medians_of_groups_are_those_of_each_alone() -> None:
    rng = np.random.default_rng(0)
    codes, values = rng.integers(0, 12, 60), rng.normal(size=60)
    values[rng.integers(0, 60, 10)] = np.nan
    own = [values[(codes == group) & ~np.isnan(values)] for group in range(13)]
    assert medians(codes, values, 13).tolist() == pytest.approx(
        [np.median(one) if len(one) else np.nan for one in own], nan_ok=True
    )


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+12", "Etc/GMT-14"])
def test_a_run_that_a_wrong_clock_stamped_is_told_whatever_its_year(
    log: Log, zone: str, local_clock: Callable[[str], None]
) -> None:
    local_clock(zone)
    for at in (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)):
        log.add(f"at {at.year}", received_at=at, finished_at=at)
    assert {name[:4] for name in groups(log, "day")} == {"0001", "9999"}
    assert groups(log, "week").keys() == {"0001-W01", "9999-W52"}
    listed = log.ask()
    assert "0001-01-01" in listed
    assert "9999-12-31" in listed
    assert "A: week 0001-W01" in log.ask("--compare", "0001-W01", "9999-W52")
