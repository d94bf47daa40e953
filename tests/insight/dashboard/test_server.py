"""The server on real connections: what is sent and when, who is let go, and what it takes."""

import asyncio
import json
import logging
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import psutil
import pytest
from homes import Home, wait_until
from serving import Following, Serve, Served

from fxd.config import load_settings, settings_mark
from fxd.insight.dashboard import connection, feed, portrait
from fxd.insight.dashboard.feed import Refresh
from fxd.insight.dashboard.server import Dashboard, PageServer, is_trouble, listen, make_server
from fxd.instance import Instance, Status
from fxd.store import sqlite
from fxd.store.records import Run

MakeRun = Callable[..., Run]
HOSTILE = "<img src=x onerror=alert(1)>\"'&amp;\u202egnp.wav"


@pytest.fixture
def daemon(home: Home) -> Iterator[Callable[..., None]]:
    """Says what a daemon would say, as the one of the home."""
    settings = load_settings(home.root)
    status = Status(1, "studio", datetime.now(UTC).isoformat(), "running", settings=settings_mark(settings))
    with Instance(settings.paths.db) as instance:

        def say(**changes: object) -> None:
            instance.write(replace(status, **changes))  # type: ignore[arg-type]

        say()
        yield say


@dataclass
class Inside:
    """A server in a thread of the test."""

    dashboard: Dashboard
    server: PageServer
    port: int


@pytest.fixture
def inside(home: Home) -> Iterator[Inside]:
    sock = listen("127.0.0.1", 0)
    port = sock.getsockname()[1]
    dashboard = Dashboard(home.root, load_settings(home.root))
    server = make_server(dashboard, port, "127.0.0.1", None)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    wait_until(lambda: server.started, "the server starts")
    yield Inside(dashboard, server, port)
    server.should_exit = True
    thread.join()
    dashboard.source.close()


def part(following: Following, name: str, text: str) -> str:
    """The next state of a part of the page that has `text` in it."""
    while True:
        kind, data = following.next()
        assert kind, "the feed ended"
        if kind == "part":
            told = json.loads(data)
            if told["name"] == name and text in told["html"]:
                return str(told["html"])


def test_only_parts_that_changed_are_sent(
    inside: Inside,
    daemon: Callable[..., None],
    fill: Callable[[list[Run]], None],
    make_run: MakeRun,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(feed, "BEAT_SECONDS", 2.0)
    with closing(Following(inside.port)) as following:
        assert following.next()[0] == "hello"
        part(following, "now", "Nothing is being processed")
        part(following, "runs", "No runs yet")
        daemon(state="starting", reason="it looks <around>", waiting=30, queue=["b.wav", "c.wav"])
        part(following, "now", "Nothing is being processed yet: it looks &lt;around&gt;.")
        work = {"file": "a.wav", "audio_seconds": 3.0, "length_seconds": 12.0, "seconds": 0.1}
        daemon(processing=[work], waiting=30, queue=["b.wav", "c.wav"])
        told = part(following, "now", "a.wav")
        assert 'max="12.0" value="3.0"' in told
        assert "3 of 12 s of audio done, 30x" in told
        assert "30 waiting" in told
        assert "and 28 more" in told
        fill([make_run("a.wav", finished_at=datetime.now(UTC))])
        # Nothing but what the run changed comes before the next beat.
        kinds = {"now": 0}
        while (event := following.next())[0] == "part":
            name = json.loads(event[1])["name"]
            kinds[name] = kinds.get(name, 0) + 1
        assert event[0] == "beat"
        assert kinds["now"] == 0
        assert kinds["runs"] == 1


def test_a_pause_is_told_with_its_reason(home: Home, serve: Serve, daemon: Callable[..., None]) -> None:
    daemon(state="paused", reason="the disk is full")
    _, _, text = serve(home).ask("/")
    assert '<span class="tag poor">paused</span>' in text
    assert "the disk is full. Nothing is lost" in text


def test_names_cannot_be_markup(
    home: Home,
    serve: Serve,
    daemon: Callable[..., None],
    fill: Callable[[list[Run]], None],
    make_run: MakeRun,
) -> None:
    work = {"file": HOSTILE, "audio_seconds": 3.0, "length_seconds": 12.0, "seconds": 0.1}
    daemon(processing=[work], waiting=1, queue=[HOSTILE], state="paused", reason=HOSTILE)
    fill([make_run(HOSTILE), make_run("b.wav", state="failed", reason=HOSTILE, results=())])
    _, _, text = serve(home).ask("/")
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 6
    assert "<img" not in text
    assert "\u202e" not in text


def test_more_watchers_than_it_takes_are_told_so_and_others_go_on(home: Home, serve: Serve) -> None:
    served = serve(home)
    with ExitStack() as stack:
        for _ in range(feed.MOST_WATCHERS):
            following = stack.enter_context(closing(served.follow()))
            assert following.next()[0] == "hello"
        status, headers, _ = served.ask("/events")
        assert (status, headers["retry-after"]) == (503, "10")
        assert served.ask("/")[0] == 200
    wait_until(lambda: served.ask("/events", "HEAD")[0] == 200, "the server answers")
    wait_until(lambda: enters(served), "those that went leave room for others")


def enters(served: Served) -> bool:
    with closing(served.follow()) as following:
        return bool(following.answer.status == 200)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_soon_and_well_though_pages_are_open(home: Home, serve: Serve, number: int) -> None:
    served = serve(home)
    with ExitStack() as stack:
        followings = [stack.enter_context(closing(served.follow())) for _ in range(5)]
        idle = stack.enter_context(socket.create_connection(("127.0.0.1", served.port)))
        for following in followings:
            part(following, "now", "no daemon runs")
        began = time.monotonic()
        assert served.end(number) == 0
        assert time.monotonic() - began < 20
        for following in followings:
            while following.next()[0]:
                pass
        with suppress(ConnectionResetError):  # what it had not yet accepted is ended that way
            assert idle.recv(10) == b""


@pytest.mark.slow
def test_memory_does_not_grow_with_events_and_reconnects(
    home: Home,
    serve: Serve,
    daemon: Callable[..., None],
    fill: Callable[[list[Run]], None],
    make_run: MakeRun,
) -> None:
    fill([make_run(f"{number}.wav") for number in range(15)])
    served = serve(home)
    process = psutil.Process(served.process.pid)

    def churn(rounds: int) -> None:
        """Twenty pages that come, hear of one change and go; with each, one asks for the page and the metrics."""
        for number in range(rounds):
            with ExitStack() as stack:
                followings = [stack.enter_context(closing(served.follow())) for _ in range(20)]
                daemon(waiting=1_000 + number)
                for following in followings:
                    part(following, "now", f"1,{number:03} waiting")
            served.ask("/")
            served.ask("/metrics")

    churn(2)
    before = process.memory_info().rss
    churn(6)
    assert process.memory_info().rss - before < 4e6
    assert len(process.open_files()) < 20
    assert process.num_threads() < 10


def test_a_home_of_a_daemon_of_another_version_is_shown(
    home: Home, serve: Serve, daemon: Callable[..., None]
) -> None:
    daemon()
    path = home.root / "db" / "status.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": "good"}))
    assert '<span class="tag on">running</span>' in serve(home).ask("/")[2]


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_who_does_not_come_to_a_request_is_sent_away(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", inside.port), timeout=60) as slow:
        slow.sendall(said)
        assert received(slow) == b""


def test_a_second_request_that_does_not_come_whole_is_sent_away(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
    with socket.create_connection(("127.0.0.1", inside.port), timeout=60) as slow:
        slow.sendall(b"GET /live.css HTTP/1.1\r\nHost: localhost\r\n\r\nGET /li")
        assert b"200 OK" in received(slow)


def received(connection: socket.socket) -> bytes:
    """All that comes, until the other side ends it."""
    found = b""
    try:
        while some := connection.recv(65_536):
            found += some
    except ConnectionResetError:
        pass
    return found


def test_who_watches_is_not_taken_for_slow(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "REQUEST_SECONDS", 0.3)
    monkeypatch.setattr(feed, "BEAT_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", inside.port), timeout=60) as watcher:
        watcher.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        heard = b""
        while heard.count(b"event: beat") < 3:
            some = watcher.recv(65_536)
            assert some
            heard += some


def test_who_does_not_read_is_let_go_and_nothing_piles_up(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STALL_SECONDS", 0.5)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", inside.port))
        deaf.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        wait_until(lambda: inside.dashboard.feed.watchers, "it watches")
        loop = next(iter(inside.server.server_state.connections)).loop  # type: ignore[union-attr]
        # More than the system keeps for a connection.
        loop.call_soon_threadsafe(inside.dashboard.feed.publish, "portrait", "x" * 30_000_000)
        wait_until(lambda: not inside.dashboard.feed.watchers, "it is let go")
        wait_until(lambda: not inside.server.server_state.connections, "its connection is ended")


def test_a_locked_database_is_told_and_what_was_known_stays(
    home: Home, fill: Callable[[list[Run]], None], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.1)
    fill([make_run("a.wav")])
    dashboard = Dashboard(home.root, load_settings(home.root))
    known = in_a_loop(dashboard.refresh_log)
    assert known["trouble"] == ""
    with closing(sqlite3.connect(home.root / "db" / "fxd.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        locked = in_a_loop(dashboard.refresh_log)
        assert list(locked) == ["trouble"], "all else stays as it was"
        assert "it is locked by another program" in locked["trouble"]
        assert in_a_loop(dashboard.refresh_now)["now"], "what needs no database is told"
    assert in_a_loop(dashboard.refresh_log) == known
    dashboard.source.close()


def in_a_loop(refresh: Refresh) -> dict[str, str]:
    """What it gives, in a thread: this one has a loop already where a browser was opened."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(refresh())).result()  # type: ignore[arg-type]


def test_a_database_that_is_gone_is_told_and_not_made_anew(
    home: Home, fill: Callable[[list[Run]], None], make_run: MakeRun
) -> None:
    fill([make_run("a.wav")])
    dashboard = Dashboard(home.root, load_settings(home.root))
    in_a_loop(dashboard.refresh_log)
    database = home.root / "db" / "fxd.sqlite3"
    database.unlink()
    assert "it cannot be opened" in in_a_loop(dashboard.refresh_log)["trouble"]
    assert in_a_loop(dashboard.refresh_portrait) == {}
    assert not database.exists()
    database.touch()  # as the next daemon does
    assert "its tables are gone" in in_a_loop(dashboard.refresh_log)["trouble"]
    dashboard.source.close()


def test_what_fails_for_a_reason_that_nobody_foresaw_is_told_once_and_tried_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    fails = [True, True, False, True, True]

    async def refresh() -> dict[str, str]:
        if fails and fails.pop(0):
            raise ZeroDivisionError("no steps")
        return {"now": "<p>well</p>"}

    async def watch() -> None:
        fed = feed.Feed([(refresh, 0.0)], [])
        fed.enter()
        running = asyncio.create_task(fed.run())
        while fails and not running.done():
            await asyncio.sleep(0.01)
        assert not running.done(), "it goes on"
        assert fed.parts["now"].html == "<p>well</p>"
        running.cancel()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, watch()).result()
    told = capsys.readouterr().err
    assert told.count("ZeroDivisionError: no steps") == 2, "again where it had gone well meanwhile"


def test_a_drawing_that_failed_leaves_the_one_before_it(
    home: Home, fill: Callable[[list[Run]], None], make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portrait, "REST_SECONDS", 0.0)
    dashboard = Dashboard(home.root, load_settings(home.root))
    answers = iter(
        [
            portrait.PortraitError("no memory"),
            {"verdict": "<p>good</p>"},
            portrait.PortraitError("it is locked"),
        ]
    )

    def run() -> dict[str, str]:
        answer = next(answers, {"verdict": "<p>better</p>"})
        if isinstance(answer, Exception):
            raise answer
        return answer

    def drawn_after(name: str) -> str:
        fill([make_run(name)])
        in_a_loop(dashboard.refresh_log)
        return in_a_loop(dashboard.refresh_portrait)["portrait"]

    monkeypatch.setattr(dashboard.painter, "run", run)
    assert "could not be drawn: no memory. They are tried again in a minute." in drawn_after("a.wav")
    first = in_a_loop(dashboard.refresh_portrait)["portrait"]
    assert "could not be drawn" not in first
    second = drawn_after("b.wav")
    assert "could not be drawn: it is locked. They are tried again in a minute." in second
    assert "<p>good</p>" in second
    as_of = first.partition("as of ")[2].partition(".")[0]
    assert f"as of {as_of}." in second
    third = in_a_loop(dashboard.refresh_portrait)["portrait"]
    assert "<p>better</p>" in third
    assert "could not be drawn" not in third
    dashboard.source.close()


def test_a_drawing_that_failed_is_tried_again(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portrait, "REST_SECONDS", 0.0)
    painter = portrait.Painter(home.root)
    answers = iter([portrait.PortraitError("it is locked"), {"verdict": "<p>good</p>"}])

    def run() -> dict[str, str]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(painter, "run", run)

    async def draw() -> dict[str, str]:
        return await painter.draw("key") or {}

    with pytest.raises(portrait.PortraitError):
        in_a_loop(draw)
    assert in_a_loop(draw) == {"verdict": "<p>good</p>"}
    assert in_a_loop(draw) == {}, "the same is not drawn twice"


def test_only_trouble_is_told_at_the_end() -> None:
    def told(text: str, *values: object) -> bool:
        return is_trouble(logging.LogRecord("uvicorn.error", logging.ERROR, "", 0, text, values, None))

    assert not told("Cancel %s running task(s), timeout graceful shutdown exceeded", 0)
    assert told("Exception in ASGI application\n")
