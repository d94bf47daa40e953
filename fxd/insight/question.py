"""What somebody wants to know of the runs: which of them, and which measures."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from fxd.insight.stats import EVERY_SERIES, MEASURES, Series
from fxd.store.records import EngineName

Form = Literal["table", "json", "csv"]
By = Literal["model", "day", "week", "host", "sample-rate", "file"]

MOST_TELLING: tuple[Series, ...] = (("tcn", "esr_db"), ("tcn", "x_realtime"), ("dsp", "x_realtime"))
"""What is told of groups and of comparisons where nobody asks for a measure."""
UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
"""No run is older, and on some local clocks the year 1 has no first day."""
FORMS = "write 12h, 7d or 4w for so long ago, or a date: 2026-03-01, 2026-03-01T14:30"


class QuestionError(ValueError):
    """A question that cannot be answered; the message names the value and the remedy."""


@dataclass(frozen=True)
class Question:
    """Which runs, which measures of them, and in which form."""

    last: int | None
    """The newest so many; None for all."""
    since: datetime | None
    """Those that finished then or later."""
    series: tuple[Series, ...]
    form: Form
    by: By | None = None
    """Tell of groups of runs."""
    compare: tuple[str, str] | None = None
    """Tell how the second differs from the first."""


def moment(text: str, now: datetime | None = None) -> datetime:
    """The time that `--since` names, in UTC; a date without a time zone is meant on the local clock.

    Raises QuestionError for what is no time, and for one that is still to come.

    >>> moment("7d", datetime(2026, 3, 8, 12, tzinfo=UTC)).isoformat()
    '2026-03-01T12:00:00+00:00'
    """
    now = now or datetime.now(UTC)
    try:
        if ago := re.fullmatch(r"([0-9]+)([hdw])", text.strip()):
            found = now - int(ago[1]) * UNITS[ago[2]]
        else:
            found = datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise QuestionError(f"--since {text!r} is no time that fxd knows; {FORMS}") from None
    if found > now:
        raise QuestionError(f"--since {text!r} is still to come; {FORMS}")
    return max(found, BEGINNING)


def chosen_series(
    engine: EngineName | None, measures: Sequence[str], otherwise: Sequence[Series] = EVERY_SERIES
) -> tuple[Series, ...]:
    """The measures asked for, in the order of the contract; those of `otherwise` where none is named.

    Raises QuestionError for a measure that does not exist, or not of this engine.
    """
    for measure in measures:
        if measure not in MEASURES["tcn"]:
            raise QuestionError(f"--measure {measure!r} is not known; there are {', '.join(MEASURES['tcn'])}")
        if engine is not None and measure not in MEASURES[engine]:
            raise QuestionError(
                f"--measure {measure}: the {engine} has none, as it is what the tcn is measured against; "
                "leave --engine out, or write --engine tcn"
            )
    asked = [one for one in EVERY_SERIES if one[1] in measures] or otherwise
    return tuple(one for one in asked if engine in (None, one[0]))
