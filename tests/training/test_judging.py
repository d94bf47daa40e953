"""Who is judged when, and what is known of the time that takes."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from short_training import PLAN, FakeClock, TimedSegments
from short_training import run as run_training

from fxd.config import Settings
from fxd.engines.tcn import PRESETS, TcnModel
from fxd.metrics import decibels
from fxd.store.store import Store
from fxd.training import contest, course, judging, trainer
from fxd.training.contest import Material
from fxd.training.course import ValidationPair, validation_esr
from fxd.training.judging import FINISH_SECONDS, Judging, Stopped
from fxd.training.promotion import FileScore, esr_db
from fxd.training.succession import BY_HAND
from fxd.training.trainer import saved_plan

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


def test_it_is_done_bit_by_bit_and_what_is_left_is_reckoned_with(
    make: Make, silent_champion: str, judged_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contest, "SINES_SECONDS", 0.5)
    one = make()
    assert one.seconds == 5 + 5 + FINISH_SECONDS
    done, left = [], []
    for share in (0.05, 0.06, 0.1, 0.4, 0.5, 0.75, 0.94, 0.95, 1.0):
        one.judge_champion(share)
        assert one.audition is not None
        done.append(len(judged_ids))
        left.append(one.seconds)
    # Half a second, half a second, the clip of a tenth, and the sines.
    assert done == [0, 1, 1, 2, 2, 3, 3, 3, 3]
    assert left[0] == 10 + FINISH_SECONDS
    assert left[-1] < left[0] - 5
    assert one.audition.share == 1.0
    assert one.decide(judging.silent_network(PRESETS["nano"]))[1].champion == silent_champion


def test_where_the_shapes_differ_so_does_the_time(
    make: Make, silent_champion: str, judged_ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = {PRESETS["nano"]: 6.0, PRESETS["feather"]: 2.0}
    monkeypatch.setattr(judging, "judging_seconds", lambda shape, *_: seconds[shape])
    one = make()
    assert one.seconds == 6 + 2 + FINISH_SECONDS
    one.judge_champion(0.0)
    one.judge_champion(1.0)
    assert one.audition is not None
    slower = (0.1 + one.audition.pace / 2) / 1.1
    assert one.seconds == pytest.approx(FINISH_SECONDS + 6 * slower)
    assert set(judged_ids) == {silent_champion}


def test_clips_of_a_millisecond_do_not_make_all_look_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(contest, "time", clock)

    def scored(_: TcnModel, pair: ValidationPair, *_more: object) -> FileScore:
        clock.now += 0.0002 + len(pair.dry) / 480_000
        return FileScore(pair.content_sha256, 0.1, 0.1, 1.0)

    def aliased(_: object) -> float:
        clock.now += contest.SINES_SECONDS / 10
        return -100.0

    monkeypatch.setattr(contest, "score", scored)
    monkeypatch.setattr(contest, "loudest_alias_db", aliased)
    sound = np.ones(240_000, np.float32)
    pairs = [
        ValidationPair(f"{n}", sound[:frames], sound[:frames])
        for n, frames in enumerate([48] * 40 + [240_000])
    ]
    player = contest.Player(judging.silent_network(PRESETS["nano"]), frozenset())
    one, began = contest.Audition(player, pairs, {}, lambda: None), clock.now
    one.play(1.0)
    assert one.pace == pytest.approx(clock.now - began, rel=0.02)


STALLS = [{}, {1: 2.0}, {1: 6.0}, {10: 6.0}, {20: 0.5}, {3: 1.0, 4: 1.0, 5: 1.0}]
"""Seconds by the number of the file, of the champion's and then the challenger's, during which they come."""


@pytest.fixture
def timed(make: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Judging, FakeClock]]:
    """A judging of 20 parts that takes so much longer than the estimate of two seconds, on a clock of its own."""
    clock, files = FakeClock(), count(1)
    for module in (judging, contest, course, trainer):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(contest, "SINES_SECONDS", 0.1)
    monkeypatch.setattr(judging, "judging_seconds", lambda *_: 2.0)
    noise = np.random.default_rng(0).normal(0, 0.1, 4800).astype(np.float32)

    def new(slower: float, stalls: dict[int, float]) -> tuple[Judging, FakeClock]:
        def scored(network: TcnModel, pair: ValidationPair, *_: Any) -> FileScore:
            clock.now += 0.1 * slower + stalls.get(next(files), 0.0)
            return FileScore(pair.content_sha256, 0.1, 0.01 + len(network.id) / 1000, 1.0)

        def aliased(_: object) -> float:
            clock.now += 0.1 * slower
            return -100.0

        monkeypatch.setattr(contest, "score", scored)
        monkeypatch.setattr(contest, "loudest_alias_db", aliased)
        one = make()
        pairs = [ValidationPair(f"{n}", noise, noise) for n in range(19)]
        one.material = replace(one.material, pairs=pairs, more=lambda _: [])
        return one, clock

    return new


@pytest.mark.usefixtures("silent_champion")
@pytest.mark.parametrize("slower", [0.4, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("stalls", STALLS)
def test_training_and_judging_end_with_the_budget(
    tmp_path: Path,
    timed: Callable[..., tuple[Judging, FakeClock]],
    make_network: Callable[..., TcnModel],
    slower: float,
    stalls: dict[int, float],
) -> None:
    one, clock = timed(slower, stalls)
    began, training = clock.now, 40.0
    budget = training + one.seconds
    plan = replace(PLAN, steps=10**9, validate_every=10**9, seconds=training)
    trained = run_training(
        tmp_path,
        plan,
        segments=TimedSegments(clock),
        validation=[],
        judge=one.judge_last,
        interlude=one.judge_champion,
    )
    assert one.decide(make_network(trained.model.id))[1].files
    whole = clock.now - began
    # What is done before the model is written; the decision above is of another network, which plays too.
    whole += FINISH_SECONDS - 2.0 * slower
    assert whole == pytest.approx(budget, rel=0.03)


@pytest.mark.usefixtures("silent_champion")
@pytest.mark.parametrize("slower", [0.5, 2.0])
def test_a_training_that_is_gone_on_with_again_and_again_has_no_other_end(
    tmp_path: Path, timed: Callable[..., tuple[Judging, FakeClock]], slower: float
) -> None:
    plan, processes = replace(PLAN, steps=10**9, validate_every=10**9, seconds=40.0), 0
    stopped = True
    while stopped:
        processes += 1
        one, clock = timed(slower, {})
        segments = TimedSegments(clock)
        trained = run_training(
            tmp_path,
            plan,
            segments=segments,
            validation=[],
            judge=lambda _: 0.5,
            interlude=one.judge_champion,
            should_stop=lambda segments=segments: segments.drawn == 280,
        )
        seconds, stopped = trained.seconds, trained.stopped_early
        plan = saved_plan(tmp_path / "checkpoint") or plan
        assert plan.seconds == 40.0 or not stopped
    assert processes == 3
    assert seconds == pytest.approx(40 + 2 * (2 - 2 * slower), abs=0.5)


def test_nobody_is_judged_twice_by_the_same_files(
    make: Make, silent_champion: str, make_network: Callable[..., TcnModel], judged_ids: list[str]
) -> None:
    one, network = make(), make_network("new")
    for share in (0.05, 0.5, 1.0):
        one.judge_champion(share)
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
    one.judge_champion(0.05)
    one.judge_champion(0.5)
    keep_model(make_network("other", seed=1), trained_on=("x",))
    store.promote("other", BY_HAND, datetime.now(UTC))
    assert one.decide(network)[1].champion == "other"
    assert judged_ids == [silent_champion] * 3 + ["new"] * 3 + ["other"] * 3


def test_another_network_under_the_same_id_is_judged_by_itself(
    make: Make, make_network: Callable[..., TcnModel], keep_model: Callable[..., str], store: Store
) -> None:
    one, network = make(), make_network("new")
    first = one.judge(one.player(network), one.material.pairs)
    keep_model(make_network("new", seed=1), trained_on=("x",))
    store.promote("new", BY_HAND, datetime.now(UTC))
    challenger, decision = one.decide(network)
    assert challenger.scores[0] == first.scores[0]
    assert decision.files[0].champion_esr_db != decision.files[0].challenger_esr_db


def test_what_either_was_trained_on_judges_neither(
    make: Make, store: Store, make_network: Callable[..., TcnModel], keep_model: Callable[..., str]
) -> None:
    keep_model(make_network("old"), trained_on=("clip", "b"))
    store.promote("old", BY_HAND, datetime.now(UTC))
    asked: list[frozenset[str]] = []
    one = make()
    one.material = replace(one.material, more=lambda without: asked.append(without) or [])
    one.judge_champion(0.05)
    _, decision = one.decide(make_network("new", seed=1))
    assert {*asked} == {frozenset({"heard", "clip", "a", "b"})}
    assert [file.content_sha256 for file in decision.files] == ["a"]


def test_a_stop_only_puts_it_off(
    make: Make, silent_champion: str, make_network: Callable[..., TcnModel], judged_ids: list[str]
) -> None:
    network, stopping = make_network("new"), [False]
    one = make(lambda: stopping[0])
    one.judge_champion(0.05)
    one.judge_champion(0.1)
    stopping[0] = True
    before = one.seconds
    one.judge_champion(1.0)
    assert one.seconds == before
    with pytest.raises(Stopped, match="asked to stop while it was judged"):
        one.decide(network)
    stopping[0] = False
    assert one.decide(network)[1].champion == silent_champion
    assert sorted(judged_ids) == ["new"] * 3 + [silent_champion] * 3
