from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from fxd.store.records import Example, Run
from fxd.store.store import Store, open_store

MakeRun = Callable[..., Run]
MakeExample = Callable[..., Example]


@pytest.fixture
def add(store: Store, make_run: MakeRun) -> Callable[[Example], None]:
    """Records a run that heard this example."""

    def record(example: Example) -> None:
        assert store.record_run(make_run(), example)

    return record


def test_an_empty_training_set_has_no_length(store: Store) -> None:
    assert store.examples() == []
    assert store.contents() == []
    assert store.dataset_seconds() == 0.0
    assert store.dataset_bytes() == 0


def test_the_same_sound_with_the_same_settings_is_one_example(
    store: Store, add: Callable[[Example], None], make_example: MakeExample
) -> None:
    first = make_example("c0", path="first.flac")
    add(first)
    add(make_example("c0", path="second.flac"))
    assert store.examples() == [first]
    assert store.count_runs() == 2


def test_a_sound_may_be_added_without_a_run(store: Store, make_example: MakeExample) -> None:
    assert store.add_example(make_example())
    assert not store.add_example(make_example())
    assert store.examples() == [make_example()]


def test_examples_are_told_apart_by_their_settings(
    store: Store, add: Callable[[Example], None], make_example: MakeExample
) -> None:
    examples = [make_example("c0", "loud"), make_example("c0", "soft"), make_example("c1", "soft")]
    for example in examples:
        add(example)
    assert store.examples() == examples
    assert store.examples("soft") == examples[1:]
    assert store.examples("unheard") == []


def test_a_sound_heard_under_two_settings_is_kept_and_counted_once(
    store: Store, add: Callable[[Example], None], make_example: MakeExample
) -> None:
    add(make_example("c0", "loud", frames=66_150, bytes=1_000))
    add(make_example("c0", "soft", frames=66_150, bytes=1_000))
    add(make_example("c1", "soft", frames=24_000, sample_rate=48_000, bytes=3_000_000_000))
    assert [example.content_sha256 for example in store.contents()] == ["c0", "c1"]
    assert store.dataset_seconds() == pytest.approx(1.5 + 0.5)
    assert store.dataset_bytes() == 3_000_001_000


def test_the_oldest_sound_tells_since_when_there_is_a_set(store: Store, make_example: MakeExample) -> None:
    assert store.first_example_at() is None
    first = make_example("c0")
    store.add_example(first)
    store.add_example(replace(make_example("c1"), added_at=first.added_at + timedelta(days=1)))
    assert store.first_example_at() == first.added_at
    store.remove_examples(["c0"])
    assert store.first_example_at() == first.added_at + timedelta(days=1)


def test_many_sounds_are_removed_at_once(store: Store, make_example: MakeExample) -> None:
    contents = [f"c{number}" for number in range(1201)]
    for content in (*contents, "kept"):
        store.add_example(make_example(content))
    assert store.remove_examples(contents) == 1201
    assert [example.content_sha256 for example in store.contents()] == ["kept"]


def test_what_a_sound_is_like_is_kept_with_it(store: Store, make_example: MakeExample) -> None:
    store.add_example(make_example(profile="-12 -20 -1.5 -9 -30"))
    assert store.contents() == [make_example(profile="-12 -20 -1.5 -9 -30")]


def test_a_removed_sound_is_gone_under_all_settings_and_may_come_again(
    store: Store, add: Callable[[Example], None], make_example: MakeExample
) -> None:
    add(make_example("c0", "loud"))
    add(make_example("c0", "soft"))
    add(make_example("c1", "soft"))
    assert store.remove_examples(["c0"]) == 2
    assert store.remove_examples(["c0"]) == 0
    assert [example.content_sha256 for example in store.examples()] == ["c1"]
    add(make_example("c0", "loud"))
    assert [example.content_sha256 for example in store.examples()] == ["c1", "c0"]


def test_the_length_of_the_set_follows_what_is_removed(store: Store, make_example: MakeExample) -> None:
    for content, settings in (("c0", "loud"), ("c0", "soft"), ("c1", "loud"), ("c2", "loud")):
        store.add_example(make_example(content, settings, frames=44_100, bytes=1_000))
    store.remove_examples(["c0", "c1", "unknown"])
    assert store.dataset_seconds() == pytest.approx(1.0)
    assert store.dataset_bytes() == 1_000
    store.add_example(make_example("c0", "loud", frames=44_100, bytes=1_000))
    assert store.dataset_seconds() == pytest.approx(2.0)


def test_a_set_from_before_its_length_was_kept_is_added_up(url: str, make_example: MakeExample) -> None:
    with open_store(url) as store:
        for content, settings in (("c0", "loud"), ("c0", "soft"), ("c1", "loud")):
            store.add_example(make_example(content, settings, frames=66_150, bytes=3_000_000_000))
        with store.write() as connection:
            for table in ("dataset_totals", "changes", "live_sessions"):
                connection.exec_driver_sql(f"DROP TABLE {table}")
            connection.exec_driver_sql("ALTER TABLE runs DROP COLUMN warm_up")
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0005'")
    with open_store(url) as store:
        assert store.dataset_seconds() == pytest.approx(3.0)
        assert store.dataset_bytes() == 6_000_000_000
