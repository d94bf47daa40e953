"""Where a training stands, as people and programs are told it."""

import math
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Progress:
    """Where a training stands."""

    step: int
    steps: int
    loss_db: float
    """Error energy over target energy of the batches since the last report."""
    validation_esr_db: float
    """The latest; nan before the first."""
    seconds_left: float
    """inf where nobody can tell yet."""
    share: float = 0.0
    """Of the training that is done: of its steps, or of its time where the machine is slower than planned."""


def facts_of(progress: Progress, now: datetime) -> dict[str, Any]:
    """The same for JSON, with the moment at which the end is expected (ISO 8601, in the zone of `now`).

    What is no number yet is None.
    """
    numbers = {name: value if math.isfinite(value) else None for name, value in asdict(progress).items()}
    ends_at = None
    if math.isfinite(progress.seconds_left):
        ends_at = (now + timedelta(seconds=progress.seconds_left)).isoformat(timespec="seconds")
    return {**numbers, "ends_at": ends_at}


def told(facts: dict[str, Any], now: datetime) -> str:
    """What `facts_of` gave, in a few words, with times on the clock of `now`.

    >>> facts = {"share": 0.25, "validation_esr_db": -31.25, "seconds_left": 75.0}
    >>> told(facts | {"ends_at": "2026-11-24T03:10:00+00:00"}, datetime.fromisoformat("2026-11-24T01:00+00:00"))
    '25 %, -31.2 dB, 1:15 left, ends at 03:10'
    """
    parts = [f"{100 * facts.get('share', 0.0):.0f} %"]
    if facts.get("validation_esr_db") is not None:
        parts.append(f"{facts['validation_esr_db']:.1f} dB")
    if facts.get("seconds_left") is not None:
        parts.append(f"{minutes(facts['seconds_left'])} left")
    if facts.get("ends_at"):
        parts.append(f"ends at {clock(datetime.fromisoformat(facts['ends_at']), now)}")
    return ", ".join(parts)


def ending(state: str, reason: str, at_work: bool) -> str:
    """How a retraining ended, in words; `at_work` says whether one is under way in this home."""
    if state == "running" and not at_work:
        return "cut off; the next one goes on with it"
    return f"{state}, {reason}" if reason else state


def clock(moment: datetime, now: datetime) -> str:
    """When something happens, on the clock of `now`; with the day where that is another.

    >>> now = datetime.fromisoformat("2026-11-24T23:50+01:00")
    >>> clock(datetime.fromisoformat("2026-11-24T22:55+00:00"), now)
    '23:55'
    >>> clock(datetime.fromisoformat("2026-11-24T23:05+00:00"), now)
    '2026-11-25 00:05'
    """
    there = moment.astimezone(now.tzinfo)
    return f"{there:%H:%M}" if there.date() == now.date() else f"{there:%Y-%m-%d %H:%M}"


def minutes(seconds: float) -> str:
    """Minutes and seconds.

    >>> minutes(75.4)
    '1:15'
    """
    return f"{round(seconds) // 60}:{round(seconds) % 60:02}"
