"""Takes of the same thing are of a kind, and of the largest kind the oldest can be spared first."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import soundfile

from fxd.sound_profile import SoundProfile
from fxd.store.records import Example
from fxd.training.kinds import kinds, most_redundant_first

MakeSound = Callable[..., Example]


@pytest.fixture
def make() -> MakeSound:
    """Makes an example of a training set; only what is given matters."""

    def sound(name: str, profile: str = "-12 -20 -3 -6 -9", size: int = 100) -> Example:
        return Example(name, "h", "training", name, 48_000, 1, 48_000, size, datetime.now(UTC), profile)

    return sound


def test_a_take_that_is_a_little_louder_is_of_the_same_kind_and_another_instrument_is_not(
    clips: list[Path], make: MakeSound
) -> None:
    def profile(path: Path, gain: float, start: int) -> str:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        heard = SoundProfile(rate)
        heard.update(np.ascontiguousarray(gain * sound[start:].T, np.float32))
        return heard.text()

    sounds = [
        make(f"{clip.stem}{take}", profile(clip, gain, start))
        for clip in clips
        for take, (gain, start) in enumerate([(1.0, 0), (0.7, 2000), (1.3, 5000)])
    ]
    kind = kinds(sounds).reshape(-1, 3)
    same = (kind == kind[:, :1]).all(axis=1)
    assert same.sum() >= 0.8 * len(clips)
    names = [clip.stem for clip in clips]
    assert kind[names.index("loop_amen"), 0] != kind[names.index("bass_thick_c"), 0]
    assert len(set(kind[:, 0].tolist())) > 6


def test_sounds_nobody_listened_to_are_one_kind(make: MakeSound) -> None:
    assert kinds([make("a", ""), make("b"), make("c", "")]).tolist() == [0, 1, 0]


def test_large_kinds_are_worn_down_to_the_size_of_small_ones(make: MakeSound) -> None:
    loud, quiet = "-6 -9 -3 -6 -9", "-40 -50 -3 -6 -9"
    sounds = [make("q0", quiet), *(make(f"l{n}", loud) for n in range(4)), make("q1", quiet, 150)]
    order = [example.content_sha256 for example in most_redundant_first(sounds)]
    assert order == ["l0", "l1", "q0", "l2", "q1", "l3"]
