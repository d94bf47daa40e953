"""Which share of the time each sound of a large set gets, and in which order."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice, takewhile

import numpy as np
import pytest

from fxd.store.records import Example
from fxd.training.rota import Turn, length_of, mono_seconds, parts_of, rota, shares

LOUD, QUIET = "-6 -9 -3 -6 -9", "-40 -50 -3 -6 -9"


def sound(name: str, seconds: float, profile: str = LOUD, channels: int = 1) -> Example:
    frames = round(48_000 * seconds)
    return Example(name, "h", "training", name, 48_000, channels, frames, 0, datetime.now(UTC), profile)


def share_of(examples: Sequence[Example], heard: Sequence[str], prefix: str) -> float:
    """Of the sounds whose names begin so, in what the rota gives out in ten hours."""
    known = frozenset(heard)
    turns = takewhile(lambda turn: turn.start < 36_000, rota(examples, shares(examples, known, 900), 3))
    time = Counter[str]()
    for turn in turns:
        time[turn.example.content_sha256[0]] += round(1000 * length_of(turn.example, turn.part))
    return time[prefix] / time.total()


@pytest.fixture
def hundred_hours() -> list[Example]:
    """Ninety-nine loud hours, one quiet one, both in files of ten minutes."""
    loud = [sound(f"l{n}", 600) for n in range(99 * 6)]
    return loud + [sound(f"q{n}", 600, QUIET) for n in range(6)]


def test_a_rare_kind_is_heard_more_than_its_length_says(hundred_hours: list[Example]) -> None:
    heard = [example.content_sha256 for example in hundred_hours]
    expected = 1 / (1 + 99**0.5)
    assert share_of(hundred_hours, heard, "q") == pytest.approx(expected, rel=0.02)


def test_new_sound_gets_a_quarter_of_the_time(hundred_hours: list[Example]) -> None:
    heard = [example.content_sha256 for example in hundred_hours]
    new = [sound(f"n{n}", 600) for n in range(6)]
    assert share_of(hundred_hours + new, heard, "n") == pytest.approx(0.25, rel=0.02)
    assert share_of(hundred_hours + new, [], "n") < 0.02


def test_of_little_new_sound_nothing_is_in_the_pool_twice(hundred_hours: list[Example]) -> None:
    heard = [example.content_sha256 for example in hundred_hours]
    examples = [*hundred_hours, sound("n", 30)]
    assert share_of(examples, heard, "n") == pytest.approx(30 / 900, rel=0.02)


def test_a_file_counts_by_its_length_up_to_ten_minutes() -> None:
    examples = [sound("a", 36_000), *(sound(f"b{n}", 300) for n in range(8))]
    assert share_of(examples, [], "a") == pytest.approx(0.2, rel=0.02)


def test_every_part_of_a_set_barely_larger_than_the_pool_has_its_turn_before_any_has_the_next() -> None:
    examples = [sound(f"s{n}", 10, channels=1 + n % 2) for n in range(64)]
    assert sum(map(mono_seconds, examples)) > 900
    order = [
        turn.example.content_sha256 for turn in islice(rota(examples, shares(examples, set(), 900), 1), 640)
    ]
    for name, times in Counter(order).items():
        turns = np.flatnonzero(np.array(order) == name)
        assert times in (9, 10, 11)
        assert np.diff(turns).min() > 55


def test_the_order_follows_from_the_seed(hundred_hours: list[Example]) -> None:
    share = shares(hundred_hours, set(), 900)

    def beginning(turns: Iterator[Turn]) -> list[Turn]:
        return list(islice(turns, 100))

    assert beginning(rota(hundred_hours, share, 1)) == beginning(rota(hundred_hours, share, 1))
    assert beginning(rota(hundred_hours, share, 1)) != beginning(rota(hundred_hours, share, 2))


@pytest.mark.parametrize("seconds", [0.01, 19.9, 20, 39.9, 40, 3600.5])
def test_parts_cover_a_sound_without_a_gap(seconds: float) -> None:
    example = sound("a", seconds, channels=2)
    parts = list(parts_of(example))
    assert parts[0].start == 0
    assert [part.stop for part in parts[:-1]] == [part.start for part in parts[1:]]
    assert sum(length_of(example, part) for part in parts) == pytest.approx(mono_seconds(example))
    assert all(length_of(example, part) < 80 for part in parts)
