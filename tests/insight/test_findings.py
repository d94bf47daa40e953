"""`fxd stats --changes`: what changed in a log, from when, and what else changed then."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from logs import COMPACT, LAPTOP, MONDAY, STANDARD, STUDIO, Log

from fxd.insight.changes import find_changes
from fxd.insight.energy import SEGMENT
from fxd.insight.findings import look, uncertainty
from fxd.insight.sentences import sentence
from fxd.insight.series import Series, length_classes, medians
from fxd.store.records import Change, Environment
from fxd.store.store import open_store

NEWER = replace(STUDIO, fxd="0.2.0")


def noisy(seed: int, count: int, level: float, share: float = 0.03) -> list[float]:
    return [float(x) for x in level * np.exp(share * np.random.default_rng(seed).normal(size=count))]


def steady(log: Log, count: int, seed: int = 0, level: float = 80.0, **fields: Any) -> None:
    """Runs of ever new sounds whose cost is the same but for noise, and whose quality is the same."""
    dsp = noisy(seed + 1, count, 600.0)
    for number, tcn_x in enumerate(noisy(seed, count, level)):
        sound = {"content": f"{seed} {level} {number}", "esr_db": -50.0, "dsp_x": dsp[number], "day": 0.0}
        log.add(**(sound | {"tcn_x": tcn_x} | fields))


def series_of(found: Any) -> list[str]:
    return [change["series"] for change in found["changes"]]


def kinds_of(change: Any) -> list[str]:
    return [event["kind"] for event in change["events"]]


def test_a_slow_down_is_told_with_its_size_its_moment_and_what_coincides(log: Log) -> None:
    steady(log, 60)
    steady(log, 30, 5, 70.4, on=NEWER)
    first = log.runs[60]
    found = log.json("--changes")
    assert set(series_of(found)) == {"tcn x_realtime on studio", "tcn cpu_per_second on studio"}
    change = next(one for one in found["changes"] if one["measure"] == "x_realtime")
    assert change["run_id"] in {one.id for one in log.runs[58:63]}
    assert change["before"] == pytest.approx(80, rel=0.02)
    assert change["after"] == pytest.approx(70.4, rel=0.02)
    low, high = change["ci95"]
    assert low <= change["after"] - change["before"] <= high < 0
    assert change["earliest"] <= first.finished_at.isoformat() <= change["latest"]
    assert [(event["kind"], event["before"], event["after"]) for event in change["events"]] == [
        ("fxd", "0.1.0", "0.2.0")
    ]
    assert change["events"][0]["at"] == first.finished_at.isoformat()
    told = log.ask("--changes")
    words = " ".join(told.split())
    assert f"{change['id']} tcn got 1" in words
    assert "% slower on studio from 2026-03-01 19:0" in words, "on the local clock"
    assert "fxd went from 0.1.0 to 0.2.0" in words
    assert "times real time, 95 % interval of the difference -" in words


ENVIRONMENTS: dict[str, Environment] = {
    "python": replace(STUDIO, python="3.12.1"),
    "numpy": replace(STUDIO, libraries={"numpy": "2.5.0"}),
    "cpu": replace(STUDIO, cpu="Zen 5"),
    "threads": replace(STUDIO, threads=2),
    "cores": replace(STUDIO, cores=4),
}


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_what_changed_of_the_environment_is_named(log: Log, kind: str) -> None:
    steady(log, 40)
    steady(log, 25, 5, 60.0, on=ENVIRONMENTS[kind])
    found = log.json("--changes")
    assert set(series_of(found)) == {"tcn x_realtime on studio", "tcn cpu_per_second on studio"}
    assert [kinds_of(change) for change in found["changes"]] == [[kind], [kind]]


def test_a_change_without_any_reason_says_so(log: Log) -> None:
    steady(log, 40)
    steady(log, 25, 5, 60.0)
    assert kinds_of(log.json("--changes")["changes"][0]) == []
    assert "nothing that fxd keeps track of changed at that moment" in " ".join(log.ask("--changes").split())


def test_a_promotion_and_a_rollback_are_told_apart(log: Log) -> None:
    for model in (COMPACT, STANDARD):
        log.model(model, [])
    steady(log, 40)
    promoted = log.runs[-1].finished_at
    steady(log, 30, 5, 30.0, model=STANDARD)
    returned = log.runs[-1].finished_at
    steady(log, 30, 7)
    with open_store(log.url) as store:
        store.promote(COMPACT, "the first", MONDAY)
        store.promote(STANDARD, "better on 20 files", promoted)
        store.promote(COMPACT, "rolled back by hand", returned)
    found = [one for one in log.json("--changes")["changes"] if one["measure"] == "x_realtime"]
    assert [(one["engine"], *kinds_of(one)) for one in found] == [("tcn", "rollback"), ("tcn", "model")]
    words = " ".join(log.ask("--changes").split())
    assert "model standard-a67e was promoted in place of compact-02bf" in words
    assert "fxd returned from model standard-a67e to compact-02bf" in words


@pytest.mark.parametrize("turns", ["ba", "bba", "baba"])
def test_a_promotion_is_named_though_a_file_was_begun_with_the_old_model(log: Log, turns: str) -> None:
    """Two workers: a long file that the old model was begun with ends after the first of the new one."""
    rng = np.random.default_rng(0)
    for model in (COMPACT, STANDARD):
        log.model(model, [])
    for number, turn in enumerate("a" * 60 + turns + "b" * 58):
        error = (-50.0 if turn == "a" else -40.0) + float(rng.normal())
        log.add(f"c{number}", error, model=COMPACT if turn == "a" else STANDARD)
    (found,) = [one for one in log.json("--changes")["changes"] if one["measure"] == "esr_db"]
    assert (found["where"], kinds_of(found)) == ("new sounds", ["model"])


def test_a_model_does_not_explain_what_the_dsp_costs(log: Log) -> None:
    steady(log, 40)
    steady(log, 30, 5, model=STANDARD, settings="6b88", dsp_x=300.0)
    found = [one for one in log.json("--changes")["changes"] if one["engine"] == "dsp"]
    assert {tuple(kinds_of(one)) for one in found} == {("saturator",)}


def test_costs_are_compared_within_one_host(log: Log) -> None:
    """Two hosts by turns, one twice as fast: neither changed, and the turns are no event."""
    for number in range(40):
        steady(log, 1, 100 + number)
        steady(log, 1, 200 + number, 160.0, on=LAPTOP)
    assert log.json("--changes")["changes"] == []
    names = {one["name"] for one in log.json("--changes")["series"]}
    assert {"tcn x_realtime on studio", "tcn x_realtime on laptop"} <= names


def test_a_move_to_a_faster_host_makes_neither_of_them_faster(log: Log) -> None:
    steady(log, 40)
    steady(log, 40, 5, 160.0, on=LAPTOP)
    assert log.json("--changes")["changes"] == []


def test_turns_of_two_hosts_are_no_event(log: Log) -> None:
    for number in range(60):
        host = LAPTOP if number % 2 else STUDIO
        version = "0.3.0" if number >= 30 else "0.1.0"
        steady(log, 1, 100 + number, esr_db=-50.0 + 3 * (number >= 30), on=replace(host, fxd=version))
    found = [one for one in log.json("--changes")["changes"] if one["measure"] == "esr_db"]
    assert [kinds_of(one) for one in found] == [["fxd"]]


def test_known_sounds_are_compared_with_themselves(log: Log) -> None:
    """Sounds differ by 40 dB; one dB of difference of the same sound is seen all the same."""
    rng = np.random.default_rng(0)
    for number in range(120):
        sound = int(rng.integers(20))
        late = number >= 80
        log.add(f"c{sound}", -70.0 + 2 * sound - late, model=STANDARD if late else COMPACT)
    (found,) = [one for one in log.json("--changes")["changes"] if one["measure"] == "esr_db"]
    assert found["where"] == "known sounds"
    assert found["run_id"] == log.runs[80].id
    assert found["after"] - found["before"] == pytest.approx(-1.0)
    assert found["ci95"] == pytest.approx([-1.0, -1.0])
    assert kinds_of(found) == ["model"]


def test_a_sound_that_the_model_has_trained_on_since_is_another_one(log: Log) -> None:
    """The new model does better on what it trained on, and on nothing else: that is no better imitation."""
    log.model(COMPACT, [])
    log.model(STANDARD, [f"c{sound}" for sound in range(0, 20, 2)])
    for number in range(160):
        sound, late = number % 20, number >= 80
        log.add(
            f"c{sound}", -60.0 + sound - 8 * (late and sound % 2 == 0), model=STANDARD if late else COMPACT
        )
    assert [one for one in log.json("--changes")["changes"] if one["where"] == "known sounds"] == []


def test_other_material_is_not_taken_for_another_imitation(log: Log) -> None:
    rng = np.random.default_rng(0)
    for number in range(120):
        log.add(f"c{number}", -50 + float(rng.normal()) + 8 * (number >= 60))
    found = [one for one in log.json("--changes")["changes"] if one["measure"] == "esr_db"]
    assert [(one["where"], kinds_of(one)) for one in found] == [("new sounds", ["sounds"])]
    assert "so it was the sounds that did" in " ".join(log.ask("--changes").split())


def test_a_sound_counts_as_new_once(log: Log) -> None:
    """The same hard sound again and again must not look like worse imitation of new material."""
    for number in range(60):
        log.add(f"c{number}", -50.0 + 0.1 * (number % 7))
    for _ in range(40):
        log.add("hard", -20.0)
    sizes = {one["name"]: one["runs"] for one in log.json("--changes")["series"]}
    assert sizes["tcn esr_db on new sounds"] == 61
    assert sizes["tcn esr_db on known sounds"] == 40
    assert log.json("--changes")["changes"] == []


def test_cold_workers_and_very_short_sounds_do_not_count(log: Log) -> None:
    steady(log, 60)
    for number in range(30):
        log.add(f"cold {number}", -50.0, tcn_x=5.0, dsp_x=50.0, warm_up=True)
        log.add(f"short {number}", -50.0, tcn_x=5.0, dsp_x=50.0, frames=40_000)
    found = log.json("--changes")
    assert found["changes"] == []
    assert {one["name"]: one["runs"] for one in found["series"]}["tcn x_realtime on studio"] == 60


def test_kinds_of_sound_are_not_taken_for_speed(log: Log) -> None:
    """Stereo takes twice the time: first few of them, then many."""
    rng = np.random.default_rng(0)
    for number in range(200):
        stereo = rng.random() < (0.3 if number < 120 else 0.7)
        x = 80.0 * float(np.exp(0.03 * rng.normal())) / (2 if stereo else 1)
        log.add(f"c{number}", -50.0, tcn_x=x, dsp_x=6 * x, channels=2 if stereo else 1)
    assert log.json("--changes")["changes"] == []


def test_a_change_is_measured_on_the_kinds_of_both_sides(log: Log) -> None:
    rng = np.random.default_rng(0)
    for number in range(200):
        stereo, late = rng.random() < (0.3 if number < 120 else 0.7), number >= 120
        x = 80.0 * float(np.exp(0.03 * rng.normal())) / (2 if stereo else 1) * (0.8 if late else 1)
        log.add(f"c{number}", -50.0, tcn_x=x, channels=2 if stereo else 1)
    (found,) = [
        one for one in log.json("--changes")["changes"] if one["series"] == "tcn x_realtime on studio"
    ]
    assert found["after"] / found["before"] == pytest.approx(0.8, rel=0.03)


def test_a_single_slow_run_is_named_and_is_no_change(log: Log) -> None:
    steady(log, 60)
    log.add("hiccup:bell:\x1b[31m", -50.0, tcn_x=8.0, dsp_x=600.0)
    steady(log, 30, 5)
    found = log.json("--changes")
    assert found["changes"] == []
    slow = [one for one in found["outliers"] if one["series"] == "tcn x_realtime on studio"]
    assert [(one["file"], round(one["value"], 2)) for one in slow] == [("hiccup:bell:\x1b[31m.wav", 8.0)]
    told = log.ask("--changes")
    assert r"Single outlier, no change: hiccup:bell:\x1b[31m.wav" in told
    assert "\x1b" not in told


def test_a_change_is_confirmed_when_its_level_has_lasted_for_a_segment(log: Log) -> None:
    steady(log, 60)
    steady(log, SEGMENT - 1, 5, 40.0)
    assert log.json("--changes")["changes"] == []
    steady(log, 1, 9, 40.0)
    assert len(log.json("--changes")["changes"]) == 2


def test_a_change_keeps_its_id_and_its_acceptance_as_runs_come(log: Log) -> None:
    steady(log, 60)
    steady(log, 15, 5, 60.0)
    first = next(one for one in log.json("--changes")["changes"] if one["measure"] == "x_realtime")
    assert "Expected: tcn got" in log.ask("--accept", str(first["id"]), "--note", "debug\x1b \udcffbuild")
    steady(log, 40, 9, 60.0)
    again = next(one for one in log.json("--changes")["changes"] if one["id"] == first["id"])
    assert again["note"] == "debug\x1b \\xffbuild"
    assert again["accepted_at"] is not None
    assert again["found_at"] == first["found_at"]
    assert r"(expected: debug\x1b \xffbuild)" in " ".join(log.ask("--changes").split())
    assert "Its note stays: debug" in log.ask("--accept", str(first["id"]))
    told = log.ask("--accept", str(first["id"]), "--note", "release")
    assert "Its note is release, in place of: debug" in told
    assert "Not expected: tcn got" in log.ask("--unaccept", str(first["id"]))
    again = next(one for one in log.json("--changes")["changes"] if one["id"] == first["id"])
    assert (again["note"], again["accepted_at"]) == ("", None)


def test_another_number_of_runs_is_told_and_not_remembered(log: Log) -> None:
    steady(log, 60)
    steady(log, 30, 5, 60.0)
    unknown = log.json("--changes", "--last", "80")["changes"]
    assert {one["id"] for one in unknown} == {None}
    known = {one["series"]: one["id"] for one in log.json("--changes")["changes"]}
    again = log.json("--changes", "--last", "80")["changes"]
    assert {one["series"]: one["id"] for one in again} == known
    assert log.json("--changes", "--last", "20")["changes"] == []
    assert len(log.json("--changes")["changes"]) == len(known), "a short look forgets nothing"


def test_the_first_runs_of_a_longer_log_are_too_few_to_take_a_change_back(log: Log) -> None:
    steady(log, 100)
    log.ask("--last", "1")
    with open_store(log.url) as store:
        assert look(store, 200).since == log.runs[0].finished_at
        assert look(store, 80).since == log.runs[28].finished_at


def test_the_true_moment_lies_where_it_is_said_to_be() -> None:
    hits = []
    for seed in range(100):
        raw = np.random.default_rng(seed).normal(size=200)
        raw[120:] += 1.2
        series = Series("tcn", "esr_db", "new sounds", np.arange(200), raw, np.zeros(200, np.intp))
        for cut in find_changes([raw], [0.5])[0][:1]:
            reach = uncertainty(series, 0, cut.index, 200)
            hits.append(abs(cut.index - 120) <= reach)
            assert reach < 30
    assert sum(hits) >= 0.93 * len(hits)
    assert len(hits) >= 90


def test_an_empty_or_a_short_log_says_what_is_missing(log: Log) -> None:
    assert "No runs yet" in log.ask("--changes")
    assert log.json("--changes") == {"runs": 0, "series": [], "changes": [], "outliers": []}
    log.fail(30)
    assert "0 runs are too few" in " ".join(log.ask("--changes").split())
    steady(log, 19)
    assert "19 runs are too few to tell changes from chance" in " ".join(log.ask("--changes").split())
    steady(log, 10, 5)
    assert "No changes." in log.ask("--changes")


def test_a_tcn_that_was_missing_for_a_while_does_no_harm(log: Log) -> None:
    steady(log, 30, model=None)
    steady(log, 30, 5)
    log.add("silent", float("nan"))
    log.add("perfect", float("-inf"))
    assert log.json("--changes")["changes"] == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--changes", "--csv"), "--changes and --csv do not go together"),
        (("--changes", "--accept", "1"), "do not go together"),
        (("--accept", "1", "--json"), "--accept and --json do not go together"),
        (("--unaccept", "1", "--note", "x"), "--unaccept and --note do not go together"),
        (("--note", "x"), "--note goes with --accept"),
    ],
)
def test_options_that_do_not_go_together_are_named(log: Log, arguments: tuple[str, ...], said: str) -> None:
    assert said in log.ask(*arguments, code=2)


def test_an_id_that_is_not_known_is_named(log: Log) -> None:
    for option in ("--accept", "--unaccept"):
        assert "7: no change has this id; `fxd stats --changes` lists them" in log.ask(option, "7", code=1)
        assert option in log.ask(option, str(2**63), code=2)


@pytest.mark.parametrize(
    ("series", "before", "after", "said"),
    [
        ("tcn x_realtime on st udio", 82.1, 72.3, "tcn got 12 % slower on st udio from"),
        ("dsp cpu_per_second on a\x1b", 0.0015, 0.0018, r"dsp took 20 % more processor time on a\x1b from"),
        ("tcn esr_db on known sounds", -50.0, -52.1, "tcn got 2.1 dB closer on known sounds from"),
        ("tcn mrstft on new sounds", 0.2, 0.25, "tcn got 25 % worse in its spectra on new sounds from"),
    ],
)
def test_a_change_is_one_plain_sentence(series: str, before: float, after: float, said: str) -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    step = after - before
    told = sentence(Change(series, "r", at, at, at, before, after, 0.9 * step, 1.1 * step, 1e-5, at))
    assert told.startswith(said)
    assert "\x1b" not in told
    assert "95 % interval of the difference" in told


def test_medians_of_kinds() -> None:
    values, kinds = np.array([1.0, 9.0, 2.0, 4.0, 7.0]), np.array([0, 2, 0, 0, 2])
    assert list(medians(values, kinds)[[0, 2]]) == [2.0, 8.0]
    assert np.isnan(medians(values, kinds, 5)[[1, 3, 4]]).all()


def test_lengths_are_classed_by_fours() -> None:
    assert list(length_classes(np.array([1.0, 3.9, 4.1, 15.0, 70.0]))) == [0, 0, 1, 1, 3]
