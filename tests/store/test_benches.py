from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from alembic import command
from alembic.config import Config

from fxd.store import schema
from fxd.store.database import Database, connect
from fxd.store.records import Bench, Environment, Run
from fxd.store.store import Store, StoreError, open_store

HERE = Environment("studio", "Zen 4", 2, 1, "3.11.7", "0.1.0", {"numpy": "2.4.6", "onnxruntime": "1.32.0"})
MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)


def bench(name: str, minute: int = 0) -> Bench:
    document = {"id": name, "figures": [1.5, None, 1e-300], "text": "größer ÷ 0"}
    return Bench(name, MIDNIGHT + timedelta(minutes=minute), HERE, "5a77", "0.1.0", document)


def test_a_bench_is_read_back_as_it_was_kept(url: str) -> None:
    with open_store(url) as store:
        store.add_bench(bench("20260301-000000-ab12"))
    with open_store(url) as store:
        assert store.benches(10) == [bench("20260301-000000-ab12")]


def test_benches_are_listed_newest_first_as_many_as_wanted(store: Store) -> None:
    for name, minute in (("b", 2), ("a", 1), ("c", 3)):
        store.add_bench(bench(name, minute))
    assert [found.id for found in store.benches(2)] == ["c", "b"]


def test_each_bench_keeps_its_own_environment(store: Store) -> None:
    elsewhere = replace(bench("there", 1), environment=replace(HERE, host="stage"))
    store.add_bench(bench("here"))
    store.add_bench(elsewhere)
    assert [found.environment.host for found in store.benches(2)] == ["stage", "studio"]


def test_the_benches_of_a_machine_are_its_newest(store: Store) -> None:
    for minute, host in enumerate(("studio", "stage", "studio", "studio")):
        one = bench(f"{minute} {host}", minute)
        store.add_bench(replace(one, environment=replace(HERE, host=host)))
    assert [found.id for found in store.benches_on("studio", "Zen 4", 2)] == ["3 studio", "2 studio"]
    assert list(store.benches_on("studio", "M4", 2)) == []


def test_a_bench_is_found_by_either_end_of_its_id(store: Store) -> None:
    store.add_bench(bench("20260301-000000-ab12"))
    store.add_bench(bench("20260302-000000-cd34", 1))
    assert store.find_bench("ab12").id == "20260301-000000-ab12"
    assert store.find_bench("20260302").id == "20260302-000000-cd34"
    with pytest.raises(StoreError, match="no benchmark is called that"):
        store.find_bench("%")
    with pytest.raises(StoreError, match="2 benchmarks begin or end"):
        store.find_bench("2026030")


def test_a_database_of_the_first_version_gains_the_table_and_keeps_its_runs(
    url: str, make_run: Callable[..., Run]
) -> None:
    old = Database(*connect(url))
    with old.write() as connection:
        config = Config()
        config.set_main_option("script_location", str(schema.MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    old.close()
    run = make_run()
    with open_store(url) as store:
        store.record_run(run, None)
        store.add_bench(bench("new"))
    with open_store(url) as store:
        assert store.runs(1) == [run]
        assert store.benches(1) == [bench("new")]
