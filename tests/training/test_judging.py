"""Who is judged when, and what is known of the time that takes."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from fxd.config import Settings
from fxd.engines.tcn import PRESETS, TcnModel
from fxd.metrics import decibels
from fxd.store.store import Store
from fxd.training import contest, judging
from fxd.training.contest import Material
from fxd.training.course import ValidationPair, validation_esr
from fxd.training.judging import FINISH_SECONDS, Judging, Stopped
from fxd.training.promotion import FileScore, esr_db
from fxd.training.succession import BY_HAND

Make = Callable[..., Judging]


@pytest.fixture
def judged_ids(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the models that were judged, one for each file."""
    ids: list[str] = []
    really = contest.score

    def noted(network: TcnModel, *arguments: Any) -> FileScore:
        ids.append(network.id)
        return really(network, *arguments)

    monkeypatch.setattr(contest, "score", noted)
    return ids


@pytest.fixture
def make(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes the judging of a `nano` challenger by two half seconds of noise; a network takes five seconds."""
    monkeypatch.setattr(judging, "judging_seconds", lambda *_: 5.0)
    rng = np.random.default_rng(0)
    sounds = rng.normal(0, 0.1, (2, 24_000)).astype(np.float32)
    pairs = [ValidationPair(name, sound, np.tanh(sound)) for name, sound in zip("ab", sounds, strict=True)]

    def more(_: object) -> Sequence[ValidationPair]:
        return [ValidationPair("clip", sounds[0][:4800], sounds[0][:4800])]

    def new(should_stop: Callable[[], bool] = lambda: False) -> Judging:
        material = Material(pairs, {}, more)
        return Judging(settings, store, material, frozenset({"heard"}), PRESETS["nano"], should_stop)

    return new


def test_what_the_champion_takes_tells_what_the_challenger_will_take(
    make: Make, silent_champion: str, judged_ids: list[str]
) -> None:
    one = make()
    assert one.seconds == 5 + 5 + FINISH_SECONDS
    gained = one.judge_champion(1.0)
    assert set(judged_ids) == {silent_champion}
    # The estimate of five seconds weighs a tenth of what was measured.
    slower = (0.1 + one.spent / 5) / 1.1
    assert one.seconds == pytest.approx(slower * 5 + FINISH_SECONDS)
    assert gained == pytest.approx(10 - one.spent - 5 * slower, abs=0.5)


def test_it_is_done_bit_by_bit_and_what_is_left_is_reckoned_with(
    make: Make, silent_champion: str, judged_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "SINES_SECONDS", 0.5)
    one = make()
    done, left = [], []
    for share in (0.0, 0.1, 0.4, 0.5, 0.75, 0.94, 0.95, 1.0):
        one.judge_champion(share)
        assert one.audition is not None
        done.append(len(judged_ids))
        left.append(one.seconds)
        assert one.audition.share >= share / 0.95 or share > 0.95
    # Half a second, half a second, the clip of a tenth, and the sines.
    assert done == [0, 1, 2, 2, 3, 3, 3, 3]
    assert left[0] == pytest.approx(10 + FINISH_SECONDS, abs=0.01)
    assert left[-1] < left[0] - 5
    assert one.audition.share == 1.0
    assert one.judge_champion(1.0) == pytest.approx(0.0, abs=0.05)
    assert one.decide(judging.silent_network(PRESETS["nano"]))[1].champion == silent_champion


def test_where_the_shapes_differ_so_does_the_time(
    make: Make, silent_champion: str, judged_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {PRESETS["nano"]: 6.0, PRESETS["feather"]: 2.0}
    monkeypatch.setattr(judging, "judging_seconds", lambda shape, *_: seconds[shape])
    one = make()
    assert one.seconds == 6 + 2 + FINISH_SECONDS
    one.judge_champion(1.0)
    assert one.seconds == pytest.approx(FINISH_SECONDS + 6 * (0.1 + one.spent / 2) / 1.1)
    assert set(judged_ids) == {silent_champion}


def test_nobody_is_judged_twice_by_the_same_files(
    make: Make, silent_champion: str, make_network: Callable[..., TcnModel], judged_ids: list[str]
) -> None:
    one, network = make(), make_network("new")
    one.judge_champion(0.5)
    one.judge_champion(1.0)
    esr = one.judge_last(network)
    challenger, decision = one.decide(network)
    assert judged_ids == [silent_champion] * 3 + ["new"] * 3
    assert decision.champion == silent_champion
    assert len(decision.files) == 3
    # fxd's own clips tell models apart; the score is of the home's own sounds.
    assert esr == pytest.approx(validation_esr(network, one.material.pairs), rel=1e-5)
    own = [score for score in challenger.scores if score.content_sha256 != "clip"]
    assert decibels(esr) == pytest.approx(esr_db(own))


def test_without_a_champion_there_is_one_to_judge(
    make: Make, make_network: Callable[..., TcnModel], judged_ids: list[str]
) -> None:
    one = make()
    assert one.seconds == 5 + FINISH_SECONDS
    assert one.judge_champion(1.0) == 0.0
    network = make_network("new")
    one.judge_last(network)
    _, decision = one.decide(network)
    assert judged_ids == ["new"] * 2
    assert decision.reason.startswith("no model served yet")


def test_a_model_that_is_promoted_after_the_champion_was_judged_is_judged_too(
    make: Make,
    store: Store,
    silent_champion: str,
    make_network: Callable[..., TcnModel],
    keep_model: Callable[..., str],
    judged_ids: list[str],
) -> None:
    one, network = make(), make_network("new")
    one.judge_champion(0.5)
    keep_model(make_network("other", seed=1), trained_on=("x",))
    store.promote("other", BY_HAND, datetime.now(UTC))
    assert one.decide(network)[1].champion == "other"
    assert judged_ids == [silent_champion] * 3 + ["new"] * 3 + ["other"] * 3


def test_a_stop_only_puts_it_off(
    make: Make, silent_champion: str, make_network: Callable[..., TcnModel], judged_ids: list[str]
) -> None:
    network, stopping = make_network("new"), [False]
    one = make(lambda: stopping[0])
    one.judge_champion(0.1)
    stopping[0] = True
    before = one.seconds
    assert one.judge_champion(1.0) == pytest.approx(0.0, abs=0.05)
    assert one.seconds == pytest.approx(before, abs=0.05)
    with pytest.raises(Stopped, match="asked to stop while it was judged"):
        one.decide(network)
    stopping[0] = False
    assert one.decide(network)[1].champion == silent_champion
    assert sorted(judged_ids) == ["new"] * 3 + [silent_champion] * 3
