import math
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from short_training import (
    PLAN,
    SMALL,
    VALIDATION,
    ClipSegments,
    FakeClock,
    TimedSegments,
    assert_same_weights,
    run,
)

from fxd.engines.engine import Array
from fxd.engines.tcn import PRESETS, TcnModel
from fxd.training import course, trainer
from fxd.training.measuring import plan_for
from fxd.training.trainer import (
    Progress,
    TrainingFailed,
    ValidationPair,
    saved_plan,
    validation_esr,
)


def test_training_brings_the_error_down_on_sound_that_it_never_heard(tmp_path: Path) -> None:
    trained = run(tmp_path, replace(PLAN, steps=300, validate_every=100))
    assert trained.best_esr_db < -9
    assert trained.best_esr_db < trained.curve[0].validation_esr_db - 1
    assert 10 * math.log10(validation_esr(trained.model, VALIDATION)) == pytest.approx(trained.best_esr_db)
    assert (trained.steps, trained.model.id, trained.model.settings_hash) == (300, "m", "h")
    assert [point.step for point in trained.curve] == [100, 200, 300]
    assert all(point.loss_db < 0 for point in trained.curve[1:])
    assert not trained.stopped_early
    assert not trained.cut_by_clock


@pytest.mark.parametrize("threads", [2, 5])
def test_validation_comes_to_the_same_however_many_threads_there_are(tmp_path: Path, threads: int) -> None:
    model = run(tmp_path).model
    assert validation_esr(model, 2 * VALIDATION, threads) == validation_esr(model, 2 * VALIDATION)
    assert validation_esr(model, VALIDATION, threads) == pytest.approx(
        validation_esr(model, 2 * VALIDATION), rel=1e-12
    )


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    first, again, other = (
        run(tmp_path / str(index), replace(PLAN, seed=seed)) for index, seed in enumerate((7, 7, 8))
    )
    assert_same_weights(first.model, again.model)
    assert not np.array_equal(first.model.weights["0.conv"], other.model.weights["0.conv"])


class Killed(BaseException):
    pass


@pytest.mark.parametrize("killed_at", [1, 2, 22])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    def kill(drawn: int, _wet: Array) -> None:
        if drawn == killed_at:
            raise Killed

    undisturbed = run(tmp_path / "undisturbed")
    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    with pytest.raises(Killed):
        run(tmp_path, segments=ClipSegments(kill))
    assert saved_plan(tmp_path / "checkpoint") == PLAN
    segments = ClipSegments()
    resumed = run(tmp_path, segments=segments)
    assert segments.drawn == PLAN.steps - killed_at
    assert_same_weights(resumed.model, undisturbed.model)
    for point, expected in zip(resumed.curve, undisturbed.curve, strict=True):
        assert replace(point, seconds=0) == replace(expected, seconds=0)


def test_a_training_that_had_ended_only_hands_out_its_model_again(tmp_path: Path) -> None:
    first = run(tmp_path)
    segments = ClipSegments()
    again = run(tmp_path, segments=segments)
    assert segments.drawn == 0
    assert_same_weights(again.model, first.model)
    assert again.curve == first.curve


@pytest.mark.parametrize("difference", [{"settings_hash": "other"}, {"plan": replace(PLAN, seed=1)}])
def test_a_checkpoint_of_another_training_is_replaced(tmp_path: Path, difference: dict[str, Any]) -> None:
    run(tmp_path)
    segments = ClipSegments()
    run(tmp_path, segments=segments, **difference)
    assert segments.drawn == PLAN.steps


def test_a_file_that_is_no_checkpoint_costs_nothing_but_the_start(tmp_path: Path) -> None:
    (tmp_path / "checkpoint").write_bytes(b"half a checkpoint")
    assert saved_plan(tmp_path / "checkpoint") is None
    assert run(tmp_path).steps == PLAN.steps


def test_without_a_checkpoint_there_is_no_saved_plan(tmp_path: Path) -> None:
    assert saved_plan(tmp_path / "checkpoint") is None


def test_nan_in_the_material_fails_with_the_reason(tmp_path: Path) -> None:
    def spoil(drawn: int, wet: Array) -> None:
        if drawn == 5:
            wet[0, 0] = np.nan

    with pytest.raises(TrainingFailed, match="after 5 steps the error of a batch became nan"):
        run(tmp_path, segments=ClipSegments(spoil))


def test_a_training_that_diverges_fails_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"after \d+ steps"):
        run(tmp_path, replace(PLAN, learning_rate=1e30))


def test_without_validation_the_last_weights_are_taken_and_nothing_is_claimed(tmp_path: Path) -> None:
    silence = np.zeros(1000, np.float32)
    for folder, validation in (("none", []), ("silent", [ValidationPair("s", silence, silence)])):
        trained = run(tmp_path / folder, validation=validation)
        assert math.isnan(trained.best_esr_db)
        assert trained.best_step == PLAN.steps
        assert all(math.isnan(point.validation_esr_db) for point in trained.curve)


def test_a_training_that_is_stopped_keeps_the_best_so_far_and_can_go_on(tmp_path: Path) -> None:
    segments = ClipSegments()
    stopped = run(tmp_path, segments=segments, should_stop=lambda: segments.drawn == 20)
    assert stopped.stopped_early
    assert not stopped.cut_by_clock
    assert (stopped.steps, stopped.best_step) == (20, 15)
    assert_same_weights(run(tmp_path).model, run(tmp_path / "undisturbed").model)


def test_a_training_that_is_stopped_before_its_first_validation_claims_nothing(tmp_path: Path) -> None:
    segments = ClipSegments()
    stopped = run(tmp_path, segments=segments, should_stop=lambda: segments.drawn == 4)
    assert (stopped.steps, stopped.best_step, stopped.curve) == (4, 4, ())
    assert math.isnan(stopped.best_esr_db)


def test_a_cut_by_the_clock_is_told(tmp_path: Path) -> None:
    trained = run(tmp_path, replace(PLAN, steps=10**9, validate_every=10**9, seconds=0.3))
    assert trained.cut_by_clock
    assert 0 < trained.steps < 10**9
    assert trained.best_step == trained.steps


def test_a_plan_with_too_few_steps_for_its_time_gets_more(tmp_path: Path) -> None:
    trained = run(tmp_path, replace(PLAN, steps=10, validate_every=10**9, seconds=1.5))
    assert trained.steps > 10
    assert trained.seconds > 0.95 * 1.5
    assert trained.plan.steps >= trained.steps
    assert trained.best_step == trained.steps
    assert saved_plan(tmp_path / "checkpoint") == trained.plan


CLOCKED = replace(PLAN, steps=10**9, validate_every=10**9, seconds=10.0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    """The training's; with `TimedSegments` a step takes a twentieth of a second on it."""
    fake = FakeClock()
    monkeypatch.setattr(course, "time", fake)
    return fake


def test_an_interlude_is_no_part_of_the_time_and_may_give_some(tmp_path: Path, clock: FakeClock) -> None:
    shares: list[float] = []

    def interlude(share: float) -> float:
        shares.append(share)
        clock.now += 3
        return 5.0

    began = clock.now
    trained = run(tmp_path, CLOCKED, segments=TimedSegments(clock), interlude=interlude)
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0.05, abs=0.01)
    assert shares[-1] > 0.9
    assert trained.plan.seconds == 15
    assert trained.seconds == pytest.approx(15, abs=0.1)
    assert clock.now - began == pytest.approx(trained.seconds + 3 * len(shares))


def test_what_one_interlude_takes_the_next_may_give_back(tmp_path: Path, clock: FakeClock) -> None:
    looks = count()
    segments = TimedSegments(clock)
    trained = run(tmp_path, CLOCKED, segments=segments, interlude=lambda _: 0.0 if next(looks) else -1000.0)
    assert trained.seconds == pytest.approx(10, abs=0.1)
    # Where all say so there is an end to it, but not at once.
    looks = count()
    shorter = run(tmp_path / "shorter", CLOCKED, segments=segments, interlude=lambda _: next(looks) - 1000.0)
    assert next(looks) > 3
    assert shorter.seconds < 5


def test_who_goes_on_after_an_interlude_has_the_time_that_there_was_at_first(
    tmp_path: Path, clock: FakeClock
) -> None:
    def interlude(_: float) -> float:
        assert saved_plan(tmp_path / "checkpoint") == CLOCKED, "a kill meanwhile loses nothing"
        if next(looks):
            raise Killed
        return -2.0

    looks, segments = count(), TimedSegments(clock)
    with pytest.raises(Killed):
        run(tmp_path, CLOCKED, segments=segments, interlude=interlude)
    assert next(looks) == 2
    trained = run(tmp_path, CLOCKED, segments=segments, interlude=lambda _: -2.0)
    assert trained.plan.seconds == pytest.approx(8)
    # Once it has come to its end, it stays there.
    ended, drawn = saved_plan(tmp_path / "checkpoint"), segments.drawn
    assert ended is not None
    assert ended.seconds == pytest.approx(8)
    run(tmp_path, ended, segments=segments)
    assert segments.drawn == drawn


def test_who_stops_in_the_time_that_was_gained_goes_on_in_it(tmp_path: Path, clock: FakeClock) -> None:
    segments = TimedSegments(clock)
    options: dict[str, Any] = {"segments": segments, "interlude": lambda _: 5.0}
    stopped = run(tmp_path, CLOCKED, should_stop=lambda: segments.drawn == 240, **options)
    assert stopped.seconds == pytest.approx(12)
    plan = saved_plan(tmp_path / "checkpoint")
    assert plan is not None
    assert plan.seconds == 15
    assert run(tmp_path, plan, segments=segments).seconds == pytest.approx(15, abs=0.1)


def test_a_kill_where_a_plan_is_lengthened_is_not_its_end(tmp_path: Path, clock: FakeClock) -> None:
    def interlude(_: float) -> float:
        raise Killed

    plan = replace(PLAN, steps=6, validate_every=3, seconds=10.0)
    with pytest.raises(Killed):
        run(tmp_path, plan, segments=TimedSegments(clock), interlude=interlude)
    assert saved_plan(tmp_path / "checkpoint") == plan
    assert run(tmp_path, plan, segments=TimedSegments(clock)).steps > 150


def test_a_plan_without_a_clock_has_no_interlude(tmp_path: Path) -> None:
    def interlude(_: float) -> float:
        raise AssertionError

    assert run(tmp_path, interlude=interlude).steps == PLAN.steps


def test_the_last_weights_are_judged_as_one_likes_and_again_after_a_kill(
    tmp_path: Path, clock: FakeClock
) -> None:
    judged: list[TcnModel] = []

    def judge(model: TcnModel) -> float:
        judged.append(model)
        if len(judged) == 1:
            raise Killed
        clock.now += 10
        return 0.01

    with pytest.raises(Killed):
        run(tmp_path, judge=judge)
    trained = run(tmp_path, judge=judge)
    assert trained.best_esr_db == pytest.approx(-20)
    assert [point.step for point in trained.curve] == [15, 30, 40]
    assert trained.curve[-1].validation_esr_db == trained.best_esr_db
    assert trained.seconds == trained.curve[-1].seconds == 0, "to judge is not to train"
    assert_same_weights(trained.model, judged[0])
    assert_same_weights(trained.model, judged[1])
    assert run(tmp_path, judge=judge).best_esr_db == trained.best_esr_db
    assert len(judged) == 2, "what the checkpoint has is not judged again"


def test_what_is_ended_by_hand_is_validated(tmp_path: Path) -> None:
    def judge(_: TcnModel) -> float:
        raise AssertionError

    segments = ClipSegments()
    trained = run(tmp_path, segments=segments, should_end=lambda: segments.drawn == 20, judge=judge)
    assert trained.cut_short
    assert [point.step for point in trained.curve] == [15, 20]


def test_a_network_beyond_all_numbers_fails_before_whoever_judges_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="after 40 steps the network's output is beyond all numbers"):
        run(tmp_path, judge=lambda _: math.inf)


def test_a_training_whose_plan_was_lengthened_is_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kill(drawn: int, _wet: Array) -> None:
        if drawn == 80:
            raise Killed

    monkeypatch.setattr(trainer, "CHECKPOINT_SECONDS", 0.0)
    plan = replace(PLAN, steps=79, validate_every=10**9, seconds=10.0)
    with pytest.raises(Killed):
        run(tmp_path, plan, segments=ClipSegments(kill))
    lengthened = saved_plan(tmp_path / "checkpoint")
    assert lengthened is not None
    assert lengthened.steps > 79
    segments = ClipSegments()
    resumed = run(tmp_path, lengthened, segments=segments, should_end=lambda: segments.drawn == 5)
    assert resumed.steps == 85


@pytest.mark.parametrize("cut_short", [False, True])
def test_a_warm_start_that_is_cut_short_never_ends_with_less_than_it_had(
    tmp_path: Path, cut_short: bool
) -> None:
    def turn_round(_drawn: int, wet: Array) -> None:
        wet *= -1

    start = run(tmp_path / "before").model
    asked = count()
    trained = run(
        tmp_path,
        segments=ClipSegments(turn_round),
        start=start,
        should_end=lambda: cut_short and next(asked) >= PLAN.steps - 1,
    )
    assert trained.curve[-1].validation_esr_db > trained.curve[0].validation_esr_db
    assert trained.cut_short == cut_short
    assert trained.best_step == (0 if cut_short else trained.steps), "the contest says, file by file"
    if cut_short:
        assert_same_weights(trained.model, start)


def test_a_complete_training_gives_its_last_weights_though_an_earlier_validation_was_better(
    tmp_path: Path,
) -> None:
    def turn_round_late(drawn: int, wet: Array) -> None:
        if drawn > PLAN.steps // 2:
            wet *= -1

    trained = run(tmp_path, segments=ClipSegments(turn_round_late))
    assert min(point.validation_esr_db for point in trained.curve) < trained.curve[-1].validation_esr_db
    assert trained.best_step == trained.steps
    assert trained.best_esr_db == pytest.approx(trained.curve[-1].validation_esr_db)
    assert 10 * math.log10(validation_esr(trained.model, VALIDATION)) == pytest.approx(trained.best_esr_db)


def test_a_warm_start_from_another_architecture_is_refused(tmp_path: Path) -> None:
    start = replace(run(tmp_path / "before").model, id="before")
    with pytest.raises(ValueError, match="model before has another architecture"):
        run(tmp_path, architecture=PRESETS["nano"], start=start)


def test_progress_tells_step_loss_score_and_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "PROGRESS_SECONDS", 0.0)
    seen: list[Progress] = []
    run(tmp_path, on_progress=seen.append)
    assert [progress.step for progress in seen] == list(range(1, PLAN.steps + 1))
    assert math.isnan(seen[13].validation_esr_db)
    assert seen[14].validation_esr_db == seen[20].validation_esr_db < 10
    assert all(math.isfinite(progress.loss_db) for progress in seen)
    assert seen[-1].seconds_left == 0
    assert seen[5].seconds_left > 0


def test_a_plan_is_made_from_what_steps_and_validation_cost_here() -> None:
    short, long = (plan_for(SMALL, ClipSegments(), VALIDATION, seconds, seed=5) for seconds in (20, 2000))
    assert (short.seed, long.seed) == (5, 5)
    assert long.steps > 5 * short.steps
    assert short.validate_every <= short.steps
    assert 0 < short.seconds < 20


def test_a_plan_leaves_time_for_the_exchange_of_a_large_set() -> None:
    class Large(ClipSegments):
        def upkeep_seconds(self, frames: int) -> float:
            return frames / 4096

    # A second for each step of a batch.
    assert 10 < plan_for(SMALL, Large(), [], 20).steps < 20


def test_what_is_made_when_it_is_first_drawn_does_not_count_as_the_cost_of_a_step() -> None:
    heard: list[bytes] = []
    plan_for(SMALL, ClipSegments(lambda _, wet: heard.append(wet.tobytes())), [], 20)
    assert len(set(heard)) <= len(heard) / 3, "most of the measured batches had been drawn before"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_device_that_is_not_there_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingFailed, match='device = "cuda": PyTorch sees no CUDA device; use "auto" or "cpu"'
    ):
        run(tmp_path, device="cuda")
