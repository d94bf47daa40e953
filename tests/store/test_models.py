import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from fxd.store.records import Model, Promotion, Review
from fxd.store.store import Store, StoreError

MakeModel = Callable[..., Model]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_model_comes_back_as_it_was(store: Store, make_model: MakeModel) -> None:
    model = make_model(parent="somebody's", details={"scores": {"ö.wav": [-35.2, None]}, "steps": 3})
    assert store.add_model(model)
    assert store.model(model.id) == model
    assert store.model("another") is None


def test_a_model_is_added_once(store: Store, make_model: MakeModel) -> None:
    assert store.add_model(make_model(reason="first"))
    assert not store.add_model(make_model(reason="second"))
    assert [model.reason for model in store.models()] == ["first"]


def test_a_model_without_validation_has_no_score(store: Store, make_model: MakeModel) -> None:
    store.add_model(make_model(esr_db=math.nan, details={"esr_db": math.nan}))
    (model,) = store.each_model()
    assert math.isnan(model.esr_db)
    assert math.isnan(model.details["esr_db"])


def test_models_come_newest_first(store: Store, make_model: MakeModel) -> None:
    for id, minute in (("b", 2), ("c", 3), ("a", 1)):
        store.add_model(make_model(id, minute))
    assert [model.id for model in store.models()] == ["c", "b", "a"]


def test_a_model_is_found_by_the_beginning_of_its_id(store: Store, make_model: MakeModel) -> None:
    for id in ("3f0c9c1e", "3f0d0000", "ab", "abc"):
        store.add_model(make_model(id))
    assert store.find_model("3f0c").id == "3f0c9c1e"
    assert store.find_model("3F0C").id == "3f0c9c1e"
    assert store.find_model("ab").id == "ab"
    with pytest.raises(StoreError, match="2 models begin or end with this: 3f0c9c1e, 3f0d0000"):
        store.find_model("3f0")
    for text in ("ff", "%", "3f0_"):
        with pytest.raises(StoreError, match="no model has this id"):
            store.find_model(text)


def test_nothing_names_no_model_though_there_is_only_one(store: Store, make_model: MakeModel) -> None:
    """As of a script whose variable is not set."""
    store.add_model(make_model())
    with pytest.raises(StoreError, match='"" names no model'):
        store.find_model("")


def test_nobody_serves_before_the_first_promotion(store: Store, make_model: MakeModel) -> None:
    store.add_model(make_model())
    assert store.champion() is None
    assert store.promotions() == []


def test_the_champion_is_the_model_promoted_last(store: Store, make_model: MakeModel) -> None:
    old, new = make_model("old", 1), make_model("new", 2)
    store.add_model(old)
    store.add_model(new)
    store.promote("old", "the first", NOON)
    store.promote("new", "better by 3 dB", NOON + timedelta(days=1))
    assert store.champion() == new
    # A rollback is a promotion of the old one; that the clock was set back since changes nothing.
    store.promote("old", "rolled back", NOON - timedelta(days=1))
    assert store.champion() == old
    assert store.promotions() == [
        Promotion("old", NOON - timedelta(days=1), "rolled back"),
        Promotion("new", NOON + timedelta(days=1), "better by 3 dB"),
        Promotion("old", NOON, "the first"),
    ]


def test_only_a_known_model_is_promoted_or_decided_upon(store: Store, make_model: MakeModel) -> None:
    with pytest.raises(StoreError, match="nobody: no model has this id"):
        store.promote("nobody", "", NOON)
    with pytest.raises(StoreError, match="nobody: no model has this id"):
        store.replace_model(make_model("nobody"))
    assert store.promotions() == []


def test_a_model_that_is_made_anew_replaces_the_record_of_the_old_one(
    store: Store, make_model: MakeModel
) -> None:
    store.add_model(make_model("a"))
    store.add_model(make_model("b"))
    anew = make_model(
        "a", reason="worse than b by 0.4 dB", details={"decision": "kept"}, steps=7, esr_db=-9.0
    )
    store.replace_model(anew)
    assert store.model("a") == anew
    assert store.model("b") == make_model("b")


def test_what_new_files_said_of_a_model_comes_newest_first(store: Store, make_model: MakeModel) -> None:
    for id in ("old", "new"):
        store.add_model(make_model(id))
    first = Review("new", "old", NOON, False, "no worse", {"chance": 0.4})
    second = Review("new", "old", NOON + timedelta(days=1), True, "worse", {"chance": 1e-5})
    for review in (first, second):
        store.add_review(review)
    assert store.reviews("new") == [second, first]
    assert store.reviews("old") == []


def test_what_a_model_trained_on_is_known_where_its_details_tell(store: Store, make_model: MakeModel) -> None:
    store.add_model(make_model("told", details={"trained_on": ["c1", "c2", "c1"]}))
    store.add_model(make_model("silent", details={}))
    assert store.trained_on("told") == {"c1", "c2"}
    assert store.trained_on("silent") is None
    assert store.trained_on("nobody") is None
