"""Times as people read them: on the local clock, whatever year a machine's clock was in."""

import time
from datetime import UTC, date, datetime

FIRST, LAST = -62_135_596_800.0, 253_402_300_799.0
"""Seconds since 1970 of the first and the last second that have a date."""


def utc(seconds: float) -> datetime:
    """The moment so many seconds after 1970; the last microsecond of 9999 is, as a float, in no year any more."""
    return datetime.fromtimestamp(min(max(seconds, FIRST), LAST), UTC)


def local(moment: datetime) -> datetime:
    """A moment on the local clock; in UTC where the local one would be before the year 1 or after 9999.

    Such a clock was wrong, but the run that it stamped was made, and is told with the others.

    >>> local(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)).year
    9999
    """
    try:
        return moment.astimezone()
    except (OverflowError, ValueError):
        return moment.astimezone(UTC)


def zone_names() -> str:
    """What the local clock is called, in winter and in summer where these differ: `CET and CEST`."""
    return " and ".join(time.tzname if time.daylight else time.tzname[:1])


def minute(moment: datetime) -> str:
    """Day, hour and minute on the local clock: `2026-03-01 14:30`."""
    return local(moment).isoformat(" ", "minutes")[:16]


def day(moment: datetime) -> str:
    """The day on the local clock: `2026-03-01`."""
    return local(moment).date().isoformat()


def day_in_words(moment: datetime) -> str:
    """The day on the local clock as a sentence has it: `1 March 2026`."""
    return f"{local(moment):%-d %B %Y}"


def midnight(day: date) -> datetime:
    """When a day begins on the local clock; in UTC where that is in no year that there is."""
    begin = datetime.combine(day, datetime.min.time())
    try:
        return begin.astimezone()
    except (OverflowError, ValueError):
        return begin.replace(tzinfo=UTC)
