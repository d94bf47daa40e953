"""Sound that cannot be trained on, or hardly: the champion stays, and the reason is told and stored."""

import re
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest
import soundfile
from retraining import assert_tidy, changed, run

from fxd.config import Settings, TcnSettings
from fxd.engines.engine import Array
from fxd.factory import install_factory_model
from fxd.store.records import Example, Subset
from fxd.store.store import Store
from fxd.training.models import read_card

AddSound = Callable[..., Example]
AddUntil = Callable[[Subset, Callable[[int], Array]], Example]


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"tcn": TcnSettings(preset="nano", device="cpu")})


@pytest.fixture
def add_until(add_sound: AddSound, store: Store) -> AddUntil:
    """Puts the first of some sounds that falls into the subset into the set, each made from another number."""
    numbers = count()

    def add(subset: Subset, make: Callable[[int], Array]) -> Example:
        for number in numbers:
            example = add_sound(make(number))
            if example.subset == subset:
                return example
            store.remove_examples([example.content_sha256])
        raise AssertionError

    return add


def noise(number: int, frames: int = 24_000) -> Array:
    return np.random.default_rng(number).normal(0, 0.2, (1, frames)).astype(np.float32)


def spoil(settings: Settings, example: Example) -> None:
    """Write nan into a dry sound that is kept already."""
    path = settings.dataset / example.path
    sound, sample_rate = soundfile.read(path, dtype="float32")
    sound[100] = np.nan
    soundfile.write(path, sound, sample_rate, subtype="FLOAT", format="WAV")


@pytest.fixture
def champion(settings: Settings, store: Store) -> str:
    """The id of a champion that is hard to beat: the one that ships."""
    return install_factory_model(settings, store).id


def assert_stays(settings: Settings, store: Store, champion: str, reason: str) -> None:
    """A retraining leaves the champion, and the store has the reason, of which `reason` is a part."""
    result = run(settings, store, steps=4)
    assert result.state in ("failed", "kept")
    assert reason in result.reason
    assert store.trainings(1)[0].reason == result.reason
    serving = store.champion()
    assert serving is not None
    assert serving.id == champion
    assert_tidy(settings, store)


def test_one_file_for_training_has_nothing_to_judge_by(
    settings: Settings, store: Store, champion: str, add_until: AddUntil
) -> None:
    add_until("training", noise)
    assert_stays(settings, store, champion, "there is no validation sound to judge a new model by")


def test_one_file_for_validation_has_nothing_to_learn_from(
    settings: Settings, store: Store, champion: str, add_until: AddUntil
) -> None:
    add_until("validation", noise)
    assert_stays(settings, store, champion, "the training set is empty")


def test_validation_sounds_that_are_silent_judge_nothing(
    settings: Settings, store: Store, champion: str, add_until: AddUntil
) -> None:
    add_until("training", noise)
    add_until("validation", lambda number: np.zeros((1, 1000 + number), np.float32))
    store.remove_examples(
        [
            one.content_sha256
            for one in store.contents()
            if one.subset == "validation" and one.frames == 24_000
        ]
    )
    assert_stays(settings, store, champion, "there is no validation sound to judge a new model by")


@pytest.mark.long
def test_clips_of_a_few_milliseconds_are_learned_from_and_judged_by(
    settings: Settings, store: Store, add_until: AddUntil
) -> None:
    for frames in (1, 7, 100, 240):
        for subset in ("training", "validation"):
            add_until(subset, lambda number, frames=frames: noise(number, frames))
    first = run(settings, store, steps=60)
    assert first.state == "promoted"
    second = run(changed(settings, tcn=TcnSettings(preset="feather", device="cpu")), store, steps=1)
    assert second.state == "kept"
    assert second.decision is not None
    assert second.decision.files
    assert_tidy(settings, store)


def test_a_set_of_nothing_but_nan_fails_with_the_reason(
    settings: Settings, store: Store, champion: str, add_until: AddUntil
) -> None:
    add_until("training", noise)
    add_until("validation", noise)
    for example in store.contents():
        if example.subset == "training":
            spoil(settings, example)
    assert_stays(settings, store, champion, "no training sound can be used; the first: ")


def test_validation_sounds_of_nothing_but_nan_are_named(
    settings: Settings, store: Store, champion: str, add_until: AddUntil
) -> None:
    add_until("training", noise)
    spoil(settings, add_until("validation", noise))
    reason = "no validation sound to judge a new model by"
    assert_stays(settings, store, champion, reason)
    assert "; 1 file of the training set left out: " in store.trainings(1)[0].reason


def test_nan_in_one_sound_leaves_that_sound_out_and_is_told(
    settings: Settings, store: Store, add_until: AddUntil, add_excerpt: AddSound
) -> None:
    spoilt = [add_until("training", noise), add_until("validation", noise)]
    for example in spoilt:
        spoil(settings, example)
    good = [add_excerpt("loop_electric"), add_excerpt("loop_amen", "validation")]
    result = run(settings, store, steps=40)
    assert result.state == "promoted"
    assert "; 2 files of the training set left out: " in result.reason
    assert "nan" in result.reason
    assert store.trainings(1)[0].reason == result.reason
    card = read_card(settings.paths.models / str(result.model_id))
    assert card.trained_on == (good[0].content_sha256,)
    assert [one.content_sha256 for one in card.scores] == [good[1].content_sha256]
    assert_tidy(settings, store)


def test_a_sound_that_is_far_too_loud_is_left_out_and_named(
    settings: Settings,
    store: Store,
    champion: str,
    add_until: AddUntil,
    add_excerpt: AddSound,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loud = [add_until(subset, lambda number: 32_768 * noise(number)) for subset in ("training", "validation")]
    reason = "dBFS, and more than +24 is nothing to learn from"
    assert_stays(settings, store, champion, "no training sound can be used; the first: ")
    assert reason in store.trainings(1)[0].reason
    add_excerpt("loop_electric")
    good = add_excerpt("loop_amen", "validation")
    monkeypatch.setattr(store, "files_of", lambda contents: dict.fromkeys(contents, "ints.wav"))
    result = run(settings, store, steps=4)
    assert result.state == "kept"
    assert "; 2 files of the training set left out: " in result.reason
    assert re.search(r"left out: ints\.wav \(.*: its peak is \+\d+ dBFS", result.reason)
    card = read_card(settings.paths.models / str(result.model_id))
    assert [one.content_sha256 for one in card.scores] == [good.content_sha256]
    assert {one.subset for one in loud} == {"training", "validation"}


@pytest.mark.parametrize("rate", [1e2, 1e4])
def test_a_rate_that_is_far_too_high_leaves_the_champion(
    settings: Settings,
    store: Store,
    champion: str,
    plan: Callable[..., None],
    add_excerpt: AddSound,
    rate: float,
) -> None:
    """Whether the weights end as nan or only as nonsense."""
    add_excerpt("loop_electric")
    add_excerpt("loop_amen", "validation")
    plan(steps=40, learning_rate=rate)
    result = run(settings, store)
    assert result.state in ("failed", "kept")
    # Of nan it is told after how many steps; what is only nonsense loses the contest.
    assert "steps" in result.reason or f"dB worse than {champion} in the median of" in result.reason
    assert store.trainings(1)[0].reason == result.reason
    serving = store.champion()
    assert serving is not None
    assert serving.id == champion
    assert_tidy(settings, store)
