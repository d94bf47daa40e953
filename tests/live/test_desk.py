"""The callback, called as a device would call it."""

import resource
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

import fxd.factory
from fxd.compiler import CACHE_FOLDER, c_function
from fxd.config import SaturatorSettings
from fxd.engines.saturator import Saturator
from fxd.engines.tcn import Tcn, TcnModel, load_weights
from fxd.live.board import BINS, CAPACITY, Cell
from fxd.live.desk import FADE_SECONDS, Desk, Load
from fxd.live.engines import BLOCKS, Cast, Rehearsal, Shape, check_load, dsp_path, rehearse, settle_frames
from fxd.live.errors import LiveError
from fxd.live.knobs import turned
from fxd.live.native import address_of
from fxd.live.paths import RENDER, bypass_path
from fxd.live.ports import Ports
from fxd.live.switch import Newcomer, Switcher

Array = npt.NDArray[np.float32]
AUDIO = Path(__file__).parents[1] / "audio"
COMPACT = Path(fxd.factory.__file__).parent / "compact" / "weights.safetensors"
RATE = 48_000
MONO = Shape(RATE, 1)
SETTINGS = SaturatorSettings()


@cache
def model() -> TcnModel:
    return load_weights(COMPACT)


def clip(frames: int = 24_000) -> Array:
    """[frames, 1]"""
    sound, _ = soundfile.read(AUDIO / "guit_e_fifths.flac", dtype="float32", always_2d=True)
    return np.ascontiguousarray(sound[6_000 : 6_000 + frames, :1])


def offline(cast: Cast, role: str, dry: Array) -> Array:
    """What the stream of an engine gives, [frames, channels]."""
    engine = Saturator(cast.saturator or SETTINGS) if role == "dsp" else Tcn(cast.model or model())
    return engine.stream(RATE, dry.shape[1]).process(np.ascontiguousarray(dry.T)).T


def delayed(sound: Array, frames: int) -> Array:
    return np.concatenate([np.zeros((frames, sound.shape[1]), np.float32), sound])[: len(sound)]


def played(desk: Desk, dry: Array, blocks: Sequence[int] = (64,)) -> Array:
    """A sound through the desk, in blocks whose sizes take turns."""
    return np.concatenate(list(parts(desk, dry, blocks)))


def parts(desk: Desk, dry: Array, blocks: Sequence[int]) -> Iterator[Array]:
    start = turn = 0
    while start < len(dry):
        yield desk.run(dry[start : start + blocks[turn % len(blocks)]])
        start += blocks[turn % len(blocks)]
        turn += 1


def stage(cast: Cast, heard: str = "dsp", record: bool = False) -> tuple[Desk, Switcher]:
    paths = cast.paths(MONO)
    desk = Desk(RATE, 1, Ports(1, 0, 1), max(path.latency for path in paths.values()), record)
    levels = dict.fromkeys(paths, 1.0)
    return desk, Switcher(desk, paths, levels, heard, cast.is_alike)  # type: ignore[arg-type]


BOTH = Cast(SETTINGS, load_weights(COMPACT))


@pytest.mark.parametrize("role", ["dsp", "tcn"])
@pytest.mark.parametrize("blocks", [(64,), (16, 1, 333, 64), (CAPACITY + 100,)])
def test_what_is_heard_is_the_offline_result_delayed_to_the_longest_path(
    role: str, blocks: tuple[int, ...]
) -> None:
    desk, _ = stage(BOTH, role)
    dry = clip()
    late = desk.longest - (desk.longest if role == "dsp" else 0)
    assert np.array_equal(played(desk, dry, blocks), delayed(offline(BOTH, role, dry), late))


def test_the_bypass_is_as_late_as_the_engines() -> None:
    desk, _ = stage(BOTH, "bypass")
    assert desk.longest == Saturator(SETTINGS).stream(RATE, 1).latency > 0
    assert np.array_equal(played(desk, clip()), delayed(clip(), desk.longest))


def test_a_session_of_the_bare_saturator_or_of_the_network_adds_no_latency_at_48_khz() -> None:
    for cast in (Cast(SaturatorSettings(antialias="none"), None), Cast(None, model())):
        assert max(path.latency for path in cast.paths(MONO).values()) == 0


def test_no_engine_adds_more_than_it_may() -> None:
    assert dsp_path(SETTINGS, MONO).latency / RATE < 0.001
    elsewhere = Cast(None, model()).paths(Shape(44_100, 1))
    assert 0 < elsewhere["tcn"].latency / 44_100 < 0.003


def test_a_fade_between_two_equal_engines_changes_no_bit() -> None:
    desk = Desk(RATE, 1, Ports(1, 0, 1), 35)
    for lane in (0, 1):
        desk.place(lane, dsp_path(SETTINGS, MONO))
    desk.begin({0, 1}, 0)
    dry = clip(96_000)
    heard = []
    for second, part in enumerate(np.split(dry, 16)):
        desk.ask({0, 1}, (second + 1) % 2)
        heard.append(played(desk, part))
        assert not desk.busy
    assert np.array_equal(np.concatenate(heard), offline(BOTH, "dsp", dry))


def test_a_switch_is_a_raised_cosine_of_ten_milliseconds() -> None:
    desk, switcher = stage(BOTH, "dsp")
    dry = clip()
    before = played(desk, dry[:6_400])
    assert switcher.choose("tcn")
    switcher.tick()
    heard = np.concatenate([before, played(desk, dry[6_400:])])
    dsp, tcn = offline(BOTH, "dsp", dry), delayed(offline(BOTH, "tcn", dry), desk.longest)
    frames = round(FADE_SECONDS * RATE)
    weight = np.zeros((len(dry), 1))
    weight[6_400 : 6_400 + frames, 0] = (1 - np.cos(np.pi * np.arange(frames) / frames)) / 2
    weight[6_400 + frames :] = 1
    assert np.abs(heard - (dsp + weight * (tcn - dsp))).max() < 1e-6
    assert np.array_equal(heard[:6_400], dsp[:6_400])
    assert np.array_equal(heard[6_400 + frames :], tcn[6_400 + frames :])


def test_the_bypass_is_made_as_loud_as_the_engine_was() -> None:
    desk, switcher = stage(BOTH, "dsp")
    dry = 0.05 * clip(96_000)
    wet = played(desk, dry)
    assert switcher.choose("bypass")
    switcher.tick()
    bypassed = played(desk, dry)[4_800:]
    loudness = 20 * np.log10(np.sqrt((bypassed**2).mean() / (wet[4_800:] ** 2).mean()))
    assert abs(loudness) < 0.5
    assert abs(20 * np.log10(np.sqrt((dry**2).mean() / (wet**2).mean()))) > 6


def test_a_network_of_the_same_settings_is_never_levelled_and_one_of_others_is() -> None:
    for drive, levelled in ((5.0, False), (20.0, True)):
        cast = Cast(SaturatorSettings(drive=drive), model())
        desk, switcher = stage(cast)
        played(desk, 0.05 * clip(48_000))
        assert (abs(switcher.gain("tcn") - 1) > 0.1) == levelled


def test_a_turned_knob_is_heard_without_a_click() -> None:
    desk, switcher = stage(BOTH, "dsp")
    sine = (0.2 * np.sin(2 * np.pi * 100 * np.arange(48_000) / RATE)).astype(np.float32)[:, None]
    louder = turned(turned(SETTINGS, "drive", 12), "output_gain", 6)
    heard = [played(desk, sine[:9_600])]
    switcher.replace(Newcomer("dsp", dsp_path(louder, MONO), settle_frames(None, RATE), 1.0))
    for part in np.split(sine[9_600:], 60):
        switcher.tick()
        heard.append(played(desk, part))
    assert switcher.tick() is None
    whole = np.concatenate(heard)
    expected = offline(Cast(louder, None), "dsp", sine)
    # It has forgotten, but for what a DC blocker of 20 Hz leaves after a tenth of a second, that it began late.
    assert np.abs(whole[24_000:] - expected[24_000:]).max() < 1e-5
    assert np.abs(offline(BOTH, "dsp", sine)[24_000:] - expected[24_000:]).max() > 0.1
    bend = np.abs(np.diff(whole[4_800:], 2, axis=0)).max()
    steady = max(
        np.abs(np.diff(sound[4_800:], 2, axis=0)).max() for sound in (expected, offline(BOTH, "dsp", sine))
    )
    assert bend < 1.2 * steady


def test_knobs_turned_fast_end_where_the_last_turn_leads() -> None:
    desk, switcher = stage(BOTH, "dsp")
    settings = SETTINGS
    for part in np.split(clip(96_000), 200):
        if settings.drive < 20:
            settings = turned(settings, "drive", 1)
            switcher.replace(Newcomer("dsp", dsp_path(settings, MONO), settle_frames(None, RATE), 1.0))
        switcher.tick()
        heard = played(desk, part)
    expected = offline(Cast(settings, None), "dsp", clip(96_000))[-480:]
    assert np.abs(heard - expected).max() < 1e-4


def test_numbers_that_are_none_are_muted_and_counted_and_poison_nothing() -> None:
    desk, _ = stage(BOTH, "dsp")
    dry, clean = clip(), clip()
    for frame, value in ((100, np.nan), (101, np.inf), (5_000, -np.inf), (5_001, 1e30)):
        dry[frame], clean[frame] = value, 0
    assert np.array_equal(played(desk, dry), offline(BOTH, "dsp", clean))
    assert desk.reading().bad == 4


def test_one_input_of_several_goes_to_every_output() -> None:
    desk = Desk(RATE, 1, Ports(3, 1, 2), 0)
    desk.place(0, bypass_path(1))
    desk.begin({0}, 0)
    frames = np.random.default_rng(0).standard_normal((500, 3)).astype(np.float32)
    assert np.array_equal(desk.run(frames), frames[:, [1, 1]])


def test_two_inputs_are_two_channels() -> None:
    desk = Desk(RATE, 2, Ports(2, 0, 2), 0)
    desk.place(0, bypass_path(2))
    desk.begin({0}, 0)
    frames = np.random.default_rng(0).standard_normal((500, 2)).astype(np.float32)
    assert np.array_equal(desk.run(frames), frames)


def test_troubles_of_the_device_are_counted_and_told_apart() -> None:
    desk, _ = stage(Cast(SETTINGS, None), "bypass")
    for flags in (0, 1, 2, 4, 16):
        desk.run(2 * np.ones((64, 1), np.float32), flags)
    reading = desk.reading()
    assert (reading.calls, reading.frames, reading.block, reading.xruns) == (5, 320, 64, 3)
    assert reading.clipped == 320 - desk.longest
    assert reading.input_dbfs == pytest.approx(6.02, abs=0.01)
    assert np.isneginf(stage(BOTH)[0].reading().output_dbfs)


def test_the_load_is_what_the_callbacks_took_of_their_blocks_time() -> None:
    desk, _ = stage(BOTH)
    played(desk, clip())
    assert 0 < desk.load().median <= desk.load().p99 < 5
    assert desk.load().worst > 0
    assert desk.histogram.sum() == desk.reading().calls == 375
    desk.histogram[:] = 0
    desk.histogram[[10, 20, 30]] = 900, 95, 5
    assert (desk.load().median, desk.load().p99) == (0.010, 0.020)
    desk.histogram[BINS - 1] = 10**6
    assert desk.load().median == (BINS - 1) / 1000


def test_a_ring_that_nobody_empties_costs_the_recording_and_not_the_sound() -> None:
    desk, _ = stage(BOTH, "dsp", record=True)
    desk.board[Cell.READ] = -(desk.ring.shape[1] - 6_400)
    dry = clip()
    assert np.array_equal(played(desk, dry), offline(BOTH, "dsp", dry))
    assert desk.board[Cell.WRITTEN] == 6_400
    assert desk.board[Cell.LOST] == len(dry) - 6_400
    assert np.array_equal(desk.ring[0, :6_400], dry[:6_400, 0])


def test_the_meters_of_a_sound_long_gone_show_nothing() -> None:
    desk, _ = stage(Cast(SETTINGS, None), "bypass")
    played(desk, clip(2_400))
    assert desk.reading().output_dbfs > -60
    played(desk, np.zeros((10 * RATE, 1), np.float32), [CAPACITY])
    assert np.isneginf(desk.reading().output_dbfs)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the page faults of a thread")
def test_the_callback_waits_for_no_memory_that_the_system_has_yet_to_find() -> None:
    # A ring of 61 MB: what is smaller may come from memory that other tests have had.
    desk = Desk(192_000, 2, Ports(2, 0, 2), 0, record=True)
    desk.place(0, bypass_path(2))
    desk.begin({0}, 0)
    frames, answer = np.zeros((CAPACITY, 2), np.float32), np.ones((CAPACITY, 2), np.float32)
    addresses = address_of(frames), address_of(answer), CAPACITY, 0, 0, address_of(desk.board)
    desk.callback.ctypes(*addresses)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(200):
        desk.callback.ctypes(*addresses)
    # Python and ctypes may need a page of their own.
    assert resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before < 8


def test_nothing_that_allocates_is_linked_to_what_runs_in_the_callback() -> None:
    assert CACHE_FOLDER is not None
    played(stage(BOTH)[0], clip(640))
    played(stage(Cast(SaturatorSettings(antialias="none"), None))[0], clip(640))
    allocating_path()
    called = [path for path in CACHE_FOLDER.rglob("*.nbc") if ".locals." in path.name]
    guilty = {
        path.name.split(".")[1] for path in called if any(word in path.read_bytes() for word in ALLOCATING)
    }
    there = {path.name.split(".")[1] for path in called}
    rules = {"portaudio_callback", "bypass_render", "oversampled_render", "bare_render", "tcn_render"}
    assert rules <= there
    assert "allocating_path" in guilty
    assert not guilty & rules


ALLOCATING = (b"NRT_MemInfo_alloc", b"NRT_Allocate", b"NRT_Reallocate")
"""What compiled code calls to have memory."""


def allocating_path() -> None:
    """A path that breaks the rule."""

    @c_function(RENDER)
    def render(_state, _dry, _wet, frames):  # type: ignore[no-untyped-def]
        return np.arange(frames)[::-1].copy().sum()


def test_a_rehearsal_tells_levels_and_load() -> None:
    told = rehearse(BOTH, MONO, 64)
    assert told.levels["bypass"] == pytest.approx(1, rel=0.01)
    assert told.levels["tcn"] == pytest.approx(told.levels["dsp"], rel=0.05)
    assert told.load.median > 0


def test_engines_that_cannot_keep_up_are_told_with_a_block_that_would_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_load(Load(0.5, 9.0, 9.0, 3), BOTH, MONO, 16)

    def slow(_: Cast, __: Shape, block: int) -> Rehearsal:
        return Rehearsal({}, Load(64 / block, 1, 1, 0))

    monkeypatch.setattr("fxd.live.engines.rehearse", slow)
    with pytest.raises(LiveError, match=r"blocks of 16 .* take 400 % .* use --block 128, which takes 50 %"):
        check_load(Load(4.0, 5.0, 5.0, 9), BOTH, MONO, 16)
    with pytest.raises(LiveError, match="larger blocks are no better: use a smaller model"):
        check_load(Load(1.0, 5.0, 5.0, 9), BOTH, MONO, BLOCKS[-1])
