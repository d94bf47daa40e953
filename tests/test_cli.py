"""The command line: quick to start, documented, with exit codes that can be scripted against."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
from homes import Home, wait_until
from logs import Log

from fxd.config import Settings

HEAVY = ("torch", "numba", "scipy")
README = Path(__file__).parent.parent / "README.md"


def python(*arguments: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


def test_init_makes_a_home_that_works_and_leaves_an_old_one_alone(tmp_path: Path) -> None:
    folder = tmp_path / "my home"
    assert python("-m", "fxd", "init", str(folder)).returncode == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.toml",
        "db",
        "inbox",
        "models",
        "outbox",
    ]
    assert (folder / "config.toml").stat().st_mode & 0o077 == 0
    (folder / "config.toml").write_text("[saturator]\ndrive = 3\n")
    assert "nothing was changed" in python("-m", "fxd", "init", str(folder)).stdout
    assert (folder / "config.toml").read_text() == "[saturator]\ndrive = 3\n"


def test_the_home_is_the_option_else_the_variable_else_the_current_folder(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in (["--home", str(home.root), "stats"], ["stats", "--home", str(home.root)]):
        assert python("-m", "fxd", *arguments, cwd=tmp_path).returncode == 0
    assert python("-m", "fxd", "stats", cwd=home.root).returncode == 0
    monkeypatch.setenv("FXD_HOME", str(home.root))
    assert python("-m", "fxd", "stats", cwd=tmp_path).returncode == 0


def test_a_folder_that_is_no_home_is_told_with_the_remedy(tmp_path: Path) -> None:
    done = python("-m", "fxd", "--home", str(tmp_path), "stats")
    assert done.returncode == 2
    assert "fxd init" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["stats", "--last", "none"], ["process"], ["stats", "--lst"]]
)
def test_wrong_usage_ends_with_2_and_the_usage(home: Home, arguments: list[str]) -> None:
    done = home.fxd(*arguments, code=2)
    assert "Usage" in done.stderr


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_where_standard_streams_are_closed_no_file_takes_their_place(tmp_path: Path, closed: str) -> None:
    script = (
        "import os, sys\n"
        "from fxd import cli\n"
        "cli.run = lambda _: print('lost', file=sys.stderr) or print(open('mine', 'w').fileno())\n"
        "cli.main()"
    )
    command = f'exec "$0" -c "$1" {closed}'
    done = subprocess.run(
        ["sh", "-c", command, sys.executable, script],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert int(done.stdout) > 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_the_encoding_of_the_output_lacks_is_written_out(
    home: Home, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    log, name = Log(home.root, capsys), "größe – 1.wav"
    log.add(file=name)
    log.record()
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    written = name.encode(encoding, "backslashreplace").decode(encoding)

    def told(*arguments: str) -> str:
        command = home.command("stats", "--last", "2", *arguments)
        done = subprocess.run(command, capture_output=True, check=False, timeout=120)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode(encoding)

    assert written in told()
    (row,) = csv.DictReader(told("--csv").splitlines())
    assert (row["file"], row["state"]) == (written, "done")
    (run,) = json.loads(told("--json"))["runs"]
    assert run["file"] == name


@pytest.mark.parametrize("command", ["start", "stats", "status", "retrain", "process"])
def test_a_broken_configuration_ends_every_command_with_2(home: Home, command: str) -> None:
    home.configure("[saturator]\ndrive = 'loud'\n")
    arguments = [command, "x.wav"] if command == "process" else [command]
    done = home.fxd(*arguments, code=2)
    assert "drive = 'loud'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_address_that_cannot_be_used_is_a_wrong_configuration(home: Home) -> None:
    home.configure('[database]\nurl = "mysql://localhost/x"\n')
    assert "[database] url" in home.fxd("stats", code=2).stderr


def test_a_schedule_that_cron_would_not_take_is_refused_at_the_start(home: Home) -> None:
    home.configure('[training]\nschedule = "61 3 * * *"\n')
    assert "minute" in home.fxd("start", code=2).stderr


@pytest.mark.parametrize("arguments", [["--help"], ["stats"], ["stats", "--json"], ["models"]])
def test_light_commands_import_nothing_heavy(home: Home, arguments: list[str]) -> None:
    script = (
        "import sys; from fxd.cli import run\n"
        f"code = run(['--home', {str(home.root)!r}, *{arguments!r}])\n"
        f"heavy = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "sys.exit(f'imported {heavy}' if heavy or code else 0)"
    )
    done = python("-c", script)
    assert done.returncode == 0, done.stderr


def test_every_command_is_documented_in_the_readme() -> None:
    text = README.read_text(encoding="utf-8")
    done = python("-m", "fxd", "--help")
    listed = done.stdout.split("Commands:")[1]
    commands = [line.split()[0] for line in listed.splitlines() if line.startswith("  ") and line[2] != " "]
    assert len(commands) >= 9
    for command in commands:
        assert f"fxd {command}" in text, f"README does not mention `fxd {command}`"


def test_every_setting_stands_in_the_readme() -> None:
    rows = README.read_text(encoding="utf-8").splitlines()
    for section, field in Settings.model_fields.items():
        (row,) = [row for row in rows if row.startswith(f"| `[{section}]` |")]
        for name, setting in field.annotation.model_fields.items():
            key = setting.alias or name
            assert f"`{key}`" in row, f"README does not mention [{section}] {key}"


def test_process_does_the_daemons_work_and_leaves_the_original(
    home: Home, clips: list[Path], tmp_path: Path
) -> None:
    source = tmp_path / "mine.flac"
    shutil.copy(clips[7], source)
    results = tmp_path / "results"
    home.fxd("process", source, "-o", results)
    assert source.exists()
    assert sorted(path.name for path in results.iterdir()) == ["mine.dsp.wav", "mine.tcn.wav"]
    (run,) = home.json("stats")["runs"]
    assert run["state"] == "done"
    home.fxd("process", source)
    assert home.outputs() == ["mine.dsp.wav", "mine.tcn.wav"]


def test_process_takes_a_folder_with_its_sub_folders(home: Home, clips: list[Path], tmp_path: Path) -> None:
    (tmp_path / "takes" / "monday").mkdir(parents=True)
    shutil.copy(clips[7], tmp_path / "takes" / "monday" / "riff.flac")
    home.fxd("process", tmp_path / "takes")
    assert home.outputs() == ["takes/monday/riff.dsp.wav", "takes/monday/riff.tcn.wav"]
    assert not list((home.root / "outbox").glob(".*")), "nothing is left behind"


def test_process_and_the_daemon_give_the_same_samples(home: Home, clips: list[Path], tmp_path: Path) -> None:
    home.fxd("process", clips[7], "-o", tmp_path / "results")
    shutil.copy(clips[7], home.inbox)
    home.fxd("start", "--once")
    for name in home.outputs():
        by_daemon, _ = soundfile.read(home.outbox / name)
        by_command, _ = soundfile.read(tmp_path / "results" / name)
        assert (by_daemon == by_command).all()


def test_process_leaves_no_attempt_behind_where_it_cannot_publish(home: Home, clips: list[Path]) -> None:
    (home.root / "db").mkdir(exist_ok=True)
    (home.root / "db" / "dataset").write_text("no folder")
    home.fxd("process", clips[7], code=1)
    assert list((home.outbox / ".attempts").iterdir()) == []


def test_process_tells_each_bad_file_and_ends_with_1(home: Home, clips: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_text("only words" * 30)
    done = home.fxd("process", bad, clips[7], code=1)
    assert "bad.wav: it is not audio" in done.stderr
    assert len(home.outputs()) == 2
    assert "not there" in home.fxd("process", tmp_path / "missing.wav", code=1).stderr


@pytest.mark.long
def test_why_tells_the_whole_story_of_a_file_by_any_of_its_paths(home: Home, clips: list[Path]) -> None:
    shutil.copy(clips[7], home.inbox / "riff.flac")
    home.fxd("start", "--once")
    paths = [home.inbox / "riff.flac", home.inbox / "done" / "riff.flac", home.outbox / "riff.tcn.wav"]
    for name in ["riff.flac", *map(str, paths)]:
        story = home.fxd("why", name).stdout
        for step in ("seen", "claimed", "started", "processed", "published", "recorded", "archived"):
            assert step in story, f"{step} is missing for {name}"
    assert "not known" in home.fxd("why", "never.wav", code=1).stdout


def test_why_tells_why_a_file_in_the_inbox_is_left_alone(home: Home) -> None:
    (home.inbox / "riff.wav.part").write_bytes(b"x")
    assert "unfinished" in home.fxd("why", home.inbox / "riff.wav.part").stdout


def test_models_can_be_listed_shown_promoted_and_rolled_back(home: Home, clips: list[Path]) -> None:
    home.fxd("process", clips[7])
    (factory,) = home.json("models")
    assert factory["serves"]
    assert factory["origin"] == "factory"
    sheet = home.fxd("models", "show", factory["id"][:12]).stdout
    assert f"{factory['id']}, which serves" in sheet
    assert "perc_bell.flac (fxd's own)" in sheet
    assert home.json("models", "show", factory["id"])["details"]["scores"]
    assert "none served before" in home.fxd("models", "rollback", code=1).stderr
    assert "no model" in home.fxd("models", "show", "nonsense", code=1).stderr.lower()


@pytest.mark.long
def test_a_changed_saturator_is_told_wherever_a_number_could_mislead(home: Home, clips: list[Path]) -> None:
    home.configure("[saturator]\ndrive = 9\n[inbox]\nsettle_seconds = 0.2\n[processing]\nworkers = 1\n")
    shutil.copy(clips[7], home.inbox)
    daemon = home.start()
    wait_until(home.outputs, "the file comes out")
    for command in ("stats", "status", "retrain", "models"):
        shown = " ".join(home.fxd(command).stdout.split())
        assert "learned other [saturator] settings" in shown, command
    assert "learned other [saturator] settings" in home.stderr()
    home.stop(daemon)


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["--help"]])
def test_who_reads_only_the_beginning_makes_no_command_fail(home: Home, arguments: list[str]) -> None:
    """As `fxd stats | head` does: rich and click end a program of which nobody reads on, and with 1."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "fxd", *arguments]
    # What is buffered until the end is found out last; where this variable is set, nothing is.
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with os.fdopen(write, "w") as nobody:
        done = subprocess.run(
            command,
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            cwd=home.root,
            timeout=120,
            env=buffered,
        )
    assert (done.returncode, done.stderr) == (0, "")
