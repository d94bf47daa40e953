"""The pictures can be drawn whatever the numbers are, and live in one page without knowing of each other."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from fxd.insight.heard import Heard
from fxd.insight.report.axes import time_axis
from fxd.insight.report.plots import error_plot, speed_plot
from fxd.insight.report.trend import Mark, Point, Trend
from fxd.local_time import zone_names

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def trend(name: str, count: int = 5) -> Trend:
    points = [
        Point(NOON + timedelta(hours=n), 10.0 + n, f"{n}.wav", Heard.NO if n % 2 else Heard.YES)
        for n in range(count)
    ]
    return Trend(name, count, points=tuple(points))


@pytest.mark.long
def test_a_log_of_any_length_has_a_readable_axis() -> None:
    for span in np.geomspace(1, 20 * 365 * 86_400, 300):
        axes = Figure(figsize=(4.4, 2.7)).add_subplot()
        axes.plot([NOON, NOON + timedelta(seconds=float(span))], [0, 1])
        time_axis(axes)
        low, high = axes.get_xlim()
        ticks = [tick for tick in axes.xaxis.get_majorticklocs() if low <= tick <= high]
        assert 2 <= len(ticks) <= 8, span


def test_a_time_in_summer_is_told_in_summer_time(local_clock: Callable[[str], None]) -> None:
    """Whatever the season in which the page is made."""
    local_clock("Europe/Berlin")
    for month, hour in ((1, "13:00"), (7, "14:00")):
        noon = datetime(2026, month, 5, 12, tzinfo=UTC)
        axes = Figure(figsize=(4.4, 2.7)).add_subplot()
        axes.plot([noon - timedelta(hours=3), noon + timedelta(hours=3)], [0, 1])
        time_axis(axes)
        labels = axes.xaxis.get_major_formatter().format_ticks(axes.xaxis.get_majorticklocs())
        assert dict(zip(axes.xaxis.get_majorticklocs(), labels, strict=True))[date2num(noon)] == hour
    assert zone_names() == "CET and CEST"


def test_pictures_share_no_ids_and_refer_to_their_own_only() -> None:
    marks = [Mark(NOON, "promotion", "a"), Mark(NOON, "change", "b", "speed")]
    pictures = [str(error_plot(trend("tcn"), marks)), str(speed_plot([trend("dsp"), trend("tcn")], marks))]
    ids = [set(re.findall(r' id="([^"]+)"', picture)) for picture in pictures]
    assert ids[0] and ids[1]
    assert not ids[0] & ids[1]
    for own, picture in zip(ids, pictures, strict=True):
        assert set(re.findall(r"#([\w.-]+)", picture)) <= own, "no colour, and no id of another picture"
        assert "<style" not in picture, "it would be the style of the whole page"
        assert "var(--tcn)" in picture


def test_what_a_model_was_trained_on_is_hollow_beside_the_error_only() -> None:
    error, speed = str(error_plot(trend("tcn"), [])), str(speed_plot([trend("tcn")], []))
    assert "trained on it" in error
    assert "trained on it" not in speed, "a sound that was heard is no quicker"


def test_what_happened_to_the_speed_is_not_drawn_beside_the_error() -> None:
    marks = [Mark(NOON, "promotion", "served"), Mark(NOON, "change", "slower", "speed")]
    titles = [
        re.findall(r"<title>(\d: [^<]*)</title>", str(plot))
        for plot in (error_plot(trend("tcn"), marks), speed_plot([trend("tcn")], marks))
    ]
    assert {title[0] for title in titles[0]} == {"1"}
    assert {title[0] for title in titles[1]} == {"1", "2"}, "numbered as in the list"


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+12", "Etc/GMT-14"])
def test_a_clock_at_the_ends_of_time_is_drawn(zone: str, local_clock: Callable[[str], None]) -> None:
    local_clock(zone)
    ends = (datetime.min.replace(tzinfo=UTC), NOON, datetime.max.replace(tzinfo=UTC))
    points = tuple(Point(at, 10.0, "a.wav", Heard.NO) for at in ends)
    picture = str(speed_plot([Trend("dsp", 3, points=points), Trend("tcn", 3, points=points)], []))
    assert "9999-12-31" in picture
