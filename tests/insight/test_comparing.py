"""`fxd stats --compare A B`."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from logs import COMPACT, INF, LAPTOP, NAN, STANDARD, STUDIO, Log, line_of
from rich.cells import cell_len

from fxd.insight.comparing import mixed, paired, unpaired
from fxd.store.records import Environment

SCHEMA = json.loads((Path(__file__).parents[1] / "stats-compare.schema.json").read_text())
ESR_DB, X_REALTIME = ("tcn", "esr_db"), ("tcn", "x_realtime")


def compared(log: Log, *arguments: str) -> tuple[dict[str, Any], dict[tuple[str, str], dict[str, Any]]]:
    """The whole document, which is checked, and its comparisons by engine and measure."""
    document = log.json("--compare", *arguments)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    return document, {(one["engine"], one["measure"]): one for one in document["comparisons"]}


def models(log: Log, compact: list[str] | None = None, standard: list[str] | None = None) -> None:
    log.model(COMPACT, compact or [])
    log.model(STANDARD, standard or [])


def both(log: Log, count: int = 8, first: int = 0) -> None:
    """Sounds that differ by up to 40 dB, each processed by both models: standard is 2 dB closer, half as fast."""
    for number in range(first, first + count):
        noise = 0.1 * (-1) ** number
        log.add(f"c{number}", -30.0 - 5 * number, 50.0 + number)
        log.add(f"c{number}", -32.0 - 5 * number + noise, (50.0 + number) / 2, model=STANDARD)


def test_the_same_sounds_are_set_against_themselves(log: Log) -> None:
    models(log)
    both(log)
    document, found = compared(log, "02bf", "a67e")
    assert (document["a"], document["b"]) == (
        {"kind": "model", "name": COMPACT},
        {"kind": "model", "name": STANDARD},
    )
    esr_db = found[ESR_DB]
    assert (esr_db["paired"], esr_db["files"], esr_db["scale"]) == (True, [8, 8], "difference")
    assert esr_db["change"] == pytest.approx(-2.0)
    # The sounds are 5 dB apart, but each from itself only by 1.9 or 2.1.
    assert esr_db["ci95"] == pytest.approx([-2.1, -1.9])
    assert esr_db["verdict"] == (
        "tcn standard-a67e is 2.0 dB closer than compact-02bf, 95 % interval 1.9 to 2.1, 8 files"
    )
    pace = found[X_REALTIME]
    assert (pace["scale"], pace["sure"]) == ("ratio", True)
    assert [pace["change"], *pace["ci95"]] == pytest.approx([0.5, 0.5, 0.5])
    assert pace["verdict"] == (
        "tcn compact-02bf is 2.00 times as fast as standard-a67e, 95 % interval 2.00 to 2.00, 8 files, on studio"
    )
    assert "tcn standard-a67e is 2.0 dB closer" in log.ask("--compare", "a67e", "02bf")


def test_a_sound_that_came_often_counts_once(log: Log) -> None:
    models(log)
    both(log)
    for _ in range(30):
        log.add("c0", -99.0, model=STANDARD)
    _, found = compared(log, "02bf", "a67e")
    assert found[ESR_DB]["files"] == [8, 8]
    assert found[ESR_DB]["change"] == pytest.approx(-2.0, abs=0.11)


def test_every_sound_that_either_model_trained_on_is_left_out_of_quality(log: Log) -> None:
    models(log, ["c0", "c1", "elsewhere"], ["c1", "c2"])
    both(log, 12)
    document, found = compared(log, "02bf", "a67e")
    assert (found[ESR_DB]["files"], found[X_REALTIME]["files"]) == ([9, 9], [12, 12])
    assert document["heard_files"] == 3
    assert "left out of quality: 3 files that either model had trained on" in document["notes"]


def test_what_only_the_other_model_trained_on_is_left_out_too(log: Log) -> None:
    models(log, ["b0", "b1"], ["a0"])
    for number in range(10):
        log.add(f"a{number}")
        log.add(f"b{number}", model=STANDARD)
    document, found = compared(log, "02bf", "a67e")
    assert (found[ESR_DB]["files"], found[X_REALTIME]["files"]) == ([9, 8], [10, 10])
    assert document["heard_files"] == 3


def test_in_weeks_only_the_model_of_the_run_counts_as_having_heard(log: Log) -> None:
    models(log, ["c0"], ["c1"])
    for number in range(10):
        log.add(f"c{number}", day=2)
        log.add(f"c{number}", -43.0, model=STANDARD, day=9)
    _, found = compared(log, "2026-W10", "2026-w11")
    assert found[ESR_DB]["files"] == [8, 8]
    assert found[ESR_DB]["verdict"].startswith("tcn in 2026-W11 is 3.0 dB closer than in 2026-W10")


def test_where_no_sound_is_shared_it_is_unpaired_and_said_so(log: Log) -> None:
    models(log)
    for number in range(20):
        log.add(f"a{number}", -30.0 - 0.1 * number)
        log.add(f"b{number}", -40.0 - 0.1 * number, model=STANDARD)
    _, found = compared(log, "02bf", "a67e")
    esr_db = found[ESR_DB]
    assert (esr_db["paired"], esr_db["files"], esr_db["change"]) == (False, [20, 20], pytest.approx(-10.0))
    low, high = esr_db["ci95"]
    assert -11.5 < low < -10.0 < high < -8.5
    assert esr_db["verdict"].endswith("unpaired, as no file was processed by both (20 and 20 files)")


@pytest.mark.parametrize(
    ("shared", "said"), [(1, "only 1 file that counts"), (5, "only 5 files that count,")]
)
def test_too_few_sounds_give_no_verdict(log: Log, shared: int, said: str) -> None:
    models(log)
    both(log, shared)
    for number in range(30):
        log.add(f"a{number}", -30.0)
    _, found = compared(log, "02bf", "a67e")
    assert (found[ESR_DB]["change"], found[ESR_DB]["ci95"], found[ESR_DB]["sure"]) == (None, None, False)
    assert said in found[ESR_DB]["verdict"]
    assert "`fxd models compare compact-02bf standard-a67e`" in found[ESR_DB]["verdict"]


def test_six_sounds_are_enough(log: Log) -> None:
    models(log)
    both(log, 6)
    assert compared(log, "02bf", "a67e")[1][ESR_DB]["sure"]


def test_few_sounds_must_agree_more_than_chance_would_have_them(log: Log) -> None:
    models(log)
    for number, gain in enumerate([2.0] * 10 + [-1.0] * 3):
        log.add(f"c{number}", -40.0)
        log.add(f"c{number}", -40.0 - gain, model=STANDARD)
    found = compared(log, "02bf", "a67e")[1][ESR_DB]
    # Ten or more of thirteen agree, either way, in one of eleven throws of thirteen coins.
    assert (found["chance"], found["sure"]) == (pytest.approx(2 * 378 / 8192), False)
    assert found["ci95"][1] < 0
    assert "do not surely differ in esr_db: -2.0 dB" in found["verdict"]
    assert found["verdict"].endswith("13 files; of so few files as many would agree by chance")


@pytest.mark.parametrize("count", [6, 7, 13])
def test_of_equals_hardly_any_are_told_apart(count: int) -> None:
    rng = np.random.default_rng(count)
    apart = [paired(ESR_DB, np.zeros(count), rng.standard_t(2, count)).is_sure for _ in range(600)]
    assert np.mean(apart) <= 0.065  # 5 %, and the luck of 600 throws


def test_what_is_within_chance_is_no_difference(log: Log) -> None:
    models(log)
    for number in range(10):
        log.add(f"c{number}", -40.0)
        log.add(f"c{number}", -40.0 + (-1) ** number, model=STANDARD)
    verdict = compared(log, "02bf", "a67e")[1][ESR_DB]["verdict"]
    assert verdict.startswith("tcn standard-a67e and compact-02bf do not surely differ in esr_db: ")
    assert "95 % interval -1.0 to 1.0, 10 files" in verdict


def test_an_error_against_another_saturator_is_no_pair(log: Log) -> None:
    models(log)
    for number in range(8):
        log.add(f"c{number}", -40.0, settings="loud")
        log.add(f"c{number}", -10.0, settings="soft")
        log.add(f"c{number}", -42.0, model=STANDARD, settings="loud")
    document, found = compared(log, "02bf", "a67e")
    assert (found[ESR_DB]["paired"], found[ESR_DB]["change"]) == (True, pytest.approx(-2.0))
    assert any("the same saturator" in note for note in document["notes"])
    assert found[X_REALTIME]["paired"]


def test_timing_is_compared_on_the_machine_on_which_both_ran(log: Log) -> None:
    models(log)
    both(log)
    for number in range(8):
        log.add(f"c{number}", tcn_x=500.0, on=LAPTOP, model=STANDARD)
    document, found = compared(log, "02bf", "a67e")
    assert document["timing"] == "one machine"
    assert found[X_REALTIME]["change"] == pytest.approx(0.5)
    assert "timing is compared on studio alone, where both ran" in document["notes"]


def test_hosts_are_compared_by_their_peaks_or_not_at_all_in_timing(log: Log) -> None:
    for number in range(8):
        log.add(f"c{number}", tcn_x=50.0)
        log.add(f"c{number}", tcn_x=90.0, on=LAPTOP)
    log.bench(STUDIO, 60e9)
    document, found = compared(log, "studio", "laptop")
    assert (document["timing"], found[X_REALTIME]["change"]) == ("none", None)
    assert "no benchmark of laptop: `fxd bench` on each" in found[X_REALTIME]["verdict"]
    assert log.ask("--compare", "studio", "laptop").count("timing is not compared") == 1
    log.bench(LAPTOP, 90e9)
    document, found = compared(log, "studio", "laptop")
    assert document["timing"] == "normalised"
    assert found[X_REALTIME]["change"] == pytest.approx(90 / 50 * 60 / 90)
    assert found[X_REALTIME]["verdict"].startswith("tcn on laptop is 1.20 times as fast as on studio")
    assert found[X_REALTIME]["verdict"].endswith("by the multiply-add peaks of their benchmarks")


def test_who_has_no_runs_is_not_compared_with_two_machines(log: Log) -> None:
    models(log)
    for environment in (STUDIO, LAPTOP):
        log.add("c0", on=environment)
        log.bench(environment, 60e9)
    for names in (("02bf", "a67e"), ("a67e", "02bf")):
        document, found = compared(log, *names)
        assert document["timing"] == "none"
        assert "one of the two has no runs" in found[X_REALTIME]["verdict"]


def test_the_newest_benchmark_tells_the_peak(log: Log) -> None:
    for number in range(8):
        log.add(f"c{number}", tcn_x=50.0)
        log.add(f"c{number}", tcn_x=50.0, on=LAPTOP)
    log.bench(STUDIO, 1e9)
    log.bench(LAPTOP, 60e9, day=1)
    log.bench(LAPTOP, 30e9)
    log.bench(STUDIO, 60e9, day=2)
    assert compared(log, "studio", "laptop")[1][X_REALTIME]["change"] == pytest.approx(1.0)


def test_versions_are_compared_and_cold_runs_left_out_of_timing(log: Log) -> None:
    newer = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.2.0", {})
    for number in range(8):
        log.add(f"c{number}", tcn_x=50.0)
        log.add(f"c{number}", tcn_x=5.0, on=newer, warm_up=True)
        log.add(f"c{number}", tcn_x=100.0, on=newer)
    document, found = compared(log, "0.1.0", "0.2.0")
    assert found[X_REALTIME]["change"] == pytest.approx(2.0)
    assert found[X_REALTIME]["verdict"].startswith(
        "tcn with fxd 0.2.0 is 2.00 times as fast as with fxd 0.1.0"
    )
    assert "left out of timing: 8 runs of cold workers" in document["notes"]


def test_each_measure_has_its_own_words(log: Log) -> None:
    models(log)
    both(log)
    wanted = ["esr", "si_sdr_db", "rtf", "clipped_frames", "peak_dbfs"]
    arguments = [word for name in wanted for word in ("--measure", name)]
    _, found = compared(log, "02bf", "a67e", "--engine", "tcn", *arguments)
    said = {measure: one["verdict"] for (_, measure), one in found.items()}
    assert "has 0.63 times the esr of compact-02bf" in said["esr"]
    assert "standard-a67e is 2.0 dB closer by si_sdr_db than" in said["si_sdr_db"]
    assert "has 2.00 times the rtf of compact-02bf" in said["rtf"]
    assert "do not surely differ in clipped_frames: 0.0" in said["clipped_frames"]


def test_a_ratio_far_from_one_keeps_its_digits(log: Log) -> None:
    models(log)
    for number in range(8):
        log.add(f"c{number}", -30.0 - number, 4_000.0)
        log.add(f"c{number}", -56.1 - number, 10.0, model=STANDARD)
    arguments = ("02bf", "a67e", "--measure", "esr", "--measure", "x_realtime", "--engine", "tcn")
    said = {measure: one["verdict"] for (_, measure), one in compared(log, *arguments)[1].items()}
    assert "has 0.00245 times the esr of compact-02bf, 95 % interval 0.00245 to 0.00245," in said["esr"]
    assert "is 400 times as fast as standard-a67e, 95 % interval 400 to 400," in said["x_realtime"]
    text = log.ask("--compare", *arguments)
    assert line_of(text, "esr", "×").split()[-6:] == ["×", "0.00245", "0.00245", "to", "0.00245", "8"]
    assert "× 0.0025" in line_of(text, "x_realtime", "×")


def test_what_has_no_number_and_no_name_is_left_out(log: Log) -> None:
    models(log)
    both(log, 7)
    for esr_db in (NAN, -INF, INF):
        log.add("odd", esr_db)
        log.add("odd", -10.0, model=STANDARD)
    log.add(None, -1.0)
    document, found = compared(log, "02bf", "a67e")
    assert found[ESR_DB]["files"] == [7, 7]
    assert "left out: 1 run of which an older fxd did not record the sound" in document["notes"]


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ("nobody", "02bf", "--compare nobody: nothing that ran is called that"),
        ("\x1b[2J", "02bf", r"--compare \x1b[2J: nothing that ran"),
        ("", "02bf", "nothing that ran is called that"),
        ("02bf", COMPACT, f"are both model {COMPACT}"),
        ("2026-W10", "2026w10", "are both week 2026-W10"),
        ("2026-W54", "2026-W10", "--compare 2026-W54: nothing that ran"),
        ("studio", "02bf", "studio is a version or host and 02bf is a model"),
        ("2026", "a67e", "2 models begin or end with this"),
        ("twin", "studio", "twin and studio could be versions or hosts; write version:twin or host:twin"),
        ("week:studio", "studio", "week:studio: nothing that ran"),
        ("caf\udce9", "studio", r"--compare caf\xe9: nothing that ran"),
    ],
)
def test_what_cannot_be_compared_is_told_with_what_can(log: Log, a: str, b: str, said: str) -> None:
    models(log)
    log.add("a", on=Environment("twin", "", 1, 1, "", "studio", {}))
    log.add("a", on=Environment("studio", "", 1, 1, "", "twin", {}))
    assert said in " ".join(log.ask("--compare", a, b, code=1).split())


def test_a_kind_can_be_named(log: Log) -> None:
    log.add("a", on=Environment("twin", "", 1, 1, "", "studio", {}))
    log.add("a", on=Environment("studio", "", 1, 1, "", "twin", {}))
    document, _ = compared(log, "version:twin", "version:studio")
    assert document["a"] == {"kind": "version", "name": "twin"}
    assert document["runs"] == [1, 1]


def test_a_week_without_runs_is_told_as_such(log: Log) -> None:
    log.add("a", day=1)
    text = log.ask("--compare", "2026-W10", "2026-W30")
    assert "0 files in 2026-W30" in " ".join(text.split())
    assert "one of the two has no runs" in text


def test_the_table_fits_80_columns_and_csv_says_the_same(log: Log) -> None:
    odd = "漢字" * 20 + "\x1b[31m[red]"
    log.model(f"20260101-000000-{odd}", [])
    log.model(COMPACT, [])
    for number in range(7):
        log.add(f"c{number}", -30.0 - number)
        log.add(f"c{number}", -31.0 - number, model=f"20260101-000000-{odd}")
    text = log.ask("--compare", "20260101", "02bf")
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    assert "\x1b" not in text
    assert r"\x1b[31m[red]" in text
    rows = list(csv.DictReader(io.StringIO(log.ask("--compare", "20260101", "02bf", "--csv"))))
    assert [(row["measure"], row["paired"], row["files_a"], row["scale"]) for row in rows] == [
        ("esr_db", "1", "7", "difference"),
        ("x_realtime", "1", "7", "ratio"),
    ]
    assert float(rows[0]["change"]) == pytest.approx(1.0)


def test_the_interval_holds_the_true_change_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    inside = {"paired": 0, "unpaired": 0}
    for _ in range(300):
        a, b = rng.normal(0, 1, 40), rng.normal(0, 1, 40)
        for name, found in (
            ("paired", paired(ESR_DB, a, a + b + 2)),
            ("unpaired", unpaired(ESR_DB, a, b + 2)),
        ):
            assert found.interval is not None
            inside[name] += found.interval[0] <= 2 <= found.interval[1]
    assert all(0.92 <= count / 300 <= 0.99 for count in inside.values()), inside


def test_sounds_under_two_saturators_have_two_keys() -> None:
    keys = np.arange(1, 1001, dtype=np.int64)
    found = np.concatenate([mixed(keys, np.full(1000, code, np.int32)) for code in (-1, 0, 1, 2)])
    assert len(np.unique(found)) == 4000
