"""Whatever is in a file, it comes out whole or is told why not: a sample of `make fuzz`, and the fuzzer."""

import json
import random
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxd.config import SaturatorSettings
from fxd.containers import ogg_state
from fxd.guarded_file import GuardedFile, open_regular
from fxd.pipeline.job import Death, Done, Fault, Job, Outcome, Trouble
from fxd.store.records import EngineName, Result
from tests.fuzz.cases import case, cases
from tests.fuzz.flac import damaged_frame, frames
from tests.fuzz.originals import originals
from tests.fuzz.structure import parts_of, with_true_checksums
from tests.fuzz.verdict import fault_of, fault_of_reason

ROOT = Path(__file__).parents[2]
SAMPLE = 170
"""More than one file of every kind."""


def fuzz(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tests.fuzz", "--jobs", "1", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False)


def test_damaged_files_come_out_whole_or_are_told_why_not(tmp_path: Path) -> None:
    done = fuzz("--count", str(SAMPLE), "--folder", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    diary = json.loads((tmp_path / "0" / "diary.json").read_text())
    assert diary["next"] == SAMPLE
    assert diary["endings"].keys() == {"Done", "Fault"}
    # A run that is over has nothing left to do: it tells what it found.
    assert "0 findings" in fuzz("--count", str(SAMPLE), "--folder", tmp_path).stdout


def test_every_kind_of_file_that_libsndfile_writes_is_damaged() -> None:
    kinds = {original.name.split()[0] for original in originals()}
    assert kinds == set(soundfile.available_formats()) - {"RAW", "SD2"}
    assert {one.original for one in cases(0, 0, SAMPLE)} == {original.name for original in originals()}


def test_a_number_and_a_seed_make_the_same_damage_again() -> None:
    wav = [number for number in range(0, 300, 7) if case(1, number, "WAV").original != "WAV FLOAT"]
    assert [case(1, number, "WAV").changes for number in wav] == [
        case(1, number, "WAV").changes for number in wav
    ]
    assert case(1, 3).changes != case(2, 3).changes


@pytest.mark.parametrize("container", ["WAV", "RF64", "W64", "AIFF", "CAF", "FLAC", "OGG", "MP3"])
def test_the_parts_of_a_file_are_found(container: str) -> None:
    for original in originals():
        if original.name.startswith(container):
            assert len(parts_of(original.data)) >= 2, original.name


def test_a_damaged_page_is_made_to_pass_its_checksum(tmp_path: Path) -> None:
    (vorbis,) = (original.data for original in originals() if original.name == "OGG VORBIS")
    path = tmp_path / "page.ogg"
    for data, state in (
        (vorbis, "whole"),
        (spoilt(vorbis), "damaged"),
        (with_true_checksums(spoilt(vorbis)), "whole"),
    ):
        path.write_bytes(data)
        with GuardedFile(open_regular(path)) as file:
            assert ogg_state(file) == state


def test_a_damaged_flac_frame_passes_its_checksums(tmp_path: Path) -> None:
    (whole,) = (original.data for original in originals() if original.name == "FLAC PCM_24")
    assert len(list(frames(whole))) >= 2
    path = tmp_path / "frame.flac"
    # A flipped bit alone loses the frame; with its checksum made right it is decoded, into another sound.
    changed = 0
    for seed in range(20):
        made = damaged_frame(whole, random.Random(seed))
        assert made is not None
        path.write_bytes(made[0])
        with suppress(soundfile.LibsndfileError):
            changed += len(soundfile.read(path)[0]) > 0
    assert changed >= 5


def test_a_flac_file_without_a_whole_frame_has_none_to_damage() -> None:
    assert damaged_frame(b"fLaC" + bytes(100), random.Random(0)) is None


def spoilt(data: bytes) -> bytes:
    at = len(data) - 50
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_what_the_fuzzer_calls_a_finding(tmp_path: Path) -> None:
    job = Job(tmp_path / "a.wav", tmp_path / "attempt", SaturatorSettings(), tmp_path / "weights", "FLOAT")
    assert "died" in fault_of(Death("its worker process died (killed by SIGSEGV)"), job)
    assert "machine" in fault_of(Trouble("No space left on device"), job)
    assert fault_of(Fault("it is empty (0 bytes); copy or export it again"), job) == ""
    assert "remedy" in fault_of_reason("it is damaged")
    assert "programmers" in fault_of_reason("ValueError: bad; export it again")
    assert "no line" in fault_of_reason("Traceback:\n  export it again")
    assert fault_of(made(job, 100), job) == ""
    assert "dry.wav is (44100, 1, 100)" in fault_of(made(job, 100, promised=101), job)
    assert "nan" in fault_of(made(job, 100, level=float("nan")), job)
    (job.attempt / "more").touch()
    assert "in the attempt's folder" in fault_of(made(job, 100), job)


def made(job: Job, frames: int, promised: int | None = None, level: float = 0.1) -> Done:
    """What a worker would have made, were it so."""
    job.attempt.mkdir(exist_ok=True)
    for name in ("dsp.wav", "tcn.wav", "dry.wav"):
        soundfile.write(job.attempt / name, np.full(frames, level, np.float32), 44_100, subtype="FLOAT")
    results = tuple(result(engine) for engine in ("dsp", "tcn"))
    return Done(Outcome("", "", 44_100, 1, promised or frames, "", ".wav", "", results))


def result(engine: EngineName) -> Result:
    return Result(engine, "v", 0.01, 0.01, f"{engine}.wav", 1, 0.0, 0, 0.0)


def test_a_file_that_was_kept_is_tried_again_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "17.wav"
    path.write_bytes(random.Random(0).randbytes(1000))
    told = fuzz("--replay", path).stdout
    assert "17.wav: Fault" in told
    assert "it is not audio of a known kind" in told
    assert "as it should be" in told
