"""Who may read the page: nobody from another machine without the token, and no other site through a browser.

A browser that was lured to another site can be made to ask this server (DNS rebinding gives that site's name our
address), so the name that is asked for must be one of ours. The token comes once, in the address; then a cookie
tells of it that no script can read and no other site can send. Programs send it as `Authorization: Bearer`.
"""

import ipaddress
import secrets
import socket
from collections.abc import Iterator
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

METHODS = ("GET", "HEAD")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Plots bring their colours in attributes; no element's text is taken as style or as script."""
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
ENTERED = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/"><title>fxd</title></head>
<body><p><a href="/">Open the page</a></p></body></html>
"""
"""It goes on by itself: a cookie of the strict kind does not follow a redirect that began at a link elsewhere."""


def make_token() -> str:
    return secrets.token_urlsafe(24)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address or name.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "studio")]
    [True, True, True, False, False]
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def names_of(host: str) -> set[str]:
    """By which names a server at this address may be asked for."""
    own = {"localhost", "127.0.0.1", "::1"} if is_loopback(host) or is_wildcard(host) else set[str]()
    if is_wildcard(host):
        name = socket.gethostname().lower()
        own |= {name, f"{name}.local", socket.getfqdn().lower()}
    return own | {host.lower()}


def is_wildcard(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def name_in(host: str) -> str:
    """The name in a Host header, without its port.

    >>> [name_in(host) for host in ("Studio:8765", "[::1]:8765", "127.0.0.1", "")]
    ['studio', '::1', '127.0.0.1', '']
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if host.count(":") == 1 else host.lower()


class Guard:
    """Stands before the app: lets in who may read, and marks every answer with what browsers must not do."""

    def __init__(self, app: ASGIApp, host: str, port: int, token: str | None) -> None:
        self.app = app
        self.names = names_of(host)
        self.any_address = is_wildcard(host)
        self.token = token
        self.cookie = f"fxd_{port}"
        """By the port, as browsers do not tell cookies of several servers on one machine apart."""
        self.pass_ = sha256(f"fxd dashboard {token}".encode()).hexdigest()
        """What the cookie holds: the token cannot be told from it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
            await send(message)

        answer = self.refusal(scope) or self.entrance(scope) or self.app
        await answer(scope, receive, send_marked)

    def refusal(self, scope: Scope) -> Response | None:
        """The answer to what is never allowed; None where it is."""
        headers = Headers(scope=scope)
        if scope["method"] not in METHODS:
            refused = PlainTextResponse("This page can only be read.\n", 405, {"allow": ", ".join(METHODS)})
        elif not self.is_ours(headers.getlist("host")):
            text = "This server does not go by that name; `fxd dashboard --host NAME` gives it one.\n"
            refused = PlainTextResponse(text, 421)
        elif headers.get("sec-fetch-site") in ("cross-site", "same-site") and (
            headers.get("sec-fetch-mode") != "navigate"
        ):
            refused = PlainTextResponse("Another site may not read this page.\n", 403)
        else:
            return None
        return refused

    def is_ours(self, hosts: list[str]) -> bool:
        if len(hosts) != 1:
            return False
        name = name_in(hosts[0])
        if name in self.names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return self.any_address  # an address is no name that somebody else could point here

    def entrance(self, scope: Scope) -> Response | None:
        """The answer to who has no token, or comes with it in the address; None where the app may answer."""
        if self.token is None:
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [])
        if any(self.is_token(text) for text in given):
            entered = HTMLResponse(ENTERED)
            entered.set_cookie(self.cookie, self.pass_, httponly=True, samesite="strict")
            return entered
        headers = Headers(scope=scope)
        if self.has_pass(headers) or self.is_token(bearer(headers)):
            return None
        text = "Open the whole address that `fxd dashboard` printed, with its token.\n"
        return PlainTextResponse(text, 401, {"www-authenticate": "Bearer"})

    def is_token(self, text: str) -> bool:
        return self.token is not None and compare_digest(text.encode(), self.token.encode())

    def has_pass(self, headers: Headers) -> bool:
        passes = [value for name, value in cookies(headers) if name == self.cookie]
        return any(compare_digest(value.encode(), self.pass_.encode()) for value in passes)


def bearer(headers: Headers) -> str:
    scheme, _, text = headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() == "bearer" else ""


def cookies(headers: Headers) -> Iterator[tuple[str, str]]:
    for header in headers.getlist("cookie"):
        for pair in header.split(";"):
            name, _, value = pair.strip().partition("=")
            yield name, value
