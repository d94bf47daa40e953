"""`fxd bench` as a person or a script runs it."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import soundfile
from homes import Home
from rich.console import Console

from fxd.cli import run
from fxd.config import load_settings
from fxd.home import make_home
from fxd.insight.bench.compare import compare_benches
from fxd.insight.bench.contenders import LONG_BLOCK, RATE
from fxd.insight.bench.extent import Extent
from fxd.insight.bench.figures import ENOUGH, figure
from fxd.insight.bench.measure import run_bench
from fxd.insight.bench.readme import BEGIN, END, with_tables
from fxd.insight.bench.report import facts, markdown, print_bench, print_comparison
from fxd.insight.bench.sections import sections
from fxd.store.records import Bench
from fxd.store.store import Store, open_store

TESTS = Path(__file__).parents[1]
README = TESTS.parent / "README.md"


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory, clips: list[Path]) -> Iterator[tuple[Home, str, str]]:
    """A home in which one bench was made: with what it printed and what it told meanwhile."""
    root = tmp_path_factory.mktemp("benched") / "home"
    make_home(root)
    home = Home(root)
    done = home.fxd(
        "bench",
        "--quick",
        "--repetitions",
        "2",
        "--preset",
        "nano",
        "--preset",
        "compact",
        "--json",
        clips[7],
        clips[17],
    )
    yield home, done.stdout, done.stderr


@pytest.fixture(scope="module")
def document(benched: tuple[Home, str, str]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(benched[1])
    return parsed


@pytest.fixture
def store(benched: tuple[Home, str, str]) -> Iterator[Store]:
    with open_store(load_settings(benched[0].root).database_url) as opened:
        yield opened


def test_json_is_what_the_schema_says(document: dict[str, Any]) -> None:
    schema = json.loads((TESTS / "bench.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema, format_checker=jsonschema.FormatChecker())


def test_what_cannot_be_kept_is_printed_all_the_same(
    benched: tuple[Home, str, str],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = benched[0].root
    (measured,) = store.benches(1)
    monkeypatch.setattr("fxd.insight.bench.measure.run_bench", lambda *_: measured)
    monkeypatch.setattr("fxd.store.sqlite.BUSY_SECONDS", 0.01)
    lock = sqlite3.connect(root / "db" / "fxd.sqlite3", isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    code = run(["--home", str(root), "bench", "--json"])
    lock.close()
    printed = capsys.readouterr()
    assert code == 1
    assert json.loads(printed.out) == measured.document
    assert "locked" in printed.err


def test_every_engine_preset_and_form_is_in_it(document: dict[str, Any]) -> None:
    speeds = {(row["subject"], row["form"]) for row in document["speed"]}
    networks = ("kernel", "pytorch", "pytorch-mm", "onnxruntime")
    assert speeds == {
        *((preset, form) for preset in ("nano", "compact") for form in networks),
        *(("none", form) for form in ("kernel", "scipy", "pedalboard")),
        ("on", "kernel"),
    }
    assert all(row["x_realtime"]["n"] == 2 for row in document["speed"])
    assert document["missing"] == []
    assert [row["origin"] for row in document["models"]] == ["factory", "factory"]
    assert [file["file"] for file in document["material"]["files"]] == ["loop_amen.flac", "perc_bell.flac"]
    libraries = document["environment"]["libraries"]
    assert {"onnxruntime", "pedalboard", "torch", "numba", "scipy"} <= libraries.keys()


def test_models_are_judged_by_what_they_never_heard(document: dict[str, Any]) -> None:
    assert [row["name"] for row in document["outputs"][:2]] == ["on", "none"]
    assert ["nano" in row["name"] or "compact" in row["name"] for row in document["outputs"][2:]] == [
        True,
        True,
    ]
    for tcn in document["outputs"][2:]:
        assert tcn["quality"]["unheard"]["files"] == 2  # neither clip was in its training
        assert tcn["quality"]["unheard"]["esr_db"] < -20


def test_progress_is_told_in_lines_apart_from_the_result(benched: tuple[Home, str, str]) -> None:
    lines = benched[2].splitlines()
    phases = [line.partition("%")[2].strip() for line in lines]
    assert phases == [
        "reading the files",
        "compiling and warming up",
        "round 1",
        "round 2",
        "latency",
        "outputs",
        "aliases",
    ]
    shares = [int(line.partition("%")[0]) for line in lines]
    assert shares == sorted(shares)
    assert shares[-1] <= 100


def test_a_bench_is_kept_as_it_was_printed(
    benched: tuple[Home, str, str], document: dict[str, Any], store: Store
) -> None:
    kept = store.find_bench(document["id"])
    # The store is shared by the tests, and each test that adds benches names its own.
    assert kept.document == document
    listed = benched[0].json("bench", "--list")
    assert document["id"] in [row["id"] for row in listed]
    assert document["id"] in benched[0].fxd("bench", "--list").stdout


def test_the_two_newest_are_compared(
    benched: tuple[Home, str, str], document: dict[str, Any], store: Store
) -> None:
    first = store.find_bench(document["id"])
    store.add_bench(faster(first, "20990101-000000-aaaa", 3.0))
    store.add_bench(replace(faster(first, "20990102-000000-bbbb", 1.0), started_at=later(first, 2)))
    home = benched[0]
    compared = home.json("bench", "--compare")
    assert (compared["old"]["id"], compared["new"]["id"]) == ("20990101-000000-aaaa", "20990102-000000-bbbb")
    assert {row["verdict"] for row in compared["rows"]} == {"slower"}
    assert [row["ratio"] for row in compared["rows"]] == pytest.approx([1 / 3] * len(document["speed"]))
    named = home.json("bench", "--compare", "bbbb", "aaaa")
    assert {row["verdict"] for row in named["rows"]} == {"faster"}
    shown = home.fxd("bench", "--compare", "bbbb", "aaaa").stdout
    assert "faster" in shown
    assert "kernels measured in both" in shown


def test_a_quick_bench_is_compared_without_a_verdict(
    benched: tuple[Home, str, str], document: dict[str, Any], store: Store
) -> None:
    store.add_bench(faster(store.find_bench(document["id"]), "20980101-000000-cccc", 3.0))
    shown = benched[0].fxd("bench", "--compare", document["id"], "cccc").stdout
    assert "the old one was quick" in shown
    assert "run both again" in shown
    assert shown.count("faster") == 1  # in the title


def later(bench: Bench, days: int) -> Any:
    return bench.started_at + timedelta(days=days)


def faster(bench: Bench, name: str, times: float) -> Bench:
    """The same a day later, whole and on a quiet machine, all contenders that many times as fast."""
    document = json.loads(json.dumps(bench.document))
    for row in document["speed"]:
        value = times * row["x_realtime"]["median"] * 10
        row["x_realtime"] = figure([value] * ENOUGH)
    document["settings"] |= asdict(Extent(repetitions=ENOUGH))
    document["load_before"] = 0.0
    return replace(bench, id=name, started_at=later(bench, 1), document=document)


def test_80_columns_hold_every_table(document: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    # The longest name of a preset.
    document = json.loads(json.dumps(document).replace("compact", "standard"))
    full = document | {"memory": memory_of(document), "workers": document["peak_multiply_adds"]}
    print_bench(Console(width=80), full)
    printed = capsys.readouterr().out
    tables, _, rest = printed.partition(document["environment"]["cpu"])
    assert rest
    lines = [line for line in tables.splitlines() if line.strip()]
    assert max(map(len, lines)) <= 80
    # A title, the columns and a rule for each table: no row was broken into two.
    assert len(lines) == sum(3 + len(section.rows) for section in sections(full))


def test_80_columns_hold_a_comparison(
    store: Store, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    first = store.find_bench(document["id"])
    wide = replace(first, document=json.loads(json.dumps(document).replace("compact", "standard")))
    compared = compare_benches(wide, faster(wide, "20990101-000000-dddd", 3.0))
    for row in compared["rows"]:
        row |= {"ratio": 10.25, "ci95": [10.25, 11.75], "verdict": "unchanged"}
    print_comparison(Console(width=80), compared)
    table = capsys.readouterr().out.split("\n\n")[0].splitlines()
    assert max(map(len, table)) <= 80
    assert len(table) == 3 + len(compared["rows"])  # no row was broken into two


def test_few_repetitions_are_headed_as_a_range(document: dict[str, Any]) -> None:
    assert "| range |" in markdown(document)
    document = document | {"settings": document["settings"] | {"repetitions": 6}}
    assert "| 95 % interval |" in markdown(document)


def test_quick_times_all_of_a_block_that_its_rows_name(document: dict[str, Any]) -> None:
    frames = round(document["settings"]["timed_seconds"] * RATE)
    assert frames >= max(row["block"] or 0 for row in document["speed"]) == LONG_BLOCK


def memory_of(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": row["name"], "ready_bytes": 210_400_000, "peak_bytes": 1_225_100_000}
        for row in document["speed"]
    ]


def test_markdown_has_a_table_for_each_section_and_what_must_be_known(document: dict[str, Any]) -> None:
    models = [dict(row, origin="random") if row["preset"] == "nano" else row for row in document["models"]]
    text = markdown(document | {"models": models})
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 5
    for table in tables:
        assert len({line.count("|") for line in table}) == 1
    assert "nano has no trained model here: timed with random weights, no quality" in text
    assert document["environment"]["cpu"] in text
    assert "pedalboard: a comparable chain, not the same function; no antialiasing" in text
    assert "kernel / this: median of the ratios of each round" in text


def test_what_makes_a_number_worth_less_is_told(document: dict[str, Any]) -> None:
    silent = {**document["material"]["files"][0], "silent": True}
    doubtful = document | {
        "missing": [{"name": "x", "reason": "onnxruntime is not installed: pip install 'fxd[bench]'"}] * 2,
        "material": {**document["material"], "files": [silent]},
        "load_before": 2.0,
        "models": [{**document["models"][1], "learned_these_settings": False}],
        "outputs": [{**document["outputs"][1], "unsupported": ["phone.wav"]}],
    }
    said = "\n".join(facts(doubtful))
    for words in (
        "onnxruntime is not installed: pip install 'fxd[bench]'; left out: 2 contenders",
        "sound: 1 file,",
        "silent, so without an error: loop_amen.flac",
        "the machine was busy when this began (load 2.0)",
        "learned other [saturator] settings",
        "dsp none cannot work on phone.wav",
    ):
        assert words in said


def test_bad_files_and_names_are_told(home: Home, tmp_path: Path) -> None:
    words = tmp_path / "words.wav"
    words.write_text("only words" * 30)
    done = home.fxd("bench", "--quick", "--preset", "nano", words, code=1)
    assert "words.wav: it is not audio" in done.stderr
    assert "Traceback" not in done.stderr
    done = home.fxd("bench", "--quick", "--preset", "nano", tmp_path / "gone.wav", code=1)
    assert "gone.wav: there is no such file" in done.stderr
    assert "Errno" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--compare"], 1, "there is none yet; `fxd bench` makes one"),
        (["--compare", "one"], 2, "--compare takes two benchmarks"),
        (["--compare", "one", "two"], 1, "no benchmark is called that"),
        (["--list", "--quick"], 2, "--list and --quick do not"),
        (["--list", "a.wav"], 2, "--list and FILE do not"),
        (["--compare", "--markdown"], 2, "--compare and --markdown do not"),
        (["--markdown", "--json"], 2, "--json and --markdown do not"),
        (["--repetitions", "1"], 2, "Usage"),
    ],
)
def test_wrong_usage_ends_with_2_and_what_is_not_there_with_1(
    home: Home, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(home.root), "bench", *arguments]) == code
    assert said in capsys.readouterr().err


def test_without_a_benchmark_the_list_says_how_to_make_one(
    home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["--home", str(home.root), "bench", "--list"]) == 0
    assert capsys.readouterr().out == "No benchmark yet: `fxd bench` makes one.\n"


def test_a_file_of_one_frame_and_a_silent_one_are_measured(home: Home, tmp_path: Path) -> None:
    for name, frames in (("frame.wav", 1), ("silent.wav", 9_600)):
        soundfile.write(tmp_path / name, [0.0] * frames, 48_000)
    extent = Extent(repetitions=2, timed_seconds=0.05, sound_seconds=1.0, blocks=10, processes=False)
    files = [tmp_path / "frame.wav", tmp_path / "silent.wav"]
    done = run_bench(load_settings(home.root), files, [], extent, ignore)
    assert [file["silent"] for file in done.document["material"]["files"]] == [True, True]
    assert all(row["x_realtime"]["median"] > 0 for row in done.document["speed"])
    json.dumps(done.document, allow_nan=False)


def ignore(what: str, share: float) -> None:
    """Nobody watches."""


def test_the_tables_go_between_the_markers_of_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    changed = with_tables(text, "| new |\n")
    assert f"{BEGIN}\n\n| new |\n\n{END}" in changed
    assert with_tables(changed, text.partition(BEGIN)[2].partition(END)[0]) == with_tables(
        text, text.partition(BEGIN)[2].partition(END)[0]
    )
    with pytest.raises(ValueError, match="must have one"):
        with_tables("no markers", "| new |")
