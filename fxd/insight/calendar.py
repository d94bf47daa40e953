"""Days and weeks of the local clock, for a million times at once."""

from datetime import datetime
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fxd.local_time import local, utc

Period = Literal["day", "week"]
QUARTER = 900
"""Seconds. Every time zone is some quarters of an hour away from UTC, so a day begins with one of them."""


def period_of(moment: datetime, period: Period) -> str:
    """The local day, or the ISO week, that a time lies in.

    >>> period_of(datetime(2027, 1, 1), "week"), period_of(datetime(2027, 1, 1), "day")
    ('2026-W53', '2027-01-01')
    """
    if period == "day":
        return moment.date().isoformat()
    year, week, _ = moment.isocalendar()
    return f"{year:04}-W{week:02}"


def periods(seconds: NDArray[np.float64], period: Period) -> tuple[NDArray[Any], list[str]]:
    """Of each time, in seconds since 1970 UTC, the place of its day or week in the list."""
    quarters, place = np.unique((seconds // QUARTER).astype(np.int64), return_inverse=True)
    names = [period_of(local(utc(quarter * QUARTER)), period) for quarter in quarters.tolist()]
    found = {name: code for code, name in enumerate(dict.fromkeys(names))}
    codes = np.array([found[name] for name in names], np.int64)
    return codes[place], list(found)
