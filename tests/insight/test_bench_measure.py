"""The parts of a measurement, without any look at a clock's figures."""

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fxd.config import ConfigError, PathSettings, SaturatorSettings, Settings
from fxd.cores import usable_cores
from fxd.engines.engine import Array, Engine
from fxd.engines.tcn import PRESETS
from fxd.insight.bench import pairs, pinning
from fxd.insight.bench.contenders import Contender, all_contenders
from fxd.insight.bench.latency import BLOCKS, measure_latency
from fxd.insight.bench.material import Material, Sound
from fxd.insight.bench.measure import frugal, live_entries, ready
from fxd.insight.bench.memory import measure_memory
from fxd.insight.bench.outputs import measure_outputs
from fxd.insight.bench.pairs import measure_pair
from fxd.insight.bench.rotation import Runner, rotate, signal_for
from fxd.insight.bench.rows import EXACT_DB, error_db, ratios, speed_row
from fxd.insight.bench.subjects import Subject, choose_subjects, labels, untrained
from fxd.store.store import Store, StoreError, open_store

SATURATOR = SaturatorSettings()
RATE = 48_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(paths=PathSettings(**{name: tmp_path / name for name in PathSettings.model_fields}))


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.database_url) as opened:
        yield opened


@pytest.fixture(scope="module")
def nano() -> Subject:
    return untrained("nano", SATURATOR)


@pytest.fixture(scope="module")
def sound() -> Array:
    """A quarter of a second of noise, [2, frames]."""
    return np.random.default_rng(0).uniform(-0.5, 0.5, (2, RATE // 4)).astype(np.float32)


@pytest.fixture(scope="module")
def runners(nano: Subject, sound: Array) -> list[Runner]:
    built, missing = ready(all_contenders({"nano": nano}, SATURATOR), sound)
    assert missing == []
    return built


def quiet(what: str) -> None:
    pass


def test_contenders_have_names_of_their_own(runners: list[Runner]) -> None:
    names = [runner.contender.name for runner in runners]
    assert len(set(names)) == len(names) == 15


def test_contenders_take_turns_round_by_round_and_the_warm_up_does_not_count(
    runners: list[Runner],
) -> None:
    order: list[str] = []
    few = [Runner(one.contender, Spy(one.engine, one.contender.form, order), one.dry) for one in runners[1:4]]

    def peak() -> float:
        order.append("peak")
        return 1.0

    assert rotate(few, 3, peak, quiet) == [1.0, 1.0, 1.0]
    turns = [name for name, before in zip(order, [None, *order], strict=False) if name != before]
    assert turns == ["kernel", "scipy", "pedalboard", "peak"] * 4
    assert [len(runner.x_realtime) for runner in few] == [3, 3, 3]


class Spy:
    """An engine, and its stream, that write down when they are at work."""

    version = ""

    def __init__(self, engine: Engine, name: str, order: list[str]) -> None:
        self.name = name
        self.inner = engine.stream(RATE, 1)
        self.latency = 0
        self.order = order

    def stream(self, _sample_rate: int, _channels: int) -> "Spy":
        return self

    def process(self, block: Array) -> Array:
        self.order.append(self.name)
        return self.inner.process(block)


def test_every_contender_computes_its_reference(runners: list[Runner]) -> None:
    errors = {runner.contender.name: error_db(runner) for runner in runners}
    assert errors.pop("dsp none, pedalboard, whole, mono, 48000 Hz") > -60
    assert errors.pop("dsp none, pedalboard, whole, stereo, 48000 Hz") > -60
    without = {name for name, error in errors.items() if error is None}
    assert without == {
        "dsp on, kernel, whole, mono, 48000 Hz",
        "dsp on, kernel, whole, stereo, 48000 Hz",
        "dsp none, scipy, whole, mono, 48000 Hz",
        "dsp none, scipy, whole, stereo, 48000 Hz",
        "tcn nano, kernel, whole, mono, 44100 Hz",
    }
    assert all(EXACT_DB <= error < -115 for error in errors.values() if error is not None)


def test_ratios_pair_each_rival_with_the_kernel_of_its_work(runners: list[Runner]) -> None:
    for speed, runner in enumerate(runners, 1):
        runner.x_realtime = [float(speed)] * 3
    paired = {(row["kernel"], row["rival"]): row["times"]["median"] for row in ratios(runners)}
    speeds = {runner.contender.name: runner.x_realtime[0] for runner in runners}
    assert all(times == speeds[own] / speeds[rival] for (own, rival), times in paired.items())
    of = {
        rival: [own for own, other in paired if other == rival] for rival in speeds if "kernel" not in rival
    }
    assert of["dsp none, pedalboard, whole, stereo, 48000 Hz"] == [
        "dsp on, kernel, whole, stereo, 48000 Hz",
        "dsp none, kernel, whole, stereo, 48000 Hz",
    ]
    assert of["tcn nano, onnxruntime, blocks of 65536, mono, 48000 Hz"] == [
        "tcn nano, kernel, whole, mono, 48000 Hz"
    ]
    assert of["dsp none, scipy, whole, mono, 48000 Hz"] == ["dsp none, kernel, whole, mono, 48000 Hz"]
    assert all(of.values())


def test_the_share_of_the_peak_is_that_of_the_multiply_adds(runners: list[Runner]) -> None:
    """nano takes 732 a frame at 48 kHz, whatever the rate of the sound around it."""
    for runner in runners:
        runner.x_realtime = [100.0, 110.0]
    shares = {
        (runner.contender.form, runner.contender.sample_rate): speed_row(runner, [1e10, 1e10])["peak_share"]
        for runner in runners
    }
    assert shares["kernel", RATE]["values"] == pytest.approx([732 * RATE * x / 1e10 for x in (100, 110)])
    assert shares["kernel", 44_100] == shares["kernel", RATE]
    assert shares["scipy", RATE] is None


def test_latency_tells_each_engines_own_delay_and_every_block(runners: list[Runner]) -> None:
    rows = measure_latency(live_entries(runners), most=10)
    assert len(rows) == 4 + 5
    for row in rows:
        assert [block["block"] for block in row["blocks"]] == list(BLOCKS)
        assert all(0 < block["median_ms"] <= block["p99_ms"] for block in row["blocks"])
    delays = {(row["form"], row["subject"], row["sample_rate"]): row["delay_frames"] for row in rows}
    assert delays["kernel", "nano", RATE] == delays["scipy", "none", RATE] == 0
    assert delays["kernel", "on", RATE] > 0
    assert delays["kernel", "nano", 44_100] > 0


@pytest.mark.long
def test_memory_is_that_of_a_process_that_does_nothing_else(runners: list[Runner]) -> None:
    """This process holds PyTorch and more; the child that runs SciPy does not, and has not its peak."""
    ballast = np.ones(100_000_000)
    (scipy,) = [one for one in frugal(runners) if one.form == "scipy"]
    (row,) = measure_memory([scipy], np.ones((2, 4_000_000), np.float32), quiet)
    assert row["name"] == scipy.name
    assert 20e6 < row["ready_bytes"] < 300e6
    # float64 copies of 4 million frames of a channel: 32 MB each, and a few of them.
    assert row["ready_bytes"] + 64e6 < row["peak_bytes"] < ballast.nbytes


@pytest.mark.long
def test_two_workers_are_measured_against_one_where_there_are_two_cores(
    runners: list[Runner], sound: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine with one core, that one is given twice."""
    work, core = [runners[1].contender], usable_cores()[-1]
    monkeypatch.setattr(pairs, "usable_cores", lambda: [core])
    assert measure_pair(work, sound, 2) is None
    monkeypatch.setattr(pairs, "usable_cores", lambda: [core, core])
    measured = measure_pair(work, sound, 2)
    assert measured is not None
    assert measured["n"] == 2
    assert all(0 < value < 10 for value in measured["values"])


def test_a_worker_that_dies_is_told(runners: list[Runner], sound: Array) -> None:
    broken = replace(runners[1].contender, settings=SaturatorSettings(antialias="none", tone_hz=30_000))
    with pytest.raises(ChildProcessError, match="died"), pairs.worker(usable_cores()[-1], [broken], sound):
        pass


def test_a_missing_extra_is_told_with_its_remedy(
    nano: Subject, sound: Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("onnxruntime", "pedalboard"):
        monkeypatch.setitem(sys.modules, package, None)
        for name in [name for name in sys.modules if name.startswith("fxd.insight.bench.rivals.")]:
            monkeypatch.delitem(sys.modules, name)
    built, missing = ready(all_contenders({"nano": nano}, SATURATOR), sound)
    assert {runner.contender.form for runner in built} == {"kernel", "scipy", "pytorch", "pytorch-mm"}
    assert {row["reason"] for row in missing} == {
        "onnxruntime is not installed: pip install 'fxd[bench]'",
        "pedalboard is not installed: pip install 'fxd[bench]'",
    }
    assert len(missing) == 3


def test_a_contender_that_cannot_work_is_left_out_with_the_reason(nano: Subject, sound: Array) -> None:
    _, missing = ready(all_contenders({"nano": nano}, SaturatorSettings(tone_hz=30_000)), sound)
    assert any("tone_hz = 30000 is not below half the sample rate" in row["reason"] for row in missing)


def test_one_core_and_one_thread_are_taken_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[list[int]] = []
    threads: list[int] = []
    monkeypatch.setattr(pinning, "usable_cores", lambda: [3, 5])
    monkeypatch.setattr(pinning, "pin", pinned.append)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr(torch, "set_num_threads", threads.append)
    with suppress(KeyError), pinning.one_core():
        raise KeyError
    assert pinned == [[5], [3, 5]]
    assert threads == [1, 7]


def test_pinning_moves_this_process() -> None:
    before = usable_cores()
    try:
        pinning.pin(before[:1])
        assert usable_cores() == before[:1]
    finally:
        pinning.pin(before)


def dry_sound(name: str, dry: Array, content: str = "") -> Sound:
    return Sound(name, RATE, dry, content)


def test_outputs_are_judged_apart_on_sounds_that_a_model_learned_from(sound: Array) -> None:
    fresh = untrained("nano", SATURATOR)
    model = Subject(fresh.network, "nano", "trained", True, 1, frozenset({"known"}))
    sounds = (
        dry_sound("a", sound, "known"),
        dry_sound("b", sound[:1], "new"),
        dry_sound("c", sound / 2, "x"),
    )
    dsp, bare, tcn = measure_outputs(Material("given", sounds), SATURATOR, [model, fresh], quiet)
    assert [row["name"] for row in (dsp, bare, tcn)] == ["on", "none", model.network.id]
    assert dsp["quality"] is None
    assert tcn["quality"]["heard"]["files"] == 1
    assert tcn["quality"]["unheard"]["files"] == 2
    assert -3 < tcn["quality"]["unheard"]["esr_db"] < 30
    assert bare["quality"]["unheard"]["files"] == 3
    assert bare["quality"]["unheard"]["esr_db"] < -10
    frames = sum(one.dry.size for one in sounds)
    assert 0 < dsp["wav_bytes"] - 4 * frames < 1_000
    assert dsp["flac_bytes"] < 3.2 * frames


def test_silence_and_a_single_frame_have_no_error(nano: Subject) -> None:
    model = Subject(nano.network, "nano", "trained", True, 1)
    sounds = (
        dry_sound("silent", np.zeros((1, 4_000), np.float32)),
        Sound("one frame at a rate that FLAC does not know", 88_201, np.zeros((1, 1), np.float32), ""),
    )
    rows = measure_outputs(Material("given", sounds), SATURATOR, [model], quiet)
    assert rows[2]["quality"]["unheard"] == {"files": 2, "esr_db": None, "mrstft": None}
    assert rows[2]["flac_bytes"] is None


def test_a_file_whose_rate_an_engine_cannot_work_at_is_named(sound: Array) -> None:
    """8 kHz is too low for the default tone without antialiasing."""
    slow = Sound("phone.wav", 8_000, sound[:1], "")
    on, bare = measure_outputs(Material("given", (slow,)), SATURATOR, [], quiet)
    assert on["unsupported"] == []
    assert bare["unsupported"] == ["phone.wav"]


def test_two_of_the_models_that_ship_are_measured_by_default(settings: Settings, store: Store) -> None:
    subjects = choose_subjects(settings, store, [], [])
    assert {subject.preset for subject in subjects} == {"compact", "standard"}
    assert all(subject.origin == "factory" and not subject.serves for subject in subjects)
    assert all(subject.trained_on and subject.model_bytes > 4 * 3_098 for subject in subjects)


def test_a_preset_without_a_model_has_random_weights_always_the_same(
    settings: Settings, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (compact,) = choose_subjects(settings, store, ["compact"], [])
    assert compact.origin == "factory"
    monkeypatch.setattr("fxd.insight.bench.subjects.FACTORY", tmp_path)
    (lite,) = choose_subjects(settings, store, ["lite"], [])
    (again,) = choose_subjects(settings, store, ["lite"], [])
    assert lite.origin == "random"
    assert lite.network.architecture == PRESETS["lite"]
    assert all((again.network.weights[name] == tensor).all() for name, tensor in lite.network.weights.items())


def test_unknown_presets_and_models_are_refused(settings: Settings, store: Store) -> None:
    with pytest.raises(ConfigError, match="--preset huge: there is no such preset; there are standard"):
        choose_subjects(settings, store, ["huge"], [])
    with pytest.raises(StoreError, match="no model has this id"):
        choose_subjects(settings, store, [], ["nonsense"])


def test_a_shape_is_timed_once_however_many_models_have_it(nano: Subject) -> None:
    other = untrained("nano", SATURATOR)
    lite = untrained("lite", SATURATOR)
    changed = Subject(lite.network, "nano", "random", False, 1)
    assert labels([nano, other, changed]) == {"nano": nano, "lite-untrained": changed}


def test_a_contender_takes_the_channels_it_wants(sound: Array) -> None:
    mono = Contender("dsp", "on", "kernel", 0, 1, RATE, SATURATOR)
    assert signal_for(mono, sound).shape == (1, sound.shape[1])
