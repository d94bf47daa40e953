"""What `[training] schedule` means: the five fields of cron, as a trigger for APScheduler.

    0 3 * * *        every night at three
    30 2 * * 1-5     on working days
    0 4 1,15 * 0     on the 1st, on the 15th, and on every Sunday

APScheduler's own `CronTrigger.from_crontab` differs from cron where it hurts: it counts weekdays from Monday
(so `0 3 * * 1` would be a Tuesday), wants day and weekday to match both, and fires twice on the night on
which the clock is set back. Source for the meaning: crontab(5) of Vixie cron.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count, product

from apscheduler.triggers.base import BaseTrigger
from tzlocal import get_localzone

from fxd.config import ConfigError

CALENDAR = tuple(date(2000, 1, 1) + timedelta(days=n) for n in range(28 * 365 + 7))
"""28 years, in which every day of the year falls on every weekday, 29 February too."""
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


@dataclass(frozen=True)
class Field:
    """One of the five: which numbers it takes, and by which names the first of them also go."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """The numbers that `text` stands for: `*`, numbers, names, ranges, steps, and lists of these.

        Raises ValueError with field and remedy.

        >>> sorted(Field("minute", 0, 59).values("*/20,7,50-52"))
        [0, 7, 20, 40, 50, 51, 52]
        """
        return frozenset(number for part in text.split(",") for number in self.span(part))

    def span(self, part: str) -> range:
        body, slash, step_text = part.partition("/")
        first_text, dash, last_text = body.partition("-")
        if body == "*":
            first, last = self.low, self.high
        else:
            first = self.number(first_text)
            last = self.number(last_text) if dash else first
        if self.high == 7 and first > last == 0:
            last = 7  # "fri-sun" ends with a Sunday
        if last < first:
            raise self.error(part, f"runs backwards; write {first}-{self.high},{self.low}-{last}")
        if slash and not (dash or body == "*"):
            raise self.error(part, f"is a step without a range; write {first}-{self.high}/{step_text}")
        if slash and not (step_text.isdecimal() and int(step_text) > 0):
            raise self.error(part, "has a step that is not a number above 0; write */2 or 1-9/2")
        return range(first, last + 1, int(step_text) if slash else 1)

    def number(self, text: str) -> int:
        if text.lower() in self.names:
            return self.names.index(text.lower()) + self.low
        if not (text.isascii() and text.isdecimal() and self.low <= int(text) <= self.high):
            names = f" or {self.names[0]} to {self.names[-1]}" if self.names else ""
            known = f"a number from {self.low} to {self.high}{names}"
            raise self.error(text, f"is not {known}; correct it or write *")
        return int(text)

    def error(self, part: str, problem: str) -> ValueError:
        return ValueError(f"in the field for the {self.name}, {part!r} {problem}")


FIELDS = (
    Field("minute", 0, 59),
    Field("hour", 0, 23),
    Field("day of the month", 1, 31),
    Field("month", 1, 12, MONTHS),
    Field("weekday", 0, 7, WEEKDAYS),
)


class CrontabTrigger(BaseTrigger):  # type: ignore[misc]
    """Fires at the minutes that a crontab line names, on the clock of `zone`.

    At the change to summer time, a time of day that does not exist comes an hour later by the clock. When
    the clock is set back, one that exists twice counts once, unless the hour field is open (`*`, `*/2`).
    """

    def __init__(self, text: str, zone: tzinfo) -> None:
        """Raises ValueError, with field and remedy, where `text` is no crontab line or never comes true."""
        parts = text.split()
        if len(parts) != len(FIELDS):
            raise ValueError(f'{text!r} has {len(parts)} fields; it wants five such as "0 3 * * *"')
        values = [field.values(part) for field, part in zip(FIELDS, parts, strict=True)]
        self.zone = zone
        self.times = [time(hour, minute) for hour, minute in product(sorted(values[1]), sorted(values[0]))]
        self.days, self.months = values[2], values[3]
        self.weekdays = frozenset(day % 7 for day in values[4])
        # Cron's rule: where day and weekday are both restricted, either is enough; "*/2" counts as open.
        self.either = not (parts[2].startswith("*") or parts[4].startswith("*"))
        self.twice = parts[1].startswith("*")
        if not any(self.matches(day) for day in CALENDAR):
            day = min(self.days)
            raise ValueError(f"{text!r} never comes: no such month has a day {day}; correct the day")

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime:
        """The first time at or after `now`; after `previous_fire_time` where that is earlier (both aware)."""
        start = now.astimezone(UTC)
        if previous_fire_time is not None:
            start = min(start, previous_fire_time.astimezone(UTC) + timedelta(microseconds=1))
        today = start.astimezone(self.zone).date()
        days = (today + timedelta(days=n) for n in count())
        upcoming = (instant for day in days for instant in self.instants(day) if instant >= start)
        return next(upcoming).astimezone(self.zone)

    def instants(self, day: date) -> list[datetime]:
        """The times of one day, in UTC and in order."""
        if not self.matches(day):
            return []
        return sorted(instant for moment in self.times for instant in self.on_the_clock(day, moment))

    def matches(self, day: date) -> bool:
        by_day, by_weekday = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        fits = (by_day or by_weekday) if self.either else (by_day and by_weekday)
        return fits and day.month in self.months

    def on_the_clock(self, day: date, moment: time) -> Iterator[datetime]:
        """When the clock shows `moment`: once, or twice on the night on which it is set back."""
        first = datetime.combine(day, moment, self.zone)
        second = first.replace(fold=1)
        yield first.astimezone(UTC)
        if self.twice and second.astimezone(UTC) > first.astimezone(UTC):
            yield second.astimezone(UTC)


def parse_schedule(text: str, zone: tzinfo | None = None) -> CrontabTrigger | None:
    """The trigger for `[training] schedule`, on the local clock; None for "", which is never.

    Raises ValueError, with field and remedy, for what is not a crontab line.
    """
    return CrontabTrigger(text, zone or get_localzone()) if text else None


def check_schedule(text: str) -> None:
    """Raise ConfigError, with field and remedy, where `text` is no crontab line."""
    try:
        parse_schedule(text)
    except ValueError as error:
        raise ConfigError(f"[training] schedule: {error}") from error


def next_fire(text: str, after: datetime, zone: tzinfo | None = None) -> datetime | None:
    """The first scheduled time after `after` (aware), on the local clock; None where there is no schedule."""
    trigger = parse_schedule(text, zone)
    # In UTC, since adding to a local time forgets which of two equal times of day it is.
    later = after.astimezone(UTC) + timedelta(microseconds=1)
    return trigger.get_next_fire_time(None, later) if trigger else None


def last_fire(text: str, since: datetime, now: datetime, zone: tzinfo | None = None) -> datetime | None:
    """The latest scheduled time after `since` and up to `now`: the machine may have slept through it.

    None where there was none. It is looked for from `now` backwards, twice as far each time: there may be one in
    every minute of a year.
    """
    first = next_fire(text, since, zone)
    if first is None or first > now:
        return None
    reach = timedelta(minutes=2)
    while (fire := next_fire(text, max(since, now - reach), zone)) is None or fire > now:
        reach *= 2
    while (later := next_fire(text, fire, zone)) is not None and later <= now:
        fire = later
    return fire
