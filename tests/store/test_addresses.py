"""Addresses that lead nowhere, and servers that go away; no message or traceback shows a password."""

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import pytest
from sqlalchemy import event

from fxd.store.errors import AddressError
from fxd.store.records import Run
from fxd.store.store import Store, StoreError, StoreUnavailable, open_store

MakeRun = Callable[..., Run]
SECRET = "hunter2"


class Server(Protocol):
    port: int

    def loopback_url(self, database: str, password: str) -> str: ...
    def execute(self, statement: str) -> None: ...
    def disconnect_all(self) -> None: ...


@contextmanager
def refused(kind: type[StoreError], text: str) -> Iterator[None]:
    with pytest.raises(kind, match=text) as caught:
        yield
    assert type(caught.value) is kind
    assert SECRET not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (f"mysql://me:{SECRET}@host/fxd", r"\[database\] url: fxd cannot keep its log in mysql; use sqlite:"),
        (f"me:{SECRET}@host", r"\[database\] url cannot be read as a URL; use sqlite:"),
        (f"postgresql://me:{SECRET}@host:many/fxd", r"\[database\] url cannot be read as a URL; use sqlite:"),
        (f"postgresql://me:a@{SECRET}@host/fxd", r"\[database\] url: an @ in the password must be .* %40"),
        ("sqlite://", r"\[database\] url names no file; use sqlite:////folder/file\.sqlite3"),
        ("sqlite:///:memory:", r"\[database\] url names no file"),
    ],
)
def test_an_address_that_fxd_cannot_use_is_refused(url: str, text: str) -> None:
    with refused(AddressError, text):
        open_store(url)


def test_postgresql_without_its_driver_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with refused(StoreError, r"pip install 'fxd\[postgres\]'"):
        open_store(f"postgresql://me:{SECRET}@host/fxd")


def test_a_server_that_does_not_answer_may_answer_later() -> None:
    with refused(StoreUnavailable, r"PostgreSQL database fxd on 127\.0\.0\.1: .*check that the server runs"):
        open_store(f"postgresql+psycopg://me:{SECRET}@127.0.0.1:1/fxd")


def test_a_wrong_password_is_not_shown(postgresql: Server) -> None:
    with refused(StoreUnavailable, "password authentication failed"):
        open_store(postgresql.loopback_url("postgres", SECRET))


def test_a_database_that_is_not_there_is_named(postgresql: Server) -> None:
    with refused(StoreUnavailable, r'database "nowhere" does not exist'):
        open_store(postgresql.loopback_url("nowhere", "correct%20horse"))


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_server_that_was_restarted_is_found_again(
    store: Store, postgresql: Server, make_run: MakeRun
) -> None:
    postgresql.disconnect_all()
    assert store.record_run(make_run(), None)
    assert store.count_runs() == 1


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_server_that_goes_away_in_the_middle_can_be_tried_again(
    store: Store, postgresql: Server, make_run: MakeRun
) -> None:
    run = make_run()
    trouble = iter([True])

    def disconnect_once(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if "INSERT INTO results" in statement and next(trouble, False):
            postgresql.disconnect_all()

    event.listen(store.engine, "before_cursor_execute", disconnect_once)
    with refused(StoreUnavailable, "check that the server runs"):
        store.record_run(run, None)
    assert store.record_run(run, None)
    assert store.runs(2) == [run]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_server_without_the_tables_is_told_so(store: Store, postgresql: Server) -> None:
    postgresql.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    with refused(StoreError, "its tables are gone"):
        store.count_runs()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.usefixtures("store")
def test_a_user_who_may_not_write_is_told_so(postgresql: Server, make_run: MakeRun) -> None:
    postgresql.execute(
        f"DROP ROLE IF EXISTS reader; CREATE ROLE reader LOGIN PASSWORD '{SECRET}'; "
        "GRANT USAGE ON SCHEMA public TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader"
    )
    url = f"postgresql://reader:{SECRET}@127.0.0.1:{postgresql.port}/postgres"
    with open_store(url) as reading:
        assert reading.count_runs() == 0
        with refused(StoreError, "permission denied .*check what fxd's user may do there"):
            reading.record_run(make_run(), None)
