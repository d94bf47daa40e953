"""`[training] schedule` means what cron means, on the clock of the machine."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from apscheduler.schedulers.background import BackgroundScheduler
from hypothesis import given
from hypothesis import strategies as st

from fxd.training.schedule import last_fire, next_fire, parse_schedule

BERLIN = ZoneInfo("Europe/Berlin")
MONDAY = datetime(2026, 11, 23, 12, tzinfo=BERLIN)
DAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def fires(text: str, after: datetime, count: int) -> list[datetime]:
    """The first times after `after`, in the zone of `after`."""
    times: list[datetime] = []
    for _ in range(count):
        fire = next_fire(text, times[-1] if times else after, BERLIN)
        assert fire is not None
        times.append(fire)
    return times


def weekdays(field: str) -> list[str]:
    """The weekdays of a week on which the schedule fires, in the order of the week."""
    times = fires(f"0 3 * * {field}", MONDAY, 7)
    return [day for n, day in enumerate(DAYS) if n in {time.weekday() for time in times}]


@pytest.mark.parametrize(
    ("field", "days"),
    [
        ("0", "Sun"),
        ("7", "Sun"),
        ("1", "Mon"),
        ("sat", "Sat"),
        ("1-5", "Mon Tue Wed Thu Fri"),
        ("5-7", "Fri Sat Sun"),
        ("0-3", "Mon Tue Wed Sun"),
        ("Fri-Sun", "Fri Sat Sun"),
        ("sun-sun", "Sun"),
        ("1,3,7", "Mon Wed Sun"),
        ("*/2", "Tue Thu Sat Sun"),
        ("1-5/2", "Mon Wed Fri"),
        ("*", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_weekdays_count_from_sunday_and_seven_is_sunday_too(field: str, days: str) -> None:
    assert weekdays(field) == days.split()


def test_day_and_weekday_both_given_mean_either() -> None:
    times = fires("0 4 1,15 * 0", datetime(2026, 12, 1, 12, tzinfo=BERLIN), 6)
    assert [time.day for time in times] == [6, 13, 15, 20, 27, 1]


def test_an_open_day_or_weekday_restricts_nothing() -> None:
    assert [time.day for time in fires("0 4 15 * *", MONDAY, 2)] == [15, 15]
    # "*/2" begins with a star, so cron wants both: odd days that are a Monday.
    assert [time.day for time in fires("0 4 */2 * 1", MONDAY, 3)] == [7, 21, 11]


def test_minutes_hours_and_months_take_steps_lists_and_names() -> None:
    times = fires("10-30/10 22,23 * feb,12 *", MONDAY, 7)
    assert [f"{time:%m-%d %H:%M}" for time in times] == [
        *("12-01 22:10", "12-01 22:20", "12-01 22:30", "12-01 23:10", "12-01 23:20", "12-01 23:30"),
        "12-02 22:10",
    ]


def test_a_leap_day_is_waited_for() -> None:
    assert [time.year for time in fires("0 0 29 2 *", MONDAY, 2)] == [2028, 2032]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("0 3 * *", "4 fields"),
        ("60 3 * * *", "minute, '60' is not a number from 0 to 59"),
        ("0 24 * * *", "hour, '24' is not a number from 0 to 23"),
        ("0 3 0 * *", "day of the month, '0' is not a number from 1 to 31"),
        ("0 3 * 13 *", "month, '13' is not a number from 1 to 12 or jan to dec"),
        ("0 3 * * 8", "weekday, '8' is not a number from 0 to 7 or sun to sat"),
        ("0 3 * * monday", "weekday, 'monday' is not"),
        ("0 22-2 * * *", "write 22-23,0-2"),
        ("5/10 3 * * *", "write 5-59/10"),
        ("*/0 3 * * *", "step that is not a number above 0"),
        ("*/x 3 * * *", "step that is not a number above 0"),
        ("1,,2 3 * * *", "minute, '' is not a number"),
        ("-5 3 * * *", "minute, '' is not a number"),
        ("² 3 * * *", "minute, '²' is not a number"),
        ("0 3 31 2,4 *", "never comes: no such month has a day 31"),
        ("@daily", "1 fields"),
    ],
)
def test_nonsense_is_refused_with_field_and_remedy(text: str, hint: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_schedule(text, BERLIN)
    assert hint in str(caught.value)


def test_an_empty_schedule_never_fires() -> None:
    assert parse_schedule("") is None
    assert next_fire("", MONDAY) is None
    assert last_fire("", MONDAY - timedelta(days=365), MONDAY) is None


def test_the_night_of_the_clock_set_back_fires_once() -> None:
    times = fires("30 2 * * *", datetime(2026, 10, 24, 12, tzinfo=BERLIN), 2)
    assert [time.astimezone(UTC).isoformat() for time in times] == [
        "2026-10-25T00:30:00+00:00",
        "2026-10-26T01:30:00+00:00",
    ]


def test_a_time_that_the_clock_skips_comes_an_hour_later() -> None:
    times = fires("30 2 * * *", datetime(2026, 3, 28, 12, tzinfo=BERLIN), 2)
    assert [f"{time:%m-%d %H:%M}" for time in times] == ["03-29 03:30", "03-30 02:30"]


@pytest.mark.parametrize("change", [datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC)])
def test_an_open_hour_keeps_its_pace_when_the_clock_changes(change: datetime) -> None:
    times = [time.astimezone(UTC) for time in fires("*/30 * * * *", change, 8)]
    assert [time - change for time in times] == [timedelta(minutes=30 * n) for n in range(1, 9)]


def test_a_night_slept_through_is_missed() -> None:
    ended = datetime(2026, 11, 23, 3, 10, tzinfo=BERLIN)
    night = datetime(2026, 11, 24, 3, 0, tzinfo=BERLIN)
    assert last_fire("0 3 * * *", ended, night - timedelta(minutes=1), BERLIN) is None
    assert last_fire("0 3 * * *", ended, night, BERLIN) == night
    later = datetime(2026, 12, 24, 9, 0, tzinfo=BERLIN)
    assert last_fire("0 3 * * *", ended, later, BERLIN) == later.replace(hour=3)


@given(
    st.sampled_from(["* * * * *", "*/7 1-4 * * mon-fri", "0 3 * * *", "30 2 1 * *", "0 0 29 2 *"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=700)),
)
def test_the_latest_time_is_one_of_the_schedule_and_none_comes_after_it(
    text: str, now: datetime, gone: timedelta
) -> None:
    fire = last_fire(text, now - gone, now, BERLIN)
    if fire is None:
        upcoming = next_fire(text, now - gone, BERLIN)
        assert upcoming is None or upcoming > now
        return
    assert now - gone < fire <= now
    assert next_fire(text, fire - timedelta(seconds=1), BERLIN) == fire
    following = next_fire(text, fire, BERLIN)
    assert following is None or following > now


@given(st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)))
def test_the_next_time_is_later_and_on_the_grid(after: datetime) -> None:
    fire = next_fire("*/7 1-4 * * mon-fri", after, BERLIN)
    assert fire is not None
    assert fire > after
    assert (fire.minute % 7, fire.second, fire.microsecond) == (0, 0, 0)
    assert fire.isoweekday() <= 5


def test_apscheduler_takes_the_trigger() -> None:
    trigger = parse_schedule("0 3 * * 1", BERLIN)
    scheduler = BackgroundScheduler(timezone=BERLIN)
    scheduler.start(paused=True)
    try:
        job = scheduler.add_job(print, trigger, coalesce=True, misfire_grace_time=None, max_instances=1)
        assert (job.next_run_time.weekday(), job.next_run_time.hour) == (0, 3)
    finally:
        scheduler.shutdown()
