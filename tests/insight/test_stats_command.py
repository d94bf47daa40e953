"""`fxd stats` without --by and --compare: which runs, marks, forms, and logs longer than a table."""

import csv
import io
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from logs import COMPACT, LAPTOP, MONDAY, NAN, STANDARD, STUDIO, Log, line_of
from typer.main import get_command

from fxd.cli import app
from fxd.commands import stats as command
from fxd.store.records import LiveSession
from fxd.store.store import open_store

TESTS = Path(__file__).parents[1]
SCHEMA = json.loads((TESTS / "stats.schema.json").read_text())
DOCUMENT = (TESTS.parent / "docs" / "statistics.md").read_text(encoding="utf-8")


def checked(log: Log, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = log.json(*arguments)
    jsonschema.validate(document, SCHEMA, jsonschema.Draft202012Validator)
    return document


def test_every_option_is_documented() -> None:
    options = [name for one in get_command(app).commands["stats"].params for name in one.opts]
    assert "--compare" in options
    for option in set(options) - {"--home", "-h", "--help"}:
        assert f"| `{option}" in DOCUMENT, f"docs/statistics.md does not explain {option}"


def test_every_measure_is_documented(log: Log) -> None:
    log.add()
    for measures in checked(log)["summary"].values():
        assert all(f"`{measure}`" in DOCUMENT for measure in measures)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--csv", "--json"], "--csv and --json do not go together"),
        (["--by", "week", "--compare", "a", "b"], "--by and --compare do not go together"),
        (["--json", "--engine", "tcn"], "--json and --engine go together only with --by"),
        (["--json", "--measure", "esr"], "--json and --measure go together only with --by"),
        (["--by", "month"], "'month' is not one of 'model', 'day'"),
        (["--engine", "vst"], "'vst' is not one of 'dsp', 'tcn'"),
        (["--since", "soon"], "--since 'soon' is no time"),
        (["--measure", "noise"], "--measure 'noise' is not known"),
        (["--compare", "a"], "--compare"),
        (["--last", "0"], "--last"),
    ],
)
def test_what_cannot_be_asked_ends_with_2_and_says_why(log: Log, arguments: list[str], said: str) -> None:
    assert said in " ".join(re.sub("[│╭╮╰╯─]", " ", log.ask(*arguments, code=2)).split())


def test_a_table_of_fifty_runs_is_made_without_anything_heavy(log: Log) -> None:
    for number in range(50):
        log.add(f"{number:02}", day=number)
    log.record()
    script = (
        "import sys; from fxd.cli import run\n"
        f"code = run(['--home', {str(log.root)!r}, 'stats', '--last', '50'])\n"
        "print(code, {'numpy', 'scipy', 'numba', 'torch', 'alembic'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=TESTS.parent, capture_output=True, text=True, check=True
    )
    assert line_of(done.stdout, "tcn", "esr_db").split()[2] == "50"
    assert done.stdout.splitlines()[-1] == "0 set()"


def test_the_newest_twenty_are_told_unless_asked_otherwise(log: Log) -> None:
    for number in range(25):
        log.add(f"{number:02}", day=number)
    assert len(checked(log)["runs"]) == 20
    assert len(checked(log, "--last", "3")["runs"]) == 3
    assert len(checked(log, "--since", "2026-03-04")["runs"]) == 22
    assert len(checked(log, "--since", "2026-03-04", "--last", "2")["runs"]) == 2
    assert "No runs are done since" in log.ask("--since", "1h")


@pytest.mark.parametrize(("columns", "marks"), [("80", ["h", "ch"]), ("100", ["heard", "cold heard"])])
def test_marks_say_which_runs_are_not_like_the_others(
    log: Log, columns: str, marks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    log.model(COMPACT, ["old", "late"])
    log.model(STANDARD, ["new"])
    log.add("old", warm_up=True)
    log.add("new")
    log.add("old", model=STANDARD)
    log.add("late")
    text = log.ask()
    lines = [line.split(maxsplit=8)[7:] for line in text.splitlines() if ".wav" in line]
    assert [word.strip() for word in lines[0]] == ["compact-02bf", marks[0]]
    assert [line[-1].strip() for line in lines[1:3]] == ["standard-a67e", "compact-02bf"]
    assert [word.strip() for word in lines[3]] == ["compact-02bf", marks[1]]
    said = " ".join(text.split())
    assert "2 of the 4 runs listed are of sounds that their models had trained on" in said
    assert "not counted in timing" in said
    assert checked(log)["summary"]["tcn"]["esr_db"]["n"] == 4, "the contract counts them"


def test_a_single_run_of_a_cold_worker_is_said_to_be_counted(log: Log) -> None:
    log.add("alone", warm_up=True)
    assert "counted in timing only as there is no other run" in " ".join(log.ask().split())


def test_where_nothing_is_marked_there_is_no_word_of_marks(log: Log) -> None:
    log.model(COMPACT, [])
    log.add("a")
    text = log.ask()
    assert "heard" not in text
    assert "cold" not in text


def test_one_engine_or_measure_is_told_alone(log: Log) -> None:
    log.add()
    lines = log.ask("--engine", "dsp").split("Together")[1].splitlines()
    assert {line.split()[0] for line in lines if line.startswith(("dsp", "tcn"))} == {"dsp"}
    lines = log.ask("--measure", "rtf").split("Together")[1].splitlines()
    assert [line.split()[:2] for line in lines if line.startswith(("dsp", "tcn"))] == [
        ["dsp", "rtf"],
        ["tcn", "rtf"],
    ]


def test_csv_has_a_row_for_each_run_and_no_formula(log: Log) -> None:
    log.model(COMPACT, ["heard"])
    log.add("heard", NAN, file="=cmd|' /C calc'!A0", warm_up=True)
    log.add("b", -40.0, file="two\nlines, a comma")
    log.fail(1, reason='+1 "quoted"')
    text = log.ask("--csv", "--engine", "tcn", "--measure", "esr_db", "--measure", "esr")
    assert len(text.splitlines()) == 4
    failed, plain, odd = csv.DictReader(io.StringIO(text))
    assert (failed["state"], failed["reason"], failed["tcn_esr_db"]) == ("failed", '\'+1 "quoted"', "")
    assert (plain["file"], plain["tcn_esr_db"], plain["heard"]) == (r"two\x0alines, a comma", "-40.0", "0")
    assert (odd["file"], odd["tcn_esr_db"], odd["heard"]) == ("'=cmd|' /C calc'!A0", "", "1")
    assert (odd["warm_up"], odd["tcn_version"], odd["host"]) == ("1", COMPACT, "studio")
    assert [name for name in odd if name.startswith(("dsp_", "tcn_"))] == [
        "tcn_version",
        "tcn_esr",
        "tcn_esr_db",
    ]


@pytest.fixture
def long(log: Log) -> Log:
    """A log of thirteen runs, some failed, cold, silent or of one engine."""
    for number in range(10):
        log.add(f"{number}", NAN if number == 4 else -30.0 - number, 50.0 + number, warm_up=number == 2)
    log.add("single", model=None)
    log.fail(2)
    return log


@pytest.mark.parametrize("page", [1, 2, 13])
def test_a_log_longer_than_a_page_gives_the_same_json(
    long: Log, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = long.ask("--last", "12", "--json")
    monkeypatch.setattr(command, "PAGE", page)
    assert long.ask("--last", "12", "--json") == whole


def test_a_table_lists_a_page_and_sums_up_all(long: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = long.ask("--last", "13")
    monkeypatch.setattr(command, "PAGE", 5)
    text = long.ask("--last", "13")
    listed = text.split("Failed")[0]
    assert listed.count(".wav") == 5
    assert "and 8 older ones, which --csv and --json list" in text
    sums = [one.split("Together")[1].split("Note")[0] for one in (text, whole)]
    assert sums[0] == sums[1]


@pytest.mark.parametrize("page", [1_000, 3])
def test_timing_of_several_machines_is_told_as_such(
    log: Log, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "PAGE", page)
    said = "timing is of laptop and studio together; `fxd stats --by host` tells it of each"
    log.add("cold", on=LAPTOP, warm_up=True)
    for number in range(5):
        log.add(f"{number}")
    assert said not in " ".join(log.ask().split()), "what a cold worker took is in no figure"
    log.add("warm", on=LAPTOP)
    for number in range(5):
        log.add(f"newer {number}")
    assert said in " ".join(log.ask().split())
    assert said in " ".join(log.ask("--measure", "esr_db", "--measure", "rtf").split())
    assert said not in " ".join(log.ask("--measure", "esr_db").split())
    assert said not in " ".join(log.ask("--last", "4").split())


def test_models_among_runs_that_are_not_listed_are_told_of(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PAGE", 3)
    log.add("old", settings="6b88")
    for number in range(5):
        log.add(f"{number}", model=STANDARD)
    log.add("newest", model=STANDARD)
    said = "these runs span 2 models and 2 saturator settings; the figures together mix them"
    assert said in " ".join(log.ask().split())


def test_sessions_of_playing_are_told_of_the_time_that_was_asked_for(log: Log) -> None:
    facts = (90.0, "", STUDIO, "both", None, "5a77", "card", 48_000, 64, 1, 35, 0.004, 100, 0.02, 0.05, 0.4)
    with open_store(log.url) as store:
        for number in range(3):
            at = MONDAY + timedelta(days=10 * number)
            store.keep_live_session(LiveSession(f"{number}", at, *facts, 0, 2, 0, 0, 1, ""))
    log.add("a", day=1)
    log.add("b", day=12)
    assert "Played live: 3 sessions" in log.ask()
    assert "Played live: 2 sessions" in log.ask("--since", "2026-03-05")
    assert "Played live: 1 session," in log.ask("--since", "2026-03-20"), "where nothing was processed too"
    assert "Played live" not in log.ask("--since", "2026-03-25")


def test_a_thousand_failures_are_told_in_twenty_lines(log: Log) -> None:
    log.fail(1_000, reason="[red]it is \x1b[31mnot audio")
    text = log.ask("--last", "1000")
    assert text.split("Failed")[1].count("not audio") == 20
    assert "and 980 older ones" in text
    assert "\x1b" not in text
    assert "Together" not in text
