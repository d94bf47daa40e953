"""What a report asks of the whole log, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from fxd.store.overview import Failure
from fxd.store.records import Example, Model, Run
from fxd.store.store import Store

MakeRun = Callable[..., Run]


def failed(run: Run, reason: str) -> Run:
    return replace(run, state="failed", reason=reason, results=())


def test_a_window_begins_with_the_first_of_the_newest_runs_done_or_failed(
    store: Store, make_run: MakeRun
) -> None:
    runs = [make_run(f"{n}.wav", n) for n in range(5)]
    runs[3] = failed(runs[3], "no audio")
    store.record_runs([(run, None) for run in runs])
    assert store.beginning_of(2) == runs[3].finished_at
    assert store.beginning_of(5) == runs[0].finished_at
    assert store.beginning_of(6) is None


def test_failures_are_counted_by_reason_the_most_frequent_first(store: Store, make_run: MakeRun) -> None:
    runs = [failed(make_run(f"{n}.wav", n), "empty" if n in (1, 4) else f"reason {n}") for n in range(6)]
    store.record_runs([(run, None) for run in (*runs, make_run("fine.wav", 9))])
    total, reasons = store.failures(None, 2)
    assert total == 6
    assert reasons == [
        Failure("empty", 2, "4.wav", runs[4].finished_at),
        Failure("reason 0", 1, "0.wav", runs[0].finished_at),
    ]
    total, reasons = store.failures(runs[4].finished_at, 9)
    assert (total, [one.reason for one in reasons]) == (2, ["empty", "reason 5"])


def test_runs_are_found_by_the_moments_at_which_they_finished(store: Store, make_run: MakeRun) -> None:
    runs = [make_run(f"{n}.wav", n) for n in range(700)]
    store.record_runs([(run, None) for run in runs])
    assert [run.id for run in store.runs_finished_at({runs[3].finished_at, runs[1].finished_at})] == [
        runs[3].id,
        runs[1].id,
    ]
    assert len(store.runs_finished_at([run.finished_at for run in runs])) == 700
    assert store.runs_finished_at([]) == []


def test_each_model_comes_whole_the_newest_first(store: Store, make_model: Callable[..., Model]) -> None:
    models = [make_model(f"model-{n}") for n in range(3)]
    models = [replace(model, created_at=model.created_at + timedelta(n)) for n, model in enumerate(models)]
    for model in models:
        store.add_model(model)
    assert list(store.each_model()) == models[::-1]


def test_a_list_of_models_leaves_their_details_out(store: Store, make_model: Callable[..., Model]) -> None:
    model = make_model("first", details={"trained_on": ["0123abcd"] * 1_000})
    store.add_model(model)
    assert store.models() == [replace(model, details={})]


def test_profiles_are_those_of_sounds_that_somebody_listened_to(
    store: Store, make_example: Callable[..., Example]
) -> None:
    store.add_example(replace(make_example("c1"), profile="-6 -7 -29 -12 -0.3"))
    store.add_example(make_example("c2"))
    assert list(store.profiles()) == [("c1", "-6 -7 -29 -12 -0.3")]
