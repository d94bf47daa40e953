"""What can be heard: the right ten seconds, as loud as each other, and nothing lost on the way."""

import io
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

from fxd.audio import AudioError
from fxd.insight.heard import Heard
from fxd.insight.report.material import FileRow
from fxd.insight.report.results import sounds_as_made
from fxd.insight.report.sounds import Choice, Sound, excerpt, unaltered
from fxd.insight.report.spectrum import band_power_db
from fxd.store.records import Result

RATE = 48_000
AUDIO = Path(__file__).parents[2] / "audio"


def choice(folder: Path, dry: np.ndarray, dsp: np.ndarray, tcn: np.ndarray, rate: int = RATE) -> Choice:
    """Three sounds, [frames, channels], as files."""
    paths = {}
    for source, sound in (("dry", dry), ("dsp", dsp), ("tcn", tcn)):
        paths[source] = folder / f"{source}.wav"
        soundfile.write(paths[source], sound, rate, "FLOAT")
    seconds = len(dsp) / rate
    row = FileRow("id", "a.wav", datetime.now(UTC), seconds, rate, dsp.shape[1], -50.0, "m", Heard.NO, 1)
    return Choice(row, paths)


def noise(seconds: float, seed: int, channels: int = 1, rate: int = RATE) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).normal(size=(int(seconds * rate), channels))


def decoded(sound: Sound) -> dict[str, np.ndarray]:
    return {take.source: soundfile.read(io.BytesIO(take.data), always_2d=True)[0] for take in sound.takes}


def test_of_a_long_file_the_ten_seconds_with_the_loudest_difference_are_taken(tmp_path: Path) -> None:
    dsp = noise(40, 1)
    error = noise(40, 2) * 1e-3
    error[int(25 * RATE) : int(27 * RATE)] *= 50
    sound = excerpt(choice(tmp_path, dsp, dsp, dsp + error), "worst", "flac")
    assert sound.seconds == 10
    assert 17 <= sound.start <= 25
    where = slice(round(sound.start * RATE), round((sound.start + 10) * RATE))
    expected = 10 * np.log10((error[where] ** 2).sum() / (dsp[where] ** 2).sum())
    assert sound.excerpt_esr_db == pytest.approx(expected, abs=0.01)


def test_all_are_as_loud_as_the_dsp_and_none_clips(tmp_path: Path) -> None:
    dry, _ = soundfile.read(AUDIO / "loop_electric.flac", always_2d=True)
    rate = soundfile.info(AUDIO / "loop_electric.flac").samplerate
    made = excerpt(choice(tmp_path, dry * 0.05, dry * 1.8, dry * 1.2, rate), "worst", "flac")
    meter = pyloudnorm.Meter(rate)
    sounds = decoded(made)
    levels = [meter.integrated_loudness(sound) for sound in sounds.values()]
    assert levels == pytest.approx([levels[1]] * 3, abs=0.05)
    assert max(np.abs(sound).max() for sound in sounds.values()) <= 0.98
    assert [take.gain_db for take in made.takes] == pytest.approx(
        [20 * np.log10(1.8 / 0.05), 0, 20 * np.log10(1.8 / 1.2)], abs=0.05
    )


def test_flac_loses_nothing_that_matters_at_the_difference(tmp_path: Path) -> None:
    dsp = noise(2, 1, channels=2)
    tcn = dsp + noise(2, 2, channels=2) * 1e-4
    made = excerpt(choice(tmp_path, dsp, dsp, tcn), "worst", "flac")
    sounds = decoded(made)
    gains = {take.source: 10 ** ((take.gain_db + made.trim_db) / 20) for take in made.takes}
    difference = sounds["tcn"] / gains["tcn"] - sounds["dsp"] / gains["dsp"]
    lost = difference - (tcn - dsp)
    assert 10 * np.log10((lost**2).sum() / ((tcn - dsp) ** 2).sum()) < -40


def test_opus_is_small_and_admits_what_it_is(tmp_path: Path) -> None:
    dsp = noise(3, 1, channels=2, rate=44_100)
    made = {
        encoding: excerpt(choice(tmp_path, dsp, dsp, dsp * 0.99, 44_100), "worst", encoding)
        for encoding in ("flac", "opus")
    }
    sizes = {name: sum(len(take.data) for take in sound.takes) for name, sound in made.items()}
    assert sizes["opus"] < sizes["flac"] / 8
    assert made["opus"].lossy
    assert made["opus"].difference_gain_db is None, "it would be the codec's"
    played, rate = soundfile.read(io.BytesIO(made["opus"].takes[1].data))
    assert rate == 48_000
    assert len(played) == pytest.approx(3 * 48_000, abs=1000)


@pytest.mark.parametrize("frames", [100, 30_000])
def test_silence_and_a_blink_of_sound_can_be_shown(tmp_path: Path, frames: int) -> None:
    silent = np.zeros((frames, 1))
    made = excerpt(choice(tmp_path, silent, silent, silent), "worst", "flac")
    assert np.isnan(made.excerpt_esr_db)
    assert made.spectrum is None
    assert made.difference_gain_db is None
    assert [take.gain_db for take in made.takes] == [0, 0, 0]


def test_a_sound_that_ends_before_the_excerpt_is_not_played(tmp_path: Path) -> None:
    dsp = noise(25, 1)
    tcn = dsp.copy()
    tcn[-RATE:] *= 2  # so that the excerpt is at the end
    for dry in (dsp[:0], dsp[:RATE]):
        with pytest.raises(AudioError):
            excerpt(choice(tmp_path, dry, dsp, tcn), "worst", "flac")


def test_of_many_channels_two_are_heard_at_any_rate(tmp_path: Path) -> None:
    dsp = noise(1, 1, channels=6, rate=95_999)
    made = excerpt(choice(tmp_path, dsp, dsp, dsp, 95_999), "worst", "flac")
    assert made.channels == 2
    assert all(sound.shape[1] == 2 for sound in decoded(made).values())


def test_the_difference_is_raised_until_it_can_be_heard(tmp_path: Path) -> None:
    dsp, error = noise(2, 1), noise(2, 2) * 1e-3
    gain = excerpt(choice(tmp_path, dsp, dsp, dsp + error), "worst", "flac").difference_gain_db
    assert gain == pytest.approx(54, abs=0.5), "6 dB below the DSP, of which it was 60 dB below"


def test_a_sine_of_full_scale_has_zero_decibels_in_its_band() -> None:
    hz = 1000.0
    sine = np.sin(2 * np.pi * hz / RATE * np.arange(2 * RATE), dtype=np.float32)[None]
    edges = np.array([100.0, 900.0, 1100.0, 10_000.0])
    below, at, above = band_power_db(sine, RATE, edges)
    assert at == pytest.approx(0, abs=0.05)
    assert max(below, above) < -60


def measured(engine: str, sound: np.ndarray, clipped: int = 0) -> Result:
    peak = 20 * np.log10(np.abs(sound).max())
    loudness = pyloudnorm.Meter(RATE).integrated_loudness(sound)
    return Result(engine, "v", 1.0, 1.0, f"{engine}.wav", 1, float(peak), clipped, float(loudness))


@pytest.mark.parametrize(
    ("subtype", "drive"), [("FLOAT", 0.5), ("FLOAT", 3.0), ("PCM_16", 0.001), ("PCM_16", 3.0)]
)
def test_a_result_is_known_again_by_its_sound(tmp_path: Path, subtype: str, drive: float) -> None:
    sound, other = drive * noise(2, 1), drive * noise(2, 2) * 0.99
    clipped = int((np.abs(sound) >= 1).sum()) if subtype == "PCM_16" else 0
    path = tmp_path / "dsp.wav"
    result = measured("dsp", sound, clipped)
    soundfile.write(path, sound, RATE, subtype)
    assert sounds_as_made(result, path)
    soundfile.write(path, 0.5 * other, RATE, subtype)
    assert not sounds_as_made(result, path)
    path.write_bytes(b"nothing to hear")
    assert not sounds_as_made(result, path)


def test_another_sound_as_large_is_not_played_and_another_file_is_taken(tmp_path: Path) -> None:
    choices = []
    for number in range(4):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        made = choice(folder, *(noise(1, 3 * number + one) for one in range(3)))
        results = tuple(
            measured(name, soundfile.read(made.paths[name], always_2d=True)[0]) for name in ("dsp", "tcn")
        )
        choices.append(replace(made, row=replace(made.row, run_id=f"{number}"), results=results))
    soundfile.write(choices[3].paths["tcn"], noise(1, 99), RATE, "FLOAT")
    chosen, left = unaltered(choices, 2)
    assert [(place, one.row.run_id) for place, one in chosen] == [("worst", "2"), ("best", "0")]
    assert len(left) == 3
