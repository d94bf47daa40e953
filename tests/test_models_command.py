"""Which model a rollback returns to."""

from datetime import UTC, datetime, timedelta

from fxd.store.records import Promotion
from fxd.training.succession import ROLLED_BACK, line_of_succession


def promotions(*steps: str) -> list[Promotion]:
    """Newest first; `<A` is a rollback to A."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    told = [
        Promotion(step[-1], start + timedelta(days=day), ROLLED_BACK if step.startswith("<") else "better")
        for day, step in enumerate(steps)
    ]
    return told[::-1]


def test_each_rollback_goes_one_model_further_back() -> None:
    assert line_of_succession(promotions("A", "B", "C")) == ["A", "B", "C"]
    assert line_of_succession(promotions("A", "B", "C", "<B")) == ["A", "B"]
    assert line_of_succession(promotions("A", "B", "C", "<B", "<A")) == ["A"]


def test_a_promotion_after_a_rollback_continues_from_there() -> None:
    assert line_of_succession(promotions("A", "B", "<A", "C")) == ["A", "C"]
    assert line_of_succession(promotions("A", "A")) == ["A"]
