from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from fxd.insight.bench.compare import compare_benches
from fxd.insight.bench.figures import figure, quotient
from fxd.store.records import Bench, Environment

HERE = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {"numba": "0.63.0", "torch": "2.13.0"})
MakeBench = Callable[..., Bench]
NOISE = np.array([-0.02, 0.01, 0.0, 0.02, -0.01, 0.015, -0.005])


@pytest.fixture
def make_bench() -> MakeBench:
    """Makes a bench from speeds by contender name, repetitions a little apart."""

    def make(
        speeds: dict[str, float], peak: float = 60.0, path: str = "16 lanes", **environment: object
    ) -> Bench:
        rows = [
            {
                "name": name,
                "engine": "tcn",
                "subject": "compact",
                "form": name.split()[0],
                "block": None,
                "channels": 1,
                "sample_rate": 48_000,
                "path": path,
                "x_realtime": figure((speed * (1 + NOISE)).tolist()),
            }
            for name, speed in speeds.items()
        ]
        document = {
            "speed": rows,
            "peak_multiply_adds": figure((peak * (1 + NOISE / 10)).tolist()),
            "settings": {"repetitions": 7, "timed_seconds": 8.0},
            "load_before": 0.1,
        }
        own = replace(HERE, **environment)
        return Bench("id", datetime(2026, 3, 1, tzinfo=UTC), own, "5a77", own.fxd, document)

    return make


def test_equal_contenders_are_paired_and_the_others_named(make_bench: MakeBench) -> None:
    old = make_bench({"kernel a": 10.0, "kernel gone": 5.0})
    new = make_bench({"kernel new": 7.0, "kernel a": 20.0})
    compared = compare_benches(old, new)
    (row,) = compared["rows"]
    assert (row["name"], row["old"], row["new"]) == ("kernel a", 10.0, 20.0)
    assert row["ratio"] == pytest.approx(2.0)
    assert compared["only_old"] == ["kernel gone"]
    assert compared["only_new"] == ["kernel new"]


def test_only_intervals_that_do_not_overlap_are_a_change(make_bench: MakeBench) -> None:
    old = make_bench({"kernel a": 100.0, "kernel b": 100.0, "kernel c": 100.0, "scipy d": 100.0})
    new = make_bench({"kernel a": 130.0, "kernel b": 99.0, "kernel c": 80.0, "scipy d": 200.0})
    compared = compare_benches(old, new)
    assert [row["verdict"] for row in compared["rows"]] == ["faster", "unchanged", "slower", "faster"]
    assert compared["verdict"] == (
        "Of 3 kernels measured in both: 1 faster (most of all kernel a: 1.30 times), "
        "1 slower (most of all kernel c: 0.80 times), 1 unchanged (intervals overlap, or 5 % apart at most)."
    )


@pytest.mark.parametrize(
    ("key", "value", "doubt"),
    [
        ("timed_seconds", 0.5, "the new one was quick"),
        ("repetitions", 5, "the new one has fewer than 6 repetitions: 5"),
        ("load_before", 0.6, "the new one began on a busy machine (load 0.6)"),
    ],
)
def test_a_rough_run_is_no_ground_for_faster_or_slower(
    make_bench: MakeBench, key: str, value: float, doubt: str
) -> None:
    old, new = make_bench({"kernel a": 100.0}), make_bench({"kernel a": 65.0})
    (new.document if key in new.document else new.document["settings"])[key] = value
    compared = compare_benches(old, new)
    (row,) = compared["rows"]
    assert (row["verdict"], row["ratio"]) == ("unclear", pytest.approx(0.65))
    assert compared["doubts"] == [doubt]
    assert "run both again" in compared["verdict"]
    assert compare_benches(new, old)["doubts"] == [doubt.replace("new", "old")]


@pytest.mark.parametrize("times", [1.049, 1 / 1.049])
def test_intervals_apart_by_less_than_the_floor_are_unchanged(make_bench: MakeBench, times: float) -> None:
    old, new = make_bench({"kernel a": 100.0}), make_bench({"kernel a": 100.0 * times})
    for bench, speed in ((old, 100.0), (new, 100.0 * times)):
        bench.document["speed"][0]["x_realtime"] = figure((speed * (1 + NOISE / 100)).tolist())
    (row,) = compare_benches(old, new)["rows"]
    assert row["verdict"] == "unchanged"
    assert not row["ci95"][0] < 1 < row["ci95"][1]


def test_a_few_repetitions_have_a_range_in_place_of_an_interval(make_bench: MakeBench) -> None:
    old, new = make_bench({"kernel a": 100.0}), make_bench({"kernel a": 200.0})
    old.document["speed"][0]["x_realtime"] = figure([90.0, 100.0, 110.0])
    new.document["speed"][0]["x_realtime"] = figure([198.0, 200.0, 220.0])
    assert compare_benches(old, new)["rows"][0]["ci95"] == pytest.approx([1.8, 220 / 90])
    for values in range(2, 6):  # so the table may call it a range
        assert figure([float(value) for value in range(values)])["ci95"] == [0.0, values - 1.0]


def test_a_little_faster_is_unchanged_too(make_bench: MakeBench) -> None:
    compared = compare_benches(make_bench({"kernel a": 100.0}), make_bench({"kernel a": 101.0}))
    assert [row["verdict"] for row in compared["rows"]] == ["unchanged"]


def test_the_interval_of_a_ratio_holds_it_and_is_the_same_each_time(make_bench: MakeBench) -> None:
    old, new = make_bench({"kernel a": 100.0}), make_bench({"kernel a": 150.0})
    low, high = compare_benches(old, new)["rows"][0]["ci95"]
    assert 1.4 < low < 1.5 < high < 1.6
    assert compare_benches(old, new)["rows"][0]["ci95"] == [low, high]


def test_speeds_of_two_machines_are_divided_by_their_peaks(make_bench: MakeBench) -> None:
    """Twice as fast on a machine that can do twice as much is the same."""
    old = make_bench({"kernel a": 100.0}, peak=60.0)
    new = make_bench({"kernel a": 200.0}, peak=120.0, host="stage", cpu="Zen 5")
    compared = compare_benches(old, new)
    assert compared["normalised"]
    assert compared["rows"][0]["ratio"] == pytest.approx(1.0, abs=1e-3)
    assert compared["rows"][0]["verdict"] == "unchanged"
    assert any("divided by the multiply-add peak" in note for note in compared["notes"])
    assert "host: studio, then stage" in compared["notes"]


def test_on_one_machine_speeds_stand_as_they_are_and_its_peak_is_told(make_bench: MakeBench) -> None:
    old = make_bench({"kernel a": 100.0}, peak=60.0)
    new = make_bench({"kernel a": 50.0}, peak=30.0)
    compared = compare_benches(old, new)
    assert not compared["normalised"]
    assert compared["rows"][0]["ratio"] == pytest.approx(0.5)
    assert any("the machine itself ran at 50 %" in note for note in compared["notes"])


def test_what_changed_beside_fxd_is_told(make_bench: MakeBench) -> None:
    new = make_bench(
        {"kernel a": 1.0}, fxd="0.2.0", libraries={"numba": "0.64.0", "scipy": "1.17.1"}, path="8 lanes"
    )
    new.document["settings"]["repetitions"] = 3
    new.document["load_before"] = 1.5
    compared = compare_benches(make_bench({"kernel a": 1.0}), replace(new, settings_hash="0000"))
    assert compared["notes"] == [
        "fxd: 0.1.0, then 0.2.0",
        "numba: 0.63.0, then 0.64.0",
        "scipy: none, then 1.17.1",
        "torch: 2.13.0, then none",
        "kernel: 16 lanes, then 8 lanes",
        "the [saturator] settings differ",
        "they did not measure equally long, or not as often",
    ]


def test_benches_without_a_contender_in_common_are_no_error(make_bench: MakeBench) -> None:
    compared = compare_benches(make_bench({"kernel a": 1.0}), make_bench({"kernel b": 1.0}))
    assert compared["rows"] == []
    assert "no kernel in common" in compared["verdict"]


def test_a_quotient_is_taken_round_by_round() -> None:
    """A round in which the machine stood still for both is no different from the others."""
    assert quotient([10.0, 1.0, 12.0], [5.0, 0.5, 6.0])["values"] == [2.0, 2.0, 2.0]


def test_a_figure_of_one_value_has_that_as_interval() -> None:
    assert figure([3.0]) == {"n": 1, "median": 3.0, "ci95": [3.0, 3.0], "values": [3.0]}
    assert figure([4.0, 1.0])["median"] == 2.5
