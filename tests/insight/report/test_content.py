"""What a report says: of an empty log, of few runs and of many, of what is missing and of what lies."""

import json
import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from homes import Home

from fxd.commands import report as command
from fxd.config import load_settings
from fxd.insight.aside import search
from fxd.insight.heard import Heard
from fxd.insight.report import content
from fxd.insight.report.content import Report, Window, gather
from fxd.insight.report.page import render, report_json
from fxd.insight.report.shift import Shift, same_sounds
from fxd.insight.report.then_and_now import told_speed
from fxd.insight.report.verdict import GOOD_DB, doubt_of, tone_of
from fxd.insight.stats import summarise
from fxd.store.records import Change, Environment, LiveSession, Model, Quality, Result, Run

HOSTILE = "<img src=x onerror=alert(1)>$x_1^2$&amp;'\".flac"
MakeRun, MakeResult = Callable[..., Run], Callable[..., Result]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MODEL = "20260301-000000-compact-ab12"
LATER = "20260308-000000-compact-cd34"


@pytest.fixture(autouse=True)
def _search_in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """To begin another one takes a second or two."""
    monkeypatch.setattr(content, "look_aside", search)


@pytest.fixture
def make(make_run: MakeRun, make_result: MakeResult) -> Callable[..., Run]:
    """Makes the run of a file whose error is given, so many hours after the first."""

    def run(number: float, esr_db: float, file: str = "", **fields: Any) -> Run:
        speed, model = fields.pop("speed", 20.0), fields.pop("model", MODEL)
        quality = Quality(10 ** (esr_db / 10), esr_db, 0.001, -esr_db, 0.1)
        results = (
            make_result("dsp", engine_seconds=0.01),
            make_result("tcn", engine_seconds=5 / speed, quality=quality, version=model),
        )
        at = NOON + timedelta(hours=number)
        file = file or f"take {number:g}.wav"
        values = {"finished_at": at, "results": results, "content_sha256": f"content of {file}"}
        return make_run(file, **(values | fields))

    return run


def model(name: str = MODEL, trained_on: tuple[str, ...] = (), **fields: Any) -> Model:
    values = {"created_at": NOON, "preset": "compact", "sample_rate": 48_000, "settings_hash": "5a77"}
    values |= {"parent": None, "origin": "trained", "train_seconds": 600.0, "steps": 10, "weights": 4218}
    details = {"trained_on": list(trained_on), "scores": [{}] * 9}
    return Model(name, **(values | {"esr_db": -50.0, "reason": "it was better", "details": details} | fields))


def told(place: Any, *runs: Run, window: Window = Window()) -> Report:  # noqa: B008
    place.store.record_runs([(run, None) for run in runs])
    return gather(place.settings, place.store, window)


def sentences(report: Report) -> str:
    return " ".join(one.text for one in report.verdict)


def test_an_empty_log_is_said_to_be_empty(place: Any) -> None:
    report = told(place)
    assert [one.tone for one in report.verdict] == ["unknown"] * 3
    page = render(report)
    for said in (
        "No runs yet",
        "Nothing was measured yet",
        "No file was compared yet",
        "nothing to listen to yet",
    ):
        assert said in page
    assert "No model served here yet" in page
    assert "<script" not in page, "a script that has nothing to do"
    assert [point.preset for point in report.costs] == ["nano", "feather", "compact", "lite", "standard"]


def test_one_run_is_shown_and_is_too_few_to_judge_by(place: Any, make: MakeRun) -> None:
    report = told(place, make(0, -45.0, "only.wav"))
    assert len(report.error.points) == 1
    assert report.verdict[0].tone == "unknown"
    assert "“only.wav” with -45.0 dB" in sentences(report)
    assert "1 run cannot tell yet" in sentences(report)
    assert "only.wav" in render(report)


def test_runs_of_a_single_engine_have_no_error_to_show(place: Any, make: MakeRun) -> None:
    runs = [make(n, -45.0) for n in range(12)]
    report = told(place, *(replace(run, results=run.results[:1]) for run in runs))
    assert report.error.n == 0
    assert [trend.n for trend in report.speed] == [12, 0]
    page = render(report)
    assert "there is no error to show" in page
    assert "No file was compared yet" in page


def test_a_thousand_failures_are_told_by_their_reasons(place: Any, make: MakeRun, failed_run: Run) -> None:
    kinds = ["it is empty", "<b>it</b> is no audio", *(f"reason {n}" for n in range(20))]
    failed = [
        replace(failed_run, id=f"{n:032x}", file=f"bad {n}.wav", reason=kinds[n % 2 if n < 980 else n - 978])
        for n in range(1000)
    ]
    report = told(place, make(0, -45.0), *failed)
    assert (report.done, report.failed) == (1, 1000)
    assert [one.files for one in report.failures[:2]] == [490, 490]
    assert len(report.failures) == 8
    assert report.verdict[1].text.endswith("; 1,000 runs failed.")
    page = render(report)
    assert "1,000 runs failed" in page
    assert "&lt;b&gt;it&lt;/b&gt; is no audio" in page
    assert "14 more for other reasons" in page


def test_what_a_model_was_trained_on_is_told_apart(place: Any, make: MakeRun) -> None:
    place.store.add_model(model(trained_on=tuple(f"content of take {n}.wav" for n in range(6))))
    report = told(place, *(make(n, -70.0 if n < 6 else -45.0 - n) for n in range(12)))
    assert [point.heard for point in report.error.points] == [Heard.YES] * 6 + [Heard.NO] * 6
    assert (sum(report.distribution.heard), sum(report.distribution.new)) == (6, 6)
    assert "-53.5 dB in the median of 6 files that its model never heard" in report.verdict[0].text
    assert report.verdict[0].tone == "good"
    assert report.distribution.heard_summary.median == -70
    assert report.models[0].new_files_esr_db == pytest.approx(-53.5)


def test_why_a_model_serves_again_is_told_beside_why_it_was_made(place: Any, make: MakeRun) -> None:
    place.store.add_model(model(reason="no better than the one that serves"))
    place.store.promote(MODEL, "chosen <by> hand", NOON)
    page = render(told(place, make(1, -50.0)))
    assert "no better than the one that serves; served from 2026-03-01 " in page
    assert ": chosen &lt;by&gt; hand</dd>" in page


@pytest.mark.parametrize(("esr_db", "tone"), [(-55.0, "good"), (-30.0, "fair"), (-12.0, "poor")])
def test_how_good_is_good_enough(place: Any, make: MakeRun, esr_db: float, tone: str) -> None:
    place.store.add_model(model())
    assert told(place, *(make(n, esr_db) for n in range(6))).verdict[0].tone == tone


@pytest.mark.parametrize(
    ("errors", "tone", "doubt"),
    [
        ([-45.0] * 5, "unknown", ""),
        ([-45.0] * 6, "good", ""),
        ([-50.0] * 5 + [-30.0] * 4, "good", "the interval reaches above -40 dB"),
        ([-50.0] * 10 + [-30.0] * 3, "good", "of so few files as many would be below by chance"),
        ([-50.0] * 4 + [-30.0] * 5, "fair", "the interval reaches below -40 dB"),
        ([-50.0] * 3 + [-30.0] * 20, "fair", ""),
    ],
)
def test_what_is_not_certain_of_the_error_is_known(errors: list[float], tone: str, doubt: str) -> None:
    summary = summarise(errors)
    assert tone_of(summary) == tone
    said = doubt_of(summary, np.array(errors) - GOOD_DB)
    assert said.endswith(doubt)
    assert bool(said) == bool(doubt)


def test_a_good_median_that_is_not_certain_is_no_good_verdict(place: Any, make: MakeRun) -> None:
    place.store.add_model(model())
    first = told(place, *(make(n, -50.0 if n < 5 else -30.0) for n in range(9))).verdict[0]
    assert first.text.startswith("Probably: "), first.text
    assert first.text.endswith("; that is not certain, as the interval reaches above -40 dB."), first.text
    assert first.tone == "fair"


def test_good_figures_on_known_sounds_alone_are_no_good_verdict(place: Any, make: MakeRun) -> None:
    place.store.add_model(model(trained_on=tuple(f"content of take {n}.wav" for n in range(9))))
    first = told(place, *(make(n, -70.0) for n in range(9))).verdict[0]
    assert first.tone == "fair"
    assert "all of which its model was trained on or may have been, which flatters it" in first.text


def test_the_ten_worst_files_are_judged_by_their_newest_runs(place: Any, make: MakeRun) -> None:
    old = [make(n, -10.0, f"{n}.wav") for n in range(15)]
    new = [make(100 + n, -40.0 - n, f"{n}.wav") for n in range(15)]
    report = told(place, *new, *old)
    assert [row.file for row in report.worst] == [f"{n}.wav" for n in range(10)]
    assert {row.runs for row in report.worst} == {2}
    assert report.files == 15


def test_the_kind_of_sound_that_is_hardest_is_named(place: Any, make: MakeRun) -> None:
    rates = [96_000 if n % 3 == 0 else 48_000 for n in range(60)]
    rng = np.random.default_rng(1)
    errors = [(-38.0 if rate == 96_000 else -55.0) + rng.normal() for rate in rates]
    runs = [make(n, errors[n], sample_rate=rates[n], frames=5 * rates[n]) for n in range(60)]
    text = told(place, *runs).verdict[1].text
    assert "files at 96 kHz are hardest" in text
    assert "(99 % interval 16" in text


def test_no_kind_of_sound_is_blamed_for_chance(place: Any, make: MakeRun) -> None:
    rng = np.random.default_rng(2)
    runs = [make(n, -50 + 3 * rng.normal(), channels=1 + n % 2) for n in range(60)]
    assert "hardest" not in told(place, *runs).verdict[1].text


def test_five_files_are_too_few_to_blame_a_kind_of_sound_that_seems_harder(place: Any, make: MakeRun) -> None:
    mono = [make(n, error, channels=1) for n, error in enumerate((-60.0, -52.0, -45.0, -44.0, -43.0))]
    stereo = [make(10 + n, -61.0 + n) for n in range(21)]
    assert "hardest" not in told(place, *mono, *stereo).verdict[1].text


def test_better_is_told_on_the_same_sounds_since_the_promotion(place: Any, make: MakeRun) -> None:
    for name in (MODEL, LATER):
        place.store.add_model(model(name))
        place.store.promote(name, "it was better", NOON + timedelta(hours=-1 if name == MODEL else 11.5))
    rng = np.random.default_rng(3)
    before = [make(n, -45.0 + n, f"{n}.wav") for n in range(12)]
    after = [make(12 + n, -47.0 + n + rng.normal() / 9, f"{n}.wav", model=LATER) for n in range(12)]
    report = told(place, *before, *after)
    text = report.verdict[2].text
    assert text.startswith("Since model compact-cd34 serves (")
    assert "the error is 2.0 dB lower" in text
    assert "on the same 12 sounds" in text
    promotion, change = report.marks
    assert (promotion.kind, promotion.text) == ("promotion", "model compact-cd34 serves: it was better")
    assert (change.kind, "tcn got 2.0 dB closer" in change.text) == ("change", True)
    assert "model compact-cd34 serves: it was better" in render(report)


def test_of_several_models_the_last_is_compared_with_the_one_before_it(place: Any, make: MakeRun) -> None:
    names = (MODEL, LATER, LATER.replace("cd34", "ef56"))
    for number, name in enumerate(names):
        place.store.add_model(model(name))
        place.store.promote(name, "it was better", NOON + timedelta(hours=12 * number - 0.5))
    runs = [make(n, -40.0 - 3 * (n // 12), f"{n % 12}.wav", model=names[n // 12]) for n in range(36)]
    text = told(place, *runs).verdict[2].text
    assert text.startswith("Since model compact-ef56 serves (")
    assert "the error is 3.0 dB lower" in text


def test_of_what_happened_between_two_runs_nothing_is_lost(place: Any, make: MakeRun) -> None:
    between = LATER.replace("cd34", "ef56")
    for name, hours in ((MODEL, -1.0), (between, 11.4), (LATER, 11.5)):
        place.store.add_model(model(name))
        place.store.promote(name, "it was better", NOON + timedelta(hours=hours))
    runs = [make(n, -45.0 + n, f"{n}.wav") for n in range(12)]
    for n in range(12):
        run = make(12 + n, -47.0 + n, f"{n}.wav", model=LATER)
        dsp, tcn = run.results
        runs.append(replace(run, results=(replace(dsp, version="6b88"), tcn)))
    text = told(place, *runs).verdict[2].text
    assert text.startswith("Since model compact-cd34 serves and other [saturator] settings (2 March 2026)")
    assert "the error is 2.0 dB lower" in text


def test_sounds_that_the_new_model_trained_on_do_not_make_it_better(place: Any, make: MakeRun) -> None:
    place.store.add_model(model(MODEL))
    place.store.add_model(model(LATER, trained_on=tuple(f"content of {n}.wav" for n in range(10))))
    for name, hours in ((MODEL, -1.0), (LATER, 23.5)):
        place.store.promote(name, "it was better", NOON + timedelta(hours=hours))
    before = [make(n, -45.0 + n / 4, f"{n}.wav") for n in range(20)]
    trained = [make(24 + n, -80.0, f"{n}.wav", model=LATER) for n in range(10)]
    new = [make(34 + n, -44.0 + n / 4, f"{n}.wav", model=LATER) for n in range(10, 20)]
    said = told(place, *before, *trained).verdict[2].text
    assert "too few files that their model never heard were compared" in said
    said = told(place, *new).verdict[2].text
    assert "the error is 1.0 dB higher (95 % interval +1.0 to +1.0, on the same 10 sounds)" in said


def test_a_change_at_the_edge_of_the_newest_runs_is_told_once(
    place: Any, make: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.store.record_run(make(0, -40.0, id="1"), None)
    moments = [NOON + timedelta(hours=hours) for hours in (0, 5, 9)]
    old, known = (
        Change("tcn esr_db", "1", at, NOON, moments[2], -40.0, after, 1.0, 9.0, 0.001, NOON)
        for at, after in ((moments[0], -50.0), (moments[1], -35.0))
    )
    place.store.remember_changes([old, known], NOON)
    # Looked at again, with fewer runs before it, it is found a little later.
    found = replace(known, at=moments[2])
    monkeypatch.setattr(content, "look_aside", lambda _url: ((found,), moments[2] - timedelta(hours=1)))
    assert [one.at for one in content.changes_of(place.settings, place.store)] == [moments[2], moments[0]]


def test_the_model_that_serves_now_is_judged_alone(place: Any, make: MakeRun) -> None:
    newest = "20260315-000000-compact-ef56"
    for name, hour in ((MODEL, -1.0), (LATER, 19.5), (newest, 39.5)):
        place.store.add_model(model(name))
        place.store.promote(name, "it was better", NOON + timedelta(hours=hour))
    first, _, third = told(
        place,
        *(make(n, -50.0) for n in range(20)),
        *(make(20 + n, -52.0, model=LATER) for n in range(20)),
        *(make(40 + n, -20.0, model=newest) for n in range(4)),
    ).verdict
    assert first.tone == "unknown"
    assert "Too early to tell: by model compact-ef56, as it serves now, 4 files" in first.text
    assert (
        "before, the error of the imitation was -51.0 dB in the median of 40 files that their models"
        in first.text
    )
    assert third.text.startswith("Since model compact-cd34 serves (2 March 2026 until 3 March 2026), ")
    assert third.text.endswith("; what came after that has 4 runs, too few to tell.")
    assert third.tone == "fair"
    first, _, third = told(place, *(make(44 + n, -20.0, model=newest) for n in range(8))).verdict
    assert first.text.startswith("No: the error of the imitation is -20.0 dB in the median of 12 files")
    assert third.text.startswith("Since model compact-ef56 serves (3 March 2026), the error is ")
    assert third.tone == "poor"


def test_a_return_to_earlier_settings_and_versions_is_marked(place: Any, make: MakeRun) -> None:
    newer = replace(make(0, -50.0).environment, fxd="0.2.0")
    there = (10, 11, 12, 13, 15, 16, 17, 18)  # 14 was begun before
    runs = [make(n, -50.0, **({"environment": newer} if n in there else {})) for n in range(40)]
    other = [replace(runs[n].results[0], version="6b88") for n in range(40)]
    for n in there:
        runs[n] = replace(runs[n], results=(other[n], runs[n].results[1]))
    marks = told(place, *runs).marks
    assert [(mark.kind, mark.at, mark.text) for mark in marks if mark.kind != "change"] == [
        ("settings", runs[10].finished_at, "other [saturator] settings"),
        ("environment", runs[10].finished_at, "fxd 0.1.0 → 0.2.0"),
        ("settings", runs[19].finished_at, "other [saturator] settings"),
        ("environment", runs[19].finished_at, "fxd 0.2.0 → 0.1.0"),
    ]


def test_turns_of_two_machines_are_marked_once_and_changes_of_one_only_on_its_own_speed(
    place: Any, make: MakeRun
) -> None:
    laptop = Environment("laptop", "M4", 8, 1, "3.12.1", "0.1.0", {"numpy": "2.4.6"})
    report = told(
        place,
        *(make(2 * n, -50.0) for n in range(60)),
        *(make(2 * n + 1, -50.0, speed=40 if n < 30 else 20, environment=laptop) for n in range(59)),
    )
    kinds = [(mark.kind, mark.of) for mark in report.marks]
    assert kinds == [("environment", ""), ("change", "elsewhere")]
    assert report.machine is not None
    assert report.machine.host == "studio"
    assert "laptop" in report.marks[1].text
    assert "<title>2: tcn" not in render(report)


def test_worse_and_slower_are_told_as_such(place: Any, make: MakeRun) -> None:
    rng = np.random.default_rng(4)
    runs = [
        make(n, (-50.0 if n < 20 else -45.0) + rng.normal() / 4, speed=(60 if n < 20 else 40) + rng.normal())
        for n in range(40)
    ]
    place.store.add_model(model())
    third = told(place, *runs).verdict[2]
    assert third.tone == "poor"
    assert "dB higher" in third.text
    assert "the network is slower (0.6" in third.text
    assert "on other files than before" in third.text


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.98, 1.03, "the speed is about the same"),
        (0.62, 1.81, "the speed is the same within what can be told"),
        (1.02, 3.44, "the network is faster, by how much is open"),
        (0.5, 0.97, "the network is slower, by how much is open"),
        (1.06, 1.2, "the network is faster ("),
        (0.5, 0.94, "the network is slower ("),
    ],
)
def test_what_is_said_of_a_speed_agrees_with_its_interval(low: float, high: float, said: str) -> None:
    shift = Shift(math.log((low + high) / 2), math.log(low), math.log(high), 9, 9, paired=False)
    assert told_speed(shift).startswith(said)


def test_a_change_of_speed_is_told_by_what_happened_then(place: Any, make: MakeRun) -> None:
    for name in (MODEL, LATER):
        place.store.add_model(model(name))
        place.store.promote(name, "it was better", NOON + timedelta(hours=-1 if name == MODEL else 39.5))
    updated = Environment("studio", "Zen 4", 2, 2, "3.11.7", "0.2.0", {"numpy": "2.4.6"})
    runs = [make(n, -50.0, speed=60) for n in range(20)]
    runs += [make(20 + n, -50.0, speed=45, environment=updated) for n in range(20)]
    runs += [make(40 + n, -55.0, speed=45, environment=updated, model=LATER) for n in range(20)]
    report = told(place, *runs)
    text = report.verdict[2].text
    assert text.startswith("Since model compact-cd34 serves (")
    assert "the error is 5.0 dB lower" in text
    assert "; since fxd 0.1.0 → 0.2.0 (" in text
    assert text.endswith("the network is slower (0.75 times as fast, 0.75 to 0.75).")
    kinds = [(mark.kind, mark.of) for mark in report.marks]
    assert kinds == [("environment", ""), ("change", "speed"), ("promotion", ""), ("change", "error")]
    slower, closer = report.marks[1], report.marks[3]
    assert slower.at == runs[20].finished_at
    assert "got 25 % slower" in slower.text
    assert "at that moment fxd went from 0.1.0 to 0.2.0" in slower.text
    assert "got 5.0 dB closer" in closer.text
    page = render(report)
    assert [page.count(f">{number}: tcn got") for number in (2, 4)] == [2, 2], (
        "each in one picture of two widths"
    )


def test_timings_of_two_machines_are_never_compared(place: Any, make: MakeRun) -> None:
    elsewhere = Environment("laptop", "M4", 8, 1, "3.12.1", "0.1.0", {"numpy": "2.4.6"})
    runs = [make(n, -50.0, speed=60, environment=elsewhere) for n in range(20)]
    runs += [make(20 + n, -50.0, speed=30) for n in range(20)]
    report = told(place, *runs)
    assert "the network is" not in report.verdict[2].text
    assert [trend.n for trend in report.speed] == [20, 20]
    assert report.machine is not None
    assert report.machine.host == "studio"
    (mark,) = report.marks
    assert "host laptop → studio" in mark.text
    assert [row.environment.host for row in report.environments] == ["studio", "laptop"]


def test_first_runs_of_a_cold_worker_do_not_count_as_slow(place: Any, make: MakeRun) -> None:
    runs = [make(n, -50.0, speed=1 if n % 2 else 50, warm_up=bool(n % 2)) for n in range(20)]
    report = told(place, *runs)
    assert {round(point.value) for point in report.speed[1].points} == {50}


def test_the_same_sound_under_several_names_is_one_file(place: Any, make: MakeRun) -> None:
    place.store.add_model(model())
    copies = [make(n, -20.0, f"copy {n}.wav", content_sha256="c") for n in range(9)]
    report = told(place, *copies, *(make(20 + n, -50.0) for n in range(5)))
    assert "-50.0 dB in the median of 6 files that its model never heard" in report.verdict[0].text
    assert report.verdict[1].text.startswith("1 file of 6 (17 %) is worse")
    assert (report.worst[0].file, report.worst[0].runs) == ("copy 8.wav", 9)
    assert (report.files, sum(report.distribution.new), report.done) == (6, 6, 14)
    assert report.models[0].new_files_esr_db == -50.0


def test_runs_of_an_older_fxd_that_did_not_record_the_sound_are_told_apart_by_name(
    place: Any, make: MakeRun
) -> None:
    runs = [make(n, -50.0 + n, f"{n % 3}.wav", content_sha256=None) for n in range(6)]
    assert [(row.file, row.runs) for row in told(place, *runs).worst] == [
        ("2.wav", 2),
        ("1.wav", 2),
        ("0.wav", 2),
    ]


def test_what_came_again_and_again_weighs_no_more_in_a_comparison(place: Any, make: MakeRun) -> None:
    place.store.add_model(model())
    before = [make(n, -50.0) for n in range(30)]
    again = [make(40 + n, -20.0, "again.wav") for n in range(20)]
    after = [make(60 + n, -50.0) for n in range(10)]
    assert (
        "the error is exactly the same (on other files"
        in told(place, *before, *again, *after).verdict[2].text
    )


def test_sounds_too_short_to_time_are_in_no_figure_of_speed(place: Any, make: MakeRun) -> None:
    clicks = [make(n, -50.0, frames=4_410, speed=2) for n in range(30)]
    report = told(place, *clicks, make(30, -50.0, frames=44_100, speed=50), make(31, -50.0, speed=50))
    assert [point.value for point in report.speed[1].points] == [10, 50]
    assert report.environments[0].x_realtime["tcn"] == 30
    assert "sounds of less than a second are left out, and so are first runs" in render(report)
    assert report.error.n == 32, "their error is as good as any"


def test_a_page_of_cold_runs_alone_says_so(place: Any, make: MakeRun) -> None:
    page = render(told(place, make(0, -50.0, warm_up=True)))
    assert "first runs of a cold worker, which are slow, are all there is" in page


def test_many_runs_are_drawn_by_time(place: Any, make: MakeRun) -> None:
    rng = np.random.default_rng(5)
    errors = -50 + rng.normal(size=600)
    report = told(place, *(make(n, errors[n]) for n in range(600)))
    assert report.error.points == ()
    assert 100 <= len(report.error.bins) <= 120
    assert sum(one.n for one in report.error.bins) == 600
    first = report.error.bins[0]
    low, median, high = np.percentile(errors[: first.n], (25, 50, 75))
    assert (first.low, first.median, first.high) == pytest.approx((low, median, high))
    assert "Median by time" in render(report)


def test_an_error_of_zero_and_one_without_bounds_can_be_drawn(place: Any, make: MakeRun) -> None:
    errors = [-math.inf, math.nan, math.inf, -50.0]
    report = told(place, *(make(n, error) for n, error in enumerate(errors)))
    assert report.files == 2, "without a number there is nothing to compare"
    assert "<svg" in render(report)
    json.dumps(report_json(report), allow_nan=False)


@pytest.mark.parametrize(
    ("window", "files"), [(Window(last=4), 3), (Window(since=NOON + timedelta(hours=7)), 3)]
)
def test_a_window_leaves_out_what_is_older(
    place: Any, make: MakeRun, failed_run: Run, window: Window, files: int
) -> None:
    runs = [make(n, -50.0) for n in range(10)]
    failed = [replace(failed_run, id=str(n), finished_at=NOON + timedelta(hours=n)) for n in (0.5, 8.5)]
    report = told(place, *runs, *failed, window=window)
    assert (report.done, report.failed) == (files, 1)


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (Window(), "1 March 2026."),
        (Window(last=1), "; asked for: the newest run."),
        (Window(last=4), "; asked for: the newest 4 runs."),
        (Window(since=NOON + timedelta(hours=1)), "; asked for: since 2026-03-01 08:00."),
        (Window(NOON + timedelta(hours=1), 4), "; asked for: the newest 4 runs since 2026-03-01 08:00."),
    ],
)
def test_the_page_tells_which_runs_were_asked_for(
    place: Any, make: MakeRun, window: Window, said: str, local_clock: Callable[[str], None]
) -> None:
    local_clock("America/New_York")
    report = told(place, *(make(n, -50.0) for n in range(6)), window=window)
    lead = render(report).partition('<p class="lead">')[2].partition("</p>")[0]
    assert " ".join(lead.split()).endswith(said)
    assert report_json(report)["asked"]["last"] == window.last


@pytest.mark.parametrize(
    ("hours", "said"),
    [((13, 18), "1 March 2026 to 2 March 2026."), ((9, 13), ", 1 March 2026.")],
    ids=["one day in UTC", "two days in UTC"],
)
def test_days_are_those_of_the_local_clock(
    place: Any, make: MakeRun, hours: tuple[int, ...], said: str, local_clock: Callable[[str], None]
) -> None:
    local_clock("America/New_York")
    page = render(told(place, *(make(n, -50.0) for n in hours)))
    lead = page.partition('<p class="lead">')[2].partition("</p>")[0]
    assert " ".join(lead.split()).endswith(said)


def test_names_are_never_markup_or_mathematics(place: Any, make: MakeRun) -> None:
    name = "$\\frac{a$ <script>alert(1)</script> 日本\x1b[31m \udcff.wav"
    place.store.add_model(model(reason="</dl><script>alert(2)</script>"))
    page = render(told(place, *(make(n, -30.0, name if n == 3 else "") for n in range(8))))
    assert "<script" not in page.partition("</head>")[2]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 日本\\x1b[31m \\xff.wav" in page
    assert "&lt;script&gt;alert(2)" in page


def test_the_json_tells_the_same_without_the_sounds(heard: Home) -> None:
    found = heard.json("report")
    assert found["verdict"][0]["question"] == "Is it good enough?"
    assert found["done"] == 4
    assert found["failed"] == 1
    assert len(found["worst"]) == 3, "the silent file has no error"
    assert found["listening"]["audio"] == "none"


def test_a_place_that_takes_no_page_is_told_before_the_page_is_made(
    heard: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gather(*_: object) -> None:
        raise AssertionError("the page was made first")

    monkeypatch.setattr(command, "gather", gather)
    with pytest.raises(OSError, match=r"cannot be written: .*; name another file with -o"):
        command.report(
            load_settings(heard.root), Path("/proc/report.html"), Window(None, None), 1, "none", False
        )


@pytest.mark.long
def test_a_page_is_written_whole_over_an_older_one_and_over_nothing_else(heard: Home, tmp_path: Path) -> None:
    mine = tmp_path / "mine.html"
    mine.write_text("<p>my own page</p>")
    assert "is no report of fxd's" in heard.fxd("report", "--no-audio", "-o", mine, code=1).stderr
    assert mine.read_text() == "<p>my own page</p>"
    assert "is a folder" in heard.fxd("report", "--no-audio", "-o", tmp_path, code=1).stderr
    below = heard.fxd("report", "--no-audio", "-o", mine / "report.html", code=1).stderr
    assert "report.html cannot be written: File exists; name another file with -o" in below
    os.mkfifo(tmp_path / "pipe")
    assert "is no regular file" in heard.fxd("report", "--no-audio", "-o", tmp_path / "pipe", code=1).stderr
    output = tmp_path / "deep" / "report.html"
    output.parent.mkdir()
    (output.parent / ".report.html.123.tmp").write_text("half")  # of one that was killed
    os.utime(output.parent / ".report.html.123.tmp", (0, 0))
    for _ in range(2):
        assert "4 runs" in heard.fxd("report", "--no-audio", "-o", output).stdout
    assert [path.name for path in output.parent.iterdir()] == ["report.html"]
    page = output.read_text(encoding="utf-8")
    assert "made without sounds" in page
    assert "<script" not in page


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--audio", "opus", "--no-audio"], "--audio and --no-audio"),
        (["--audio", "opus", "--json"], "--audio and --json"),
        (["--files", "3", "--no-audio"], "--files and --no-audio"),
        (["--files", "3", "--json"], "--files and --json"),
        (["-o", "report.html", "--json"], "-o and --json"),
        (["--audio", "mp3"], "mp3"),
        (["--since", "soon"], "soon"),
        (["--files", "0"], "--files"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(heard: Home, arguments: list[str], said: str) -> None:
    assert said in heard.fxd("report", *arguments, code=2).stderr


@pytest.mark.long
def test_sounds_that_are_gone_or_replaced_are_not_played(heard: Home, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(heard.root, root)
    home = Home(root)
    result = root / "outbox" / "perc_bell.tcn.wav"
    result.symlink_to(result.rename(tmp_path / "elsewhere.wav"))
    changed = HOSTILE.replace(".flac", ".tcn.wav")
    with (root / "outbox" / changed).open("ab") as file:
        file.write(b"0000")
    output = tmp_path / "report.html"
    home.fxd("report", "-o", output)
    page = output.read_text(encoding="utf-8")
    assert page.count("<article") == 1
    assert "One of 1 file whose" in page
    assert r'<span class="name">caf\xe9.flac</span>' in page
    shutil.rmtree(root / "outbox")
    home.fxd("report", "-o", output)
    assert "None of the files can be listened to" in output.read_text(encoding="utf-8")


def test_sessions_of_playing_live_are_shown_where_they_belong_to_the_window(
    place: Any, make: MakeRun
) -> None:
    here = make(0, -50.0).environment
    for number, (name, device) in enumerate([("old", "attic"), ("new", "<b>card</b>")]):
        loads = (0.021, 0.055, 0.4)
        played = (
            60.0 * number,
            "it was ended with a key",
            here,
            "both",
            None,
            "5a77",
            device,
            48_000,
            64,
            1,
            35,
        )
        counts = (0.004, 100, *loads, 0, 2, 0, 0, 1, "")
        place.store.keep_live_session(LiveSession(name, NOON + timedelta(days=number), *played, *counts))
    report = gather(place.settings, place.store, Window(since=NOON + timedelta(hours=12)), audio="none")
    assert [one.id for one in report.played] == ["new"]
    page = render(report)
    assert "Played live" in page
    assert "&lt;b&gt;card&lt;/b&gt;" in page
    assert ">5.5<" in page
    assert "attic" not in page


@pytest.mark.parametrize("count", [8, 9, 13, 20, 60])
def test_of_equals_hardly_any_are_called_better_or_worse(count: int) -> None:
    rng = np.random.default_rng(count)
    shifts = [same_sounds(rng.normal(size=count)) for _ in range(1_000)]
    assert np.mean([not shift.low <= 0 <= shift.high for shift in shifts]) < 0.06
