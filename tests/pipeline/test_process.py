"""One file through both engines."""

import errno
import hashlib
import math
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxd.audio import MAX_MAGNITUDE
from fxd.config import SaturatorSettings
from fxd.engines.engine import render
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn, load_weights
from fxd.metrics import esr
from fxd.pipeline.job import Job, Outcome
from fxd.pipeline.process import CutOff, FileFault, process

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(tmp_path: Path, untrained: Path) -> MakeJob:
    def make(source: Path, **changes: object) -> Job:
        values = {"saturator": SaturatorSettings(), "subtype": "FLOAT"} | changes
        return Job(source=source, attempt=tmp_path / "attempt", model=untrained, **values)  # type: ignore[arg-type]

    return make


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="float32", always_2d=True)[0].T


def nothing(_done: float, _length: float | None) -> None:
    pass


def test_the_outputs_are_what_the_engines_make_of_the_whole_file(
    make_job: MakeJob, clips: list[Path], untrained: Path, tmp_path: Path
) -> None:
    source = next(clip for clip in clips if clip.stem == "loop_breakbeat")
    outcome = process(make_job(source), nothing)
    dry = read(source)
    for engine in (Saturator(SaturatorSettings()), Tcn(load_weights(untrained))):
        wet = read(tmp_path / "attempt" / f"{engine.name}.wav")
        assert wet.shape == dry.shape
        np.testing.assert_allclose(wet, render(engine, dry, 44_100), atol=1e-5)
    dsp, tcn = outcome.results
    assert (dsp.engine, tcn.engine) == ("dsp", "tcn")
    assert tcn.version == "untrained"
    assert dsp.engine_seconds > 0
    assert tcn.quality is not None
    assert tcn.quality.esr == pytest.approx(
        esr(read(tmp_path / "attempt" / "dsp.wav"), read(tmp_path / "attempt" / "tcn.wav")), rel=1e-5
    )
    assert outcome.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert outcome.frames == dry.shape[1]


def test_a_second_thread_changes_nothing_but_the_time(
    make_job: MakeJob, clips: list[Path], tmp_path: Path
) -> None:
    outcomes, files = [], []
    # Five seconds of stereo: four blocks and a latency.
    source = next(clip for clip in clips if clip.stem == "loop_breakbeat")
    for has_spare_core in (False, True):
        outcomes.append(process(make_job(source, has_spare_core=has_spare_core), nothing))
        # Not their bytes: a WAV file of floats says in which second it was made.
        files.append({path.name: read(path).tobytes() for path in (tmp_path / "attempt").iterdir()})
    assert files[0] == files[1]
    one, other = (timeless(outcome) for outcome in outcomes)
    assert one == other


def timeless(outcome: Outcome) -> Outcome:
    results = (replace(result, engine_seconds=0, cpu_seconds=0) for result in outcome.results)
    return replace(outcome, results=tuple(results))


@pytest.mark.parametrize("has_spare_core", [False, True])
@pytest.mark.parametrize("name", ["dry.flac", "dsp.wav", "tcn.wav"])
def test_a_full_disk_is_the_machines_trouble(
    make_job: MakeJob,
    clips: list[Path],
    tmp_path: Path,
    name: str,
    has_spare_core: bool,
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no disk that is always full")
    (tmp_path / "attempt").mkdir()
    (tmp_path / "attempt" / name).symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        process(make_job(clips[0], has_spare_core=has_spare_core), nothing)
    assert caught.value.errno == errno.ENOSPC


@pytest.mark.parametrize("has_spare_core", [False, True])
def test_a_damaged_end_is_the_files_fault_while_the_beginning_is_still_written(
    make_job: MakeJob, tmp_path: Path, has_spare_core: bool
) -> None:
    samples = np.zeros(200_000)
    samples[-1] = math.inf
    soundfile.write(tmp_path / "inf.wav", samples, 44_100, subtype="FLOAT")
    with pytest.raises(FileFault, match="sample 199999 "):
        process(make_job(tmp_path / "inf.wav", has_spare_core=has_spare_core), nothing)
    assert not [thread for thread in threading.enumerate() if thread.name == "follower"]


def test_an_engine_never_writes_into_what_it_gave_before(untrained: Path) -> None:
    # A second thread still reads it.
    block = np.random.default_rng(2).standard_normal((2, 5000)).astype(np.float32)
    for engine in (Saturator(SaturatorSettings()), Tcn(load_weights(untrained))):
        stream = engine.stream(44_100, 2)
        stream.process(block)
        wet = stream.process(block)
        copy = wet.copy()
        stream.process(block)
        np.testing.assert_array_equal(wet, copy)


def test_the_dry_sound_is_kept_without_loss(make_job: MakeJob, clips: list[Path], tmp_path: Path) -> None:
    outcome = process(make_job(clips[0]), nothing)
    kept = tmp_path / "attempt" / f"dry{outcome.dry_suffix}"
    np.testing.assert_array_equal(read(kept), read(clips[0]))


@pytest.mark.parametrize("sample_rate", [8_000, 22_050, 48_000, 96_000, 192_000])
@pytest.mark.parametrize("channels", [1, 2, 8])
def test_every_rate_and_channel_count_keeps_its_shape(
    make_job: MakeJob, tmp_path: Path, sample_rate: int, channels: int
) -> None:
    rng = np.random.default_rng(1)
    source = tmp_path / "noise.wav"
    soundfile.write(source, 0.1 * rng.standard_normal((sample_rate // 5, channels)), sample_rate)
    process(make_job(source), nothing)
    for name in ("dsp.wav", "tcn.wav"):
        info = soundfile.info(tmp_path / "attempt" / name)
        assert (info.samplerate, info.channels, info.frames) == (sample_rate, channels, sample_rate // 5)


def test_integer_output_counts_what_it_clips(make_job: MakeJob, tmp_path: Path) -> None:
    source = tmp_path / "loud.wav"
    soundfile.write(source, np.sin(np.arange(20_000) * 0.05), 44_100, subtype="FLOAT")
    loud = SaturatorSettings(output_gain=2.0)
    dsp = process(make_job(source, saturator=loud, subtype="PCM_16"), nothing).results[0]
    assert dsp.peak_dbfs > 0
    assert dsp.clipped_frames > 0
    assert soundfile.info(tmp_path / "attempt" / "dsp.wav").subtype == "PCM_16"


def test_silence_stays_silence_and_has_no_quality(make_job: MakeJob, tmp_path: Path) -> None:
    source = tmp_path / "silence.wav"
    soundfile.write(source, np.zeros(30_000), 44_100)
    dsp, tcn = process(make_job(source), nothing).results
    assert not read(tmp_path / "attempt" / "dsp.wav").any()
    assert dsp.peak_dbfs == -math.inf
    assert tcn.quality is not None
    assert math.isnan(tcn.quality.esr)
    assert math.isnan(dsp.loudness_lufs)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"no audio at all, only a few words" * 9, "not audio")],
)
def test_what_is_no_audio_is_the_files_fault(
    make_job: MakeJob, tmp_path: Path, content: bytes, reason: str
) -> None:
    source = tmp_path / "bad.wav"
    source.write_bytes(content)
    with pytest.raises(FileFault, match=reason):
        process(make_job(source), nothing)


def test_the_loudest_samples_that_are_taken_overflow_nothing(make_job: MakeJob, tmp_path: Path) -> None:
    sound = np.full((44_100, 2), -MAX_MAGNITUDE, np.float32)
    sound[::2] = MAX_MAGNITUDE
    soundfile.write(tmp_path / "loud.wav", sound, 44_100, subtype="FLOAT")
    outcome = process(make_job(tmp_path / "loud.wav"), nothing)
    assert np.isfinite([float(figure) for figure in outcome.profile.split()]).all()
    for result in outcome.results:
        assert math.isfinite(result.peak_dbfs)
        assert np.isfinite(read(tmp_path / "attempt" / result.output)).all()


def test_nan_is_the_files_fault_and_is_located(make_job: MakeJob, tmp_path: Path) -> None:
    samples = np.zeros(1000)
    samples[123] = math.nan
    soundfile.write(tmp_path / "nan.wav", samples, 44_100, subtype="FLOAT")
    with pytest.raises(FileFault, match=r"sample 123 .*nan"):
        process(make_job(tmp_path / "nan.wav"), nothing)


def test_a_file_that_is_cut_off_says_so(make_job: MakeJob, clips: list[Path], tmp_path: Path) -> None:
    cut = tmp_path / "cut.flac"
    cut.write_bytes(clips[0].read_bytes()[:50_000])
    with pytest.raises(CutOff):
        process(make_job(cut), nothing)


def test_a_tone_above_the_files_reach_is_told_with_the_remedy(make_job: MakeJob, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "low.wav", np.ones(100), 8_000)
    settings = SaturatorSettings(antialias="none", tone_hz=5000)
    with pytest.raises(FileFault, match=r"tone_hz.*antialias"):
        process(make_job(tmp_path / "low.wav", saturator=settings), nothing)


def test_a_missing_source_is_the_machines_trouble(
    make_job: MakeJob, clips: list[Path], tmp_path: Path
) -> None:
    gone = tmp_path / "gone.flac"
    shutil.copy(clips[0], gone)
    job = make_job(gone)
    gone.unlink()
    with pytest.raises(FileNotFoundError):
        process(job, nothing)


def test_progress_reaches_the_length_of_the_file(make_job: MakeJob, clips: list[Path]) -> None:
    told: list[float] = []
    lengths: set[float | None] = set()

    def progress(done: float, length: float | None) -> None:
        told.append(done)
        lengths.add(length)

    outcome = process(make_job(clips[0]), progress)
    assert told == sorted(told)
    assert told[-1] == pytest.approx(outcome.frames / outcome.sample_rate)
    assert list(lengths) == [pytest.approx(told[-1])]
