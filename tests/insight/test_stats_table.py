import math
from collections.abc import Callable
from io import BytesIO, StringIO, TextIOWrapper

import pytest
from rich.cells import cell_len
from rich.console import Console

from fxd.insight.lines import shorten
from fxd.insight.plain import plain
from fxd.insight.sparkline import LEVEL
from fxd.insight.stats_table import print_stats
from fxd.store.records import Quality, Result, Run

MakeRun = Callable[..., Run]
MakeResult = Callable[..., Result]


def printed(runs: list[Run], width: int = 100) -> str:
    console = Console(file=StringIO(), width=width)
    print_stats(console, runs)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def line_of(text: str, *words: str) -> str:
    """The one line that has all of these words in it."""
    (line,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return " ".join(line.split())


def test_an_empty_home_says_what_to_do() -> None:
    assert printed([]) == "No runs yet. Drop an audio file into the inbox while `fxd start` runs.\n"


def test_a_run_is_one_line(make_run: MakeRun) -> None:
    run = make_run()
    finished = run.finished_at.astimezone().strftime("%Y-%m-%d %H:%M")
    text = printed([run])
    assert line_of(text, "finished") == "finished file length dsp x tcn x ESR dB model"
    assert line_of(text, "sub/riff.wav") == f"{finished} sub/riff.wav 0:05.0 20 20 -35.2 compact-ab12"


def test_a_narrow_terminal_leaves_columns_out_and_numbers_whole(make_run: MakeRun) -> None:
    run = make_run("drums/a long name of a take.wav")
    text = printed([run] * 7, width=40)
    finished = run.finished_at.astimezone().strftime("%Y-%m-%d %H:%M")
    assert f"{finished} drums/…ake.wav -35.2" in {" ".join(line.split()) for line in text.splitlines()}
    assert line_of(text, "tcn", "esr_db") == "tcn esr_db 7 -35.2"
    assert max(map(len, text.splitlines())) <= 40


def test_one_run_has_a_median_but_no_spread(make_run: MakeRun) -> None:
    assert line_of(printed([make_run()]), "tcn", "esr_db") == "tcn esr_db 1 -35.2 – -35.2 –"


def test_several_runs_have_a_spread_and_six_an_interval(make_run: MakeRun, make_result: MakeResult) -> None:
    runs = [
        make_run(results=(make_result("dsp", loudness_lufs=-20.0 - n), make_result("tcn"))) for n in range(7)
    ]
    told, why = printed(runs), "fewer than 6 values have no interval"
    assert line_of(told, "dsp", "loudness_lufs") == "dsp loudness_lufs 7 -23 2.16 -20.3 -25 to -21"
    assert why not in told
    told = printed(runs[:5])
    assert line_of(told, "dsp", "loudness_lufs") == "dsp loudness_lufs 5 -22 1.58 -20.2 –"
    assert why in told


def test_a_failed_run_is_marked_and_its_reason_told(make_run: MakeRun, failed_run: Run) -> None:
    text = printed([make_run(), failed_run])
    assert line_of(text, "broken.wav", "failed").endswith("broken.wav – – – – failed")
    assert failed_run.reason in " ".join(text.split()).replace(" – ", " ")


def test_failed_runs_alone_are_red(make_run: MakeRun, failed_run: Run) -> None:
    console = Console(file=StringIO(), width=100, force_terminal=True, color_system="standard")
    print_stats(console, [make_run("first.wav"), failed_run, make_run("last.wav")])
    assert isinstance(console.file, StringIO)
    table = console.file.getvalue().split("Failed")[0]
    red = [line for line in table.splitlines() if "\x1b[31m" in line]
    assert len(red) == 1
    assert "broken.wav" in red[0]
    assert red[0].startswith("\x1b[31m")
    assert "\x1b[31mfailed" in red[0]


@pytest.mark.parametrize(("encoding", "is_drawn"), [("utf-8", True), ("latin-1", False)])
def test_courses_are_drawn_where_the_terminal_has_the_blocks(
    make_run: MakeRun, encoding: str, is_drawn: bool
) -> None:
    file = TextIOWrapper(BytesIO(), encoding=encoding, errors="backslashreplace")
    print_stats(Console(file=file, width=120, force_terminal=True), [make_run() for _ in range(8)])
    file.seek(0)
    told = file.read()
    assert ("course" in told, LEVEL in told) == (is_drawn, is_drawn)
    assert "\\u2584" not in told


def test_a_figure_just_below_a_thousand_is_written_out(make_run: MakeRun, make_result: MakeResult) -> None:
    run = make_run(results=(make_result("dsp", engine_seconds=5 / 999.7), make_result("tcn")))
    assert line_of(printed([run]), "dsp", "x_realtime") == "dsp x_realtime 1 1,000 – 1,000 –"


def test_only_failed_runs_have_nothing_to_sum_up(failed_run: Run) -> None:
    text = printed([failed_run])
    assert "broken.wav" in text
    assert "median" not in text


def test_a_silent_file_has_dashes_for_numbers(make_run: MakeRun, make_result: MakeResult) -> None:
    nothing = Quality(math.nan, math.nan, 0.0, math.nan, math.nan)
    silent = make_run("silent.wav", results=(make_result("dsp"), make_result("tcn", quality=nothing)))
    text = printed([silent])
    assert line_of(text, "silent.wav").endswith("silent.wav 0:05.0 20 20 – compact-ab12")
    assert line_of(text, "tcn", "mrstft") == "tcn mrstft 0 – – – –"


def test_a_perfect_imitation_is_infinitely_good(make_run: MakeRun, make_result: MakeResult) -> None:
    perfect = Quality(0.0, -math.inf, 0.0, math.inf, 0.0)
    run = make_run("same.wav", results=(make_result("dsp"), make_result("tcn", quality=perfect)))
    assert " -∞ " in line_of(printed([run]), "same.wav")


@pytest.mark.parametrize("width", [80, 100])
def test_no_line_is_too_wide_and_no_number_is_cut(
    width: int, make_run: MakeRun, make_result: MakeResult, failed_run: Run
) -> None:
    long = "a folder/with another in it/and a third one/guitar take 12 [final] (master) v3.wav"
    wide = [
        make_result("dsp", engine_seconds=5e-5, output_bytes=4_000_000_001, peak_dbfs=-123.456),
        make_result(
            "tcn", engine_seconds=0.012345, output_bytes=1, quality=Quality(1.2e-5, -49.2, 1e-5, 49, 1)
        ),
    ]
    runs = [make_run(long), make_run("漢字" * 40 + ".wav"), make_run(frames=44_100 * 36_000), failed_run]
    runs += [make_run("x.wav", results=tuple(wide)) for _ in range(3)]
    text = printed(runs, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert line_of(text, "a f", "v3.wav").count("…") == 1
    assert line_of(text, "漢").count("…") == 1
    assert text.count("…") == 2
    assert line_of(text, "10:00:00")


@pytest.mark.parametrize("name", ["[red]take[/] [1].wav", "[/nothing].wav", ":smile:.wav"])
def test_names_are_not_markup(name: str, make_run: MakeRun) -> None:
    assert name in printed([make_run(name)])
    assert f"{name} cannot be read" in printed([make_run(state="failed", reason=f"{name} cannot be read")])


def test_names_cannot_steer_the_terminal(make_run: MakeRun) -> None:
    run = make_run("\x1b[2J\u202egnp.wav", state="failed", reason="first\nsecond\x07")
    text = printed([run])
    assert r"\x1b[2J\u202egnp.wav" in text
    assert r"first\x0asecond\x07" in text
    assert not set("\x1b\u202e\x07") & set(text)


@pytest.mark.parametrize("width", range(1, 12))
def test_a_name_is_shortened_to_the_width(width: int) -> None:
    for name in ("guitar.wav", "漢字漢字漢字.wav", "a漢b字c漢d字"):
        assert cell_len(shorten(name, width)) <= width
        assert shorten(name, 50) == name


def test_plain_text_stays_as_it_is() -> None:
    assert plain("Größe 漢字 🎸 (1).wav") == "Größe 漢字 🎸 (1).wav"
