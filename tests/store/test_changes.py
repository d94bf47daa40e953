"""Changes that were found are remembered, recognised, accepted and forgotten."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from fxd.store.records import Change, Event, Run
from fxd.store.store import Store, StoreError, open_store

MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
LONG_AGO = MIDNIGHT - timedelta(days=1)


def at(minute: float) -> datetime:
    return MIDNIGHT + timedelta(minutes=minute)


@pytest.fixture
def change(store: Store, make_run: Callable[..., Run]) -> Callable[..., Change]:
    """Makes a change at a minute, known to within two minutes; its run is recorded."""

    def make(minute: float, **fields: object) -> Change:
        run = make_run("riff.wav", 0)
        store.record_run(run, None)
        values = {
            "series": "tcn x_realtime on studio",
            "earliest": at(minute - 2),
            "latest": at(minute + 2),
            "before": 82.0,
            "after": 72.0,
            "low": -11.0,
            "high": -9.0,
            "chance": 1e-5,
            "found_at": at(1_000),
            "events": (Event("fxd", "0.1.0", "0.2.0", at(minute)),),
        }
        return Change(run_id=run.id, at=at(minute), **(values | fields))

    return make


def test_a_change_is_read_back_as_it_was_found(url: str, store: Store, change: Callable[..., Change]) -> None:
    found = change(10)
    (new,) = store.remember_changes([found], LONG_AGO)
    assert new == replace(found, id=new.id)
    assert new.id > 0
    with open_store(url) as again:
        assert again.changes() == [new]


def test_changes_are_listed_newest_first(store: Store, change: Callable[..., Change]) -> None:
    store.remember_changes([change(10), change(30), change(20, series="dsp x_realtime on studio")], LONG_AGO)
    assert [one.at for one in store.changes()] == [at(30), at(20), at(10)]
    assert store.changes(since=at(1_001)) == []
    assert len(store.changes(since=at(1_000))) == 3
    assert len(store.changes(after=max(one.id for one in store.changes()) - 1)) == 1


def test_a_change_that_is_found_some_runs_further_is_the_same(
    store: Store, change: Callable[..., Change]
) -> None:
    (old,) = store.remember_changes([change(10)], LONG_AGO)
    store.accept_change(old.id, "new compiler", at(1_100))
    moved = change(13, after=70.0, found_at=at(2_000))
    assert store.remember_changes([moved], LONG_AGO) == []
    (known,) = store.changes()
    assert known == replace(moved, id=old.id, found_at=at(1_000), accepted_at=at(1_100), note="new compiler")


@pytest.mark.parametrize(
    "other",
    [{"minute": 15}, {"minute": 10, "series": "dsp x_realtime on studio"}, {"minute": 10, "after": 92.0}],
)
def test_another_moment_series_or_direction_is_another_change(
    store: Store, change: Callable[..., Change], other: dict[str, object]
) -> None:
    (old,) = store.remember_changes([change(10)], LONG_AGO)
    (new,) = store.remember_changes([change(**other)], LONG_AGO)
    assert new.id != old.id
    assert [one.id for one in store.changes()] == [new.id]


def test_of_two_that_are_near_each_keeps_its_own(store: Store, change: Callable[..., Change]) -> None:
    new = store.remember_changes([change(10), change(13)], LONG_AGO)
    for found in ([change(13.5), change(10.5)], [change(10.6), change(13.6)]):
        assert store.remember_changes(found, LONG_AGO) == []
        assert [one.id for one in store.changes()] == [new[1].id, new[0].id]


def test_a_change_that_is_found_no_more_is_forgotten_unless_it_was_accepted(
    store: Store, change: Callable[..., Change]
) -> None:
    gone, kept, _ = store.remember_changes([change(10), change(20), change(30)], LONG_AGO)
    store.accept_change(kept.id, "", at(1_100))
    assert store.remember_changes([change(30)], LONG_AGO) == []
    assert [one.at for one in store.changes()] == [at(30), at(20)]
    (again,) = store.remember_changes([change(30), change(10)], LONG_AGO)
    assert again.id > gone.id, "an id is never given twice"


def test_what_was_not_looked_at_is_not_forgotten(store: Store, change: Callable[..., Change]) -> None:
    store.remember_changes([change(10), change(30)], LONG_AGO)
    store.remember_changes([], at(20))
    assert [one.at for one in store.changes()] == [at(10)]


def test_an_acceptance_can_be_taken_back(store: Store, change: Callable[..., Change]) -> None:
    (new,) = store.remember_changes([change(10)], LONG_AGO)
    accepted = store.accept_change(new.id, "größer ÷ 0", at(1_100))
    assert (accepted.accepted_at, accepted.note) == (at(1_100), "größer ÷ 0")
    assert store.unaccept_change(new.id) == new
    assert store.changes() == [new]


def test_an_unknown_id_is_named_with_the_remedy(store: Store) -> None:
    for judge in (lambda: store.accept_change(7, "", MIDNIGHT), lambda: store.unaccept_change(7)):
        with pytest.raises(StoreError, match=r"7: no change has this id; `fxd stats --changes` lists them"):
            judge()


def test_a_look_that_finds_nothing_new_writes_nothing(store: Store, change: Callable[..., Change]) -> None:
    found = [change(10)]
    store.remember_changes(found, LONG_AGO)
    with store.write() as connection:
        if connection.dialect.name == "postgresql":
            pytest.skip("a writer there does not keep others out")
        # Held by somebody else: whoever wants to write now has to wait, and is given up on in the end.
        assert store.remember_changes(found, LONG_AGO) == []


def test_other_windows_show_the_ids_of_what_is_known(store: Store, change: Callable[..., Change]) -> None:
    (new,) = store.remember_changes([change(10)], LONG_AGO)
    store.accept_change(new.id, "planned", at(1_100))
    other, known = store.with_ids([change(11), change(40)])
    assert (other.id, known.id, known.note) == (0, new.id, "planned")
    assert len(store.changes()) == 1
