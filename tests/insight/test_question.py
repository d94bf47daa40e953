from datetime import UTC, datetime

import pytest

from fxd.insight.question import QuestionError, chosen_series, moment

NOON = datetime(2026, 3, 8, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12h", datetime(2026, 3, 8, tzinfo=UTC)),
        ("7d", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        (" 4w ", datetime(2026, 2, 8, 12, tzinfo=UTC)),
        ("2026-03-01T14:30+02:00", datetime(2026, 3, 1, 12, 30, tzinfo=UTC)),
        ("2026-03-01", datetime(2026, 3, 1).astimezone(UTC)),
        ("2026-W09-7", datetime(2026, 3, 1).astimezone(UTC)),
    ],
)
def test_a_time_is_so_long_ago_or_a_date_on_the_local_clock(text: str, found: datetime) -> None:
    assert moment(text, NOON) == found


@pytest.mark.parametrize("text", ["", "7", "7m", "-7d", "7.5d", "yesterday", "2026-13-01", "9" * 30 + "w"])
def test_what_is_no_time_is_told_with_what_is_one(text: str) -> None:
    with pytest.raises(QuestionError, match="write 12h, 7d or 4w"):
        moment(text, NOON)


def test_a_time_to_come_is_refused() -> None:
    with pytest.raises(QuestionError, match="2026-03-09' is still to come"):
        moment("2026-03-09", NOON)


def test_measures_are_told_in_the_order_of_the_contract_of_each_engine_that_has_them() -> None:
    assert chosen_series(None, ["esr_db", "rtf"]) == (("dsp", "rtf"), ("tcn", "rtf"), ("tcn", "esr_db"))
    assert chosen_series("tcn", ["rtf"]) == (("tcn", "rtf"),)
    assert len(chosen_series(None, [])) == 8 + 13


def test_a_measure_that_does_not_exist_is_told_with_those_that_do() -> None:
    with pytest.raises(QuestionError, match=r"'loudness' is not known; there are engine_seconds, .*mrstft"):
        chosen_series(None, ["esr_db", "loudness"])
    with pytest.raises(QuestionError, match=r"esr_db: the dsp has none.*--engine tcn"):
        chosen_series("dsp", ["esr_db"])


def test_what_is_older_than_every_run_is_a_time_on_every_clock() -> None:
    assert moment("0001-01-01T00:00+00:00") == moment("99999w") == datetime(1970, 1, 1, tzinfo=UTC)
