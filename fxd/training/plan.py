"""How a time budget becomes a fixed number of steps, and how fast is learned at each of them.

The plan is made from costs that are measured for a moment, and kept with the training: so a training that was
interrupted goes on as planned, and the same plan with the same seed gives the same weights on the same machine.
Where the machine turns out faster than in that moment, the plan is lengthened, or time would stay unused. Where
it turns out slower, the clock takes over, for most of the gain comes from the end of the decay, and a decay that
is cut off has none of it:

    share of the plan    0 ---- step / steps ----------------------- 1     on time: this one is ahead
    share of the time    0 -- seconds / training_seconds ----------- 1     too slow: this one is
"""

from dataclasses import dataclass, replace
from math import ceil, cos, inf, pi

RECIPE = 1
"""Raised by whatever lets the same sounds and steps come to another network: parts of a batch, probes, loss,
optimiser. Models made before there was a number have none in their cards."""
BATCH = 4
FRAMES = 1024
LEARNING_RATE = 1e-2
WARM_LEARNING_RATE = 2e-3
"""Where training starts from a model that has taken as many steps before, or more: after three nights of equal
length 5e-3 is 1 dB behind. It is in proportion to the steps where these are more than the model has taken: with
seven times as many, this rate is 2 dB behind a start from zero, and the full one 2 to 4 dB ahead of it."""
VALIDATION_SHARE = 0.05
"""Of the budget, at most: all but the last are there to be looked at. That one is always made."""
MOST_VALIDATIONS = 20
SPARE_SHARE = 0.02
"""Of the budget: steps do not all take as long as those that were measured."""
LOOKS = 20
"""How often in its time a plan is held against what steps take in earnest, beside the look at its end."""
UNUSED_SHARE = 0.03
"""Of the time: what a plan may leave unused as it is; more than the spare, or each would be lengthened."""


@dataclass(frozen=True)
class Costs:
    """Seconds that were measured on this machine."""

    step: float
    validation: float


@dataclass(frozen=True)
class Plan:
    """What a training will do. Two trainings with the same plan and the same material do the same."""

    steps: int
    validate_every: int
    """Steps between two validations; after the last step the weights are judged in any case."""
    seed: int = 0
    batch: int = BATCH
    """Segments a step."""
    frames: int = FRAMES
    """Target frames a segment, after a receptive field of context."""
    learning_rate: float = LEARNING_RATE
    seconds: float = inf
    """After these the last weights are judged, whatever the step."""
    known_steps: int = 0
    """What the weights that it starts from have taken in all; 0 is a start from zero."""

    def lengthened(self, step: int, seconds: float, costs: Costs) -> "Plan":
        """After `step` steps and `seconds`: with more steps, where the rest of the time has room for them.

        >>> plan = Plan(steps=1000, validate_every=1000, seconds=100.0)
        >>> [plan.lengthened(500, 50.0, Costs(cost, 1.0)).steps for cost in (0.2, 0.096, 0.05)]
        [1000, 1000, 1460]
        """
        if self.seconds == inf:
            return self
        # The one after the last step is no part of these seconds.
        validations = (self.steps - 1) // self.validate_every - step // self.validate_every
        left = self.seconds - seconds - validations * costs.validation
        if (left - UNUSED_SHARE * self.seconds) / costs.step <= self.steps - step:
            return self
        steps = step + int((left - SPARE_SHARE * self.seconds) / costs.step)
        return replace(
            self,
            steps=steps,
            validate_every=ceil(self.validate_every * steps / self.steps),
            learning_rate=self.learning_rate
            * full_rate(steps, self.known_steps)
            / full_rate(self.steps, self.known_steps),
        )

    def learning_rate_at(self, step: int, seconds: float) -> float:
        """The rate of a step that begins after `seconds`: half a cosine, from full to nothing.

        >>> [round(Plan(steps=4, validate_every=4).learning_rate_at(step, 0), 4) for step in range(5)]
        [0.01, 0.0085, 0.005, 0.0015, 0.0]
        """
        return self.learning_rate * (1 + cos(pi * self.share(step, seconds))) / 2

    def share(self, step: int, seconds: float) -> float:
        """What is done after `step` steps and `seconds`: of the steps, or of the time where that is more."""
        return 1.0 if seconds >= self.seconds else max(step / self.steps, seconds / self.seconds)


def full_rate(steps: int, known_steps: int) -> float:
    """The learning rate with which so many steps begin, from weights that have taken `known_steps` before.

    >>> [full_rate(1000, known) for known in (0, 100, 500, 1000, 9000)]
    [0.01, 0.01, 0.004, 0.002, 0.002]
    """
    if not known_steps:
        return LEARNING_RATE
    return min(LEARNING_RATE, WARM_LEARNING_RATE * max(1.0, steps / known_steps))


def plan_of(steps: int, seed: int, known_steps: int = 0) -> Plan:
    """The plan of a number of steps, whatever time they take: it gives the same weights every time."""
    return Plan(
        steps,
        ceil(steps / MOST_VALIDATIONS),
        seed,
        learning_rate=full_rate(steps, known_steps),
        known_steps=known_steps,
    )


def plan_within(
    seconds: float, costs: Costs, seed: int, known_steps: int = 0, last_validation: bool = True
) -> Plan:
    """The plan that fills a budget: as many steps as fit beside a few validations.

    `known_steps` are those that the weights it starts from have taken; 0 is from zero. Without `last_validation`
    the time of the last one is no part of the budget.

    >>> plan_within(100, Costs(step=0.01, validation=1.0), seed=0).steps
    9300
    """
    affordable = VALIDATION_SHARE * seconds / max(costs.validation, 1e-6)
    validations = max(1, min(MOST_VALIDATIONS, int(affordable)))
    # What it starts from is judged too.
    within = validations + bool(known_steps) - (not last_validation)
    available = (1 - SPARE_SHARE) * seconds - within * costs.validation
    steps = max(1, int(available / costs.step))
    return Plan(
        steps,
        ceil(steps / validations),
        seed,
        learning_rate=full_rate(steps, known_steps),
        seconds=max(0.0, seconds - last_validation * costs.validation),
        known_steps=known_steps,
    )
