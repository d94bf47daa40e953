import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fxd.training.plan import Costs, Plan, full_rate, plan_of, plan_within

seconds = st.floats(10, 1e5)
costs = st.floats(1e-4, 0.1)


@given(budget=seconds, step=costs, validation=st.floats(0, 60))
def test_a_plan_fits_into_its_budget_and_uses_it(budget: float, step: float, validation: float) -> None:
    plan = plan_within(budget, Costs(step, validation), seed=3)
    validations = math.ceil(plan.steps / plan.validate_every)
    spent = plan.steps * step + validations * validation
    assert plan.seed == 3
    assert plan.seconds + validation <= max(budget, validation) * (1 + 1e-9)
    if validation < budget / 2:
        assert spent <= budget
        assert spent >= 0.9 * (budget - validation) - 2 * step - validation


@given(budget=seconds, step=costs, validation=st.floats(0, 60))
def test_validation_takes_no_more_than_a_tenth_unless_it_is_the_only_one(
    budget: float, step: float, validation: float
) -> None:
    plan = plan_within(budget, Costs(step, validation), seed=0)
    validations = math.ceil(plan.steps / plan.validate_every)
    assert validations <= 20
    assert validations == 1 or validations * validation <= 0.1 * budget * (1 + 1e-9)


def test_the_learning_rate_falls_along_the_steps_while_the_machine_keeps_up() -> None:
    plan = Plan(steps=100, validate_every=10, seconds=1000)
    on_time = [plan.learning_rate_at(step, seconds=9.0 * step) for step in range(101)]
    assert on_time == [Plan(100, 10).learning_rate_at(step, 0) for step in range(101)]
    assert on_time[0] == plan.learning_rate
    assert on_time == sorted(on_time, reverse=True)
    assert on_time[100] == 0


def test_a_machine_that_is_too_slow_still_gets_the_whole_decay() -> None:
    plan = Plan(steps=1000, validate_every=10, seconds=100)
    assert plan.learning_rate_at(step=10, seconds=50) == pytest.approx(plan.learning_rate / 2)
    assert plan.learning_rate_at(step=20, seconds=100) == pytest.approx(0, abs=1e-12)
    assert plan.learning_rate_at(step=20, seconds=101) == pytest.approx(0, abs=1e-12)


@given(
    step=st.integers(0, 1000),
    more=st.integers(1, 1000),
    share=st.floats(0, 1),
    every=st.integers(1, 1000),
    cost=costs,
    validation=st.floats(0, 60),
    seconds=seconds,
)
def test_a_plan_is_lengthened_to_its_time_and_no_further(
    step: int, more: int, share: float, every: int, cost: float, validation: float, seconds: float
) -> None:
    plan = Plan(step + more, validate_every=every, seconds=seconds)
    longer = plan.lengthened(step, share * seconds, Costs(cost, validation))
    between = (plan.steps - 1) // every - step // every

    def ends(plan: Plan) -> float:
        return share * seconds + (plan.steps - step) * cost + between * validation

    assert ends(plan) <= ends(longer)
    assert ends(longer) >= 0.97 * seconds - cost
    if longer != plan:
        assert ends(longer) <= 0.98 * seconds * (1 + 1e-9)
        assert math.ceil(longer.steps / longer.validate_every) <= math.ceil(plan.steps / plan.validate_every)


@given(budget=seconds, step=costs, validation=st.floats(0, 60), share=st.floats(0, 1))
def test_a_plan_whose_costs_were_measured_rightly_stays_as_it_is(
    budget: float, step: float, validation: float, share: float
) -> None:
    plan = plan_within(budget, Costs(step, validation), seed=0)
    # Else a step more or less is a percent.
    assume(plan.steps >= 200 and validation < budget / 10)
    taken = int(share * (plan.steps - 1))
    spent = taken * step + taken // plan.validate_every * validation
    assert plan.lengthened(taken, spent, Costs(step, validation)) is plan


def test_a_warm_start_with_more_steps_than_planned_learns_faster() -> None:
    plan = plan_within(100, Costs(0.1, 0.0), 0, known_steps=1000)
    longer = plan.lengthened(50, 5.0, Costs(0.02, 0.0))
    assert longer.learning_rate == pytest.approx(full_rate(longer.steps, 1000))
    assert longer.learning_rate > 2 * plan.learning_rate


def test_a_number_of_steps_that_was_asked_for_is_never_changed() -> None:
    plan = plan_of(100, seed=0)
    assert plan.lengthened(50, 1.0, Costs(1e-6, 0.0)) is plan


def test_no_budget_is_one_step() -> None:
    plan = plan_within(-1.0, Costs(0.1, 1.0), seed=0)
    assert (plan.steps, plan.seconds) == (1, 0.0)
    assert plan.learning_rate_at(0, 0.1) == pytest.approx(0, abs=1e-12)


def test_a_training_that_starts_from_a_model_takes_smaller_steps() -> None:
    known = (0, 100_000, 3000, 100)
    cold, old, young, newborn = (plan_within(100, Costs(0.01, 1.0), 0, steps) for steps in known)
    assert old.learning_rate < cold.learning_rate / 2
    # What was trained for a moment only is hardly a start.
    assert old.learning_rate < young.learning_rate < newborn.learning_rate == cold.learning_rate
    # A second of theirs is for the judging of what they start from.
    assert cold.steps - 100 == old.steps == young.steps == newborn.steps
    assert [plan.known_steps for plan in (cold, old, young, newborn)] == list(known)
