"""Who may read the page: from this machine or with the token, only by our own name, and nothing but the page."""

import os
import re
import socket

import pytest
from homes import Home
from serving import Serve, Served

TOKEN = "correct horse battery"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/", "/events", "/metrics", "/nowhere"])
def test_it_can_only_be_read(served: Served, method: str, path: str) -> None:
    status, headers, _ = served.ask(path, method)
    assert status == 405
    assert headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/", "/events", "/metrics", "/live.js", "/live.css", "/style.css"])
def test_a_head_is_answered_without_a_body(served: Served, path: str) -> None:
    status, _, text = served.ask(path, "HEAD")
    assert (status, text) == (200, "")


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:{port}", "localhost.evil.example", "", "10.0.0.7"]
)
@pytest.mark.parametrize("path", ["/", "/events", "/metrics"])
def test_another_name_for_this_address_is_refused(served: Served, name: str, path: str) -> None:
    status, _, text = served.ask(path, Host=name.format(port=served.port))
    assert status == 421
    assert str(served.port) not in text


@pytest.mark.parametrize("name", ["localhost:{port}", "LOCALHOST", "127.0.0.1:{port}", "[::1]:{port}"])
def test_its_own_names_are_taken(served: Served, name: str) -> None:
    assert served.ask("/", Host=name.format(port=served.port))[0] == 200


def test_two_names_at_once_are_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n")
        assert connection.recv(100).split()[1] in (b"400", b"421")


def test_who_asks_for_no_name_is_refused(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert connection.recv(100).split()[1] == b"421"


def test_another_site_may_link_to_the_page_but_not_read_it(served: Served) -> None:
    for site in ("cross-site", "same-site"):
        assert served.ask("/metrics", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")[0] == 403
        assert served.ask("/", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate")[0] == 200
    assert served.ask("/events", Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors", method="HEAD")[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../config.toml",
        "/..%2fconfig.toml",
        "/%2e%2e/%2e%2e/config.toml",
        "/live.js/../../server.py",
        "/templates/page.html.j2",
        "/db/fxd.sqlite3",
        "//etc/passwd",
        "/live.js%00.css",
        "/style.css/",
    ],
)
def test_there_is_nothing_else_to_read(served: Served, path: str) -> None:
    status, _, text = served.ask(path)
    assert (status, text) == (404, "Not Found")


@pytest.mark.parametrize(
    ("path", "method"), [("/", "GET"), ("/metrics", "GET"), ("/nowhere", "GET"), ("/", "POST")]
)
def test_every_answer_tells_browsers_what_not_to_do(served: Served, path: str, method: str) -> None:
    _, headers, _ = served.ask(path, method)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self';" in policy
    assert "style-src 'self';" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert headers["server"] is None


def test_a_token_opens_the_page_once_and_then_a_cookie_does(home: Home, serve: Serve) -> None:
    served = serve(home, "--token", TOKEN)
    assert served.said.endswith("/?token=correct%20horse%20battery\n")
    for path in (
        "/",
        "/events",
        "/metrics",
        "/live.js",
        "/?token=",
        "/?token=wrong",
        f"/?TOKEN={TOKEN[:-1]}",
    ):
        status, headers, text = served.ask(path.replace(" ", "%20"))
        assert (status, headers["set-cookie"]) == (401, None)
        assert "live.js" not in text
    status, headers, text = served.ask("/?token=correct%20horse%20battery")
    cookie = headers["set-cookie"]
    assert status == 200
    assert TOKEN not in text + str(headers)
    assert re.search("; HttpOnly; .*SameSite=strict", cookie)
    name_and_value = cookie.split(";")[0]
    status, headers, text = served.ask("/", Cookie=name_and_value)
    assert status == 200
    assert "live.js" in text
    assert TOKEN not in text + str(headers)
    assert served.ask("/events", "HEAD", Cookie=name_and_value)[0] == 200
    assert served.ask("/", Cookie=name_and_value[:-1])[0] == 401
    assert served.ask("/", Cookie=f"{name_and_value.split('=')[0]}={TOKEN}")[0] == 401
    assert served.ask("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert served.ask("/metrics", Authorization="Bearer wrong")[0] == 401
    assert served.ask("/metrics", Authorization=f"Basic {TOKEN}")[0] == 401


def test_beyond_this_machine_there_is_always_a_token(home: Home, serve: Serve) -> None:
    first, second = serve(home, "--host", "0.0.0.0"), serve(home, "--host", "0.0.0.0")
    tokens = [re.search(r"\?token=(\S{32,})", served.said) for served in (first, second)]
    assert all(tokens)
    assert tokens[0][1] != tokens[1][1]
    for name in ("127.0.0.1", "192.0.2.7", socket.gethostname()):
        assert first.ask("/metrics", Host=name)[0] == 401
        assert first.ask("/metrics", Host=name, Authorization=f"Bearer {tokens[0][1]}")[0] == 200
        assert first.ask("/metrics", Host=name, Authorization=f"Bearer {tokens[1][1]}")[0] == 401
    assert first.ask("/metrics", Host="evil.example", Authorization=f"Bearer {tokens[0][1]}")[0] == 421


def test_a_token_can_come_where_nobody_can_list_it(home: Home, serve: Serve) -> None:
    served = serve(home, "--token", "-", text=f"{TOKEN}\n")
    assert served.ask("/metrics")[0] == 401
    assert served.ask("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 200


def test_what_cannot_work_is_told_with_the_remedy(home: Home, served: Served) -> None:
    assert "--token: it has 0 characters" in home.fxd("dashboard", "--token", "", code=2).stderr
    taken = home.fxd("dashboard", "--port", str(served.port), code=1).stderr
    assert taken == (
        f"fxd: cannot listen on 127.0.0.1, port {served.port}: Address already in use; "
        "choose others with --host and --port\n"
    )
    for name in ("no such host", "studio..lan", "x" * 100, os.fsdecode(b"\xff")):
        assert "--host and --port" in home.fxd("dashboard", "--host", name, code=1).stderr
    for token in (b"\xff" * 16, "ü".encode() * 16):
        assert "--token: only letters" in home.fxd("dashboard", "--token", os.fsdecode(token), code=2).stderr
