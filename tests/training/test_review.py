"""A promotion that does not keep its promise on new files is told, and undone where that is wanted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import numpy as np
import pytest

from fxd.config import Settings, TrainingSettings
from fxd.engines.tcn import TcnModel
from fxd.insight.hints import review_hint
from fxd.store.records import Environment, Example, Result, Run, Training, TrainingState
from fxd.store.store import Store
from fxd.training import review as reviewing
from fxd.training.contest import score
from fxd.training.models import ModelCard
from fxd.training.pairs import PairSource
from fxd.training.promotion import FileScore
from fxd.training.review import review
from fxd.training.succession import BY_HAND, ROLLED_BACK, heard_night, today, tonight
from fxd.training.trainer import ValidationPair

PROMOTED_AT = datetime(2026, 11, 24, 3, tzinfo=UTC)
HERE = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {})
FILES = 9


@pytest.fixture
def models(store: Store, make_network: Callable[..., TcnModel], keep_model: Callable[..., str]) -> None:
    """`quiet` served and was replaced by `loud`, which is worse: it adds a constant."""
    for number, (model_id, constant) in enumerate((("quiet", 0.01), ("loud", 0.3))):
        network = make_network(model_id, scale=0)
        network.weights["1.head_bias"][:] = constant / network.architecture.head_scale
        keep_model(network, trained_on=(), decision={"promoted": True, "median_gain_db": 0.5})
        store.promote(model_id, "it is better", PROMOTED_AT + timedelta(hours=number))


@pytest.fixture
def process(store: Store, add_sound: Callable[..., Example]) -> Callable[..., list[Example]]:
    """Records runs of new sounds with a model."""

    def add(files: int, version: str = "loud") -> list[Example]:
        rng = np.random.default_rng(len(store.contents()))
        sounds = [add_sound(rng.normal(0, 0.1, (1, 4800 + n)).astype(np.float32)) for n in range(files)]
        at = PROMOTED_AT + timedelta(days=1)
        for sound in sounds:
            tcn = Result("tcn", version, 0.1, 0.1, f"{sound.path}.wav", 1, 0.0, 0, -20.0)
            run = Run(
                sound.path, sound.path, "", "done", "", at, at, 48_000, 1, 4800, 1, 0.0, 0.0, HERE, (tcn,)
            )
            store.record_run(replace(run, content_sha256=sound.content_sha256), None)
        return sounds

    return add


def look(settings: Settings, store: Store) -> object:
    return review(settings, store, PairSource(settings.dataset, settings.saturator), lambda: None)


def with_rollback(settings: Settings) -> Settings:
    return settings.model_copy(update={"training": TrainingSettings(auto_rollback=True)})


@pytest.mark.usefixtures("models")
def test_a_model_that_does_worse_on_new_files_is_told_and_goes_on_serving(
    settings: Settings, store: Store, process: Callable[..., list[Example]]
) -> None:
    process(FILES)
    look(settings, store)
    (found,) = store.reviews("loud")
    assert found.worse
    assert found.reason.startswith(
        "loud does worse than quiet, which it replaced, on 9 files that came since: -"
    )
    assert "its validation promised +0.50" in found.reason
    assert (found.details["look"], len(found.details["files"])) == (1, FILES)
    champion = store.champion()
    assert champion is not None
    assert champion.id == "loud"
    assert found.reason in review_hint(store, champion)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_gives_nan_or_inf_on_new_files_is_worse(
    settings: Settings,
    store: Store,
    process: Callable[..., list[Example]],
    monkeypatch: pytest.MonkeyPatch,
    value: float,
) -> None:
    process(FILES)
    asked = count()

    def broken(network: TcnModel, pair: ValidationPair) -> FileScore:
        found = score(network, pair)
        is_third = network.id == "loud" and next(asked) == 2
        return replace(found, error_energy=value) if is_third else found

    monkeypatch.setattr(reviewing, "score", broken)
    look(with_rollback(settings), store)
    (found,) = store.reviews("loud")
    assert found.worse
    assert (
        found.reason
        == "loud gives nan or inf on 1 of 9 files that came since it replaced quiet, which does not"
    )
    assert store.promotions()[0].model_id == "quiet"


@pytest.mark.usefixtures("models")
def test_it_is_rolled_back_once_where_that_is_wanted(
    settings: Settings, store: Store, process: Callable[..., list[Example]]
) -> None:
    process(FILES)
    look(with_rollback(settings), store)
    newest, *_ = store.promotions()
    assert newest.model_id == "quiet"
    assert newest.reason.startswith("rolled back by itself: loud does worse than quiet")
    assert review_hint(store, store.champion()) == ""
    process(FILES, "quiet")
    assert look(with_rollback(settings), store) is None
    assert len(store.promotions()) == 3


@pytest.mark.usefixtures("models")
def test_what_came_by_a_rollback_is_not_rolled_back_further(
    settings: Settings,
    store: Store,
    process: Callable[..., list[Example]],
    make_network: Callable[..., TcnModel],
    keep_model: Callable[..., str],
) -> None:
    keep_model(make_network("third"), trained_on=())
    store.promote("third", "it is better", PROMOTED_AT + timedelta(hours=2))
    store.promote("loud", f"{ROLLED_BACK} by itself: third does worse", PROMOTED_AT + timedelta(hours=3))
    process(FILES)
    assert look(with_rollback(settings), store) is None
    assert store.promotions()[0].model_id == "loud"
    assert store.reviews("loud") == []


@pytest.mark.usefixtures("models")
def test_who_serves_again_goes_on_with_the_count_of_before(settings: Settings, store: Store) -> None:
    for night in range(40):
        at = PROMOTED_AT + timedelta(minutes=10 + night)
        store.begin_training(Training(f"{night}", at, "schedule", "running"))
        store.finish_training(f"{night}", "kept", "quiet", "it could be chance", at)
    assert tonight(settings, store).number == 1
    store.promote("quiet", f"{ROLLED_BACK} by hand from loud", PROMOTED_AT + timedelta(hours=2))
    assert tonight(settings, store).number == 42


@pytest.mark.usefixtures("models")
def test_a_rollback_begins_no_new_count_of_nights(settings: Settings, store: Store) -> None:
    after = PROMOTED_AT + timedelta(hours=2)
    store.begin_training(Training("first", after, "schedule", "running"))
    store.finish_training("first", "kept", "quiet", "it could be chance", after)
    assert tonight(settings, store).number == 2
    store.promote("quiet", f"{ROLLED_BACK} by hand from loud", after + timedelta(hours=1))
    assert tonight(settings, store).number == 3  # the night that promoted loud was one of quiet's
    store.promote("loud", BY_HAND, after + timedelta(hours=2))
    assert tonight(settings, store).number == 1


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("state", ["kept", "promoted"])
def test_a_decision_is_of_the_day_on_which_it_falls(
    settings: Settings, store: Store, state: TrainingState
) -> None:
    assert not tonight(settings, store).again
    store.begin_training(Training("late", today() - timedelta(minutes=5), "schedule", "running"))
    store.finish_training("late", state, "quiet", "", today() + timedelta(minutes=5))
    assert tonight(settings, store).again


@pytest.mark.usefixtures("models")
def test_what_is_heard_changes_after_a_night_that_failed_too(settings: Settings, store: Store) -> None:
    assert heard_night(settings, store) == 1
    store.begin_training(Training("nan", today(), "schedule", "running"))
    store.finish_training("nan", "failed", None, "the network gave nan", today())
    assert heard_night(settings, store) == 2
    assert tonight(settings, store).number == 1


@pytest.mark.usefixtures("models")
def test_what_a_person_promoted_stays(
    settings: Settings, store: Store, process: Callable[..., list[Example]]
) -> None:
    store.promote("loud", BY_HAND, PROMOTED_AT + timedelta(hours=2))
    process(FILES)
    look(with_rollback(settings), store)
    assert store.promotions()[0].reason == BY_HAND
    assert store.reviews("loud")[0].worse
    assert review_hint(store, store.champion())
    # Whoever promotes it once more has read that.
    store.promote("loud", BY_HAND, datetime.now(UTC))
    assert review_hint(store, store.champion()) == ""


@pytest.mark.usefixtures("models")
def test_files_that_either_model_knows_and_too_few_files_say_nothing(
    settings: Settings,
    store: Store,
    process: Callable[..., list[Example]],
    make_network: Callable[..., TcnModel],
    make_card: Callable[..., ModelCard],
) -> None:
    sounds = process(FILES)
    process(FILES, "quiet")
    network_card = make_card(
        make_network("quiet", scale=0), trained_on=tuple(one.content_sha256 for one in sounds[:2])
    )
    folder = settings.paths.models / "quiet" / "model.json"
    folder.write_text(network_card.model_dump_json())
    assert look(settings, store) is None
    assert store.reviews("loud") == []


@pytest.mark.usefixtures("models")
def test_a_better_model_is_confirmed_and_a_lost_one_is_no_error(
    settings: Settings, store: Store, process: Callable[..., list[Example]]
) -> None:
    store.promote("quiet", "it is better", PROMOTED_AT + timedelta(hours=2))
    process(FILES, "quiet")
    look(with_rollback(settings), store)
    (found,) = store.reviews("quiet")
    assert not found.worse
    assert "quiet does no worse than loud" in found.reason
    (settings.paths.models / "loud" / "weights.safetensors").unlink()
    assert look(settings, store) is None
