"""`fxd dashboard`."""

import socket
import sys
from pathlib import Path

from fxd.config import ConfigError, Settings
from fxd.pipeline.files import display

LEAST_TOKEN = 16
"""Characters: a shorter one could be guessed."""


def dashboard(home: Path, settings: Settings, host: str, port: int, token: str | None) -> int:
    """Serve the page of a home until Ctrl-C or SIGTERM."""
    if token == "-":
        token = sys.stdin.readline().strip()
    if token is not None and len(token) < LEAST_TOKEN:
        raise ConfigError(
            f"--token: it has {len(token)} characters; take {LEAST_TOKEN} or more, or leave it out"
        )
    if token is not None and not (token.isascii() and token.isprintable()):
        raise ConfigError("--token: only letters, digits and signs of ASCII can be sent by every program")
    from fxd.insight.dashboard.access import is_loopback, make_token
    from fxd.insight.dashboard.server import listen, serve

    if token is None and not is_loopback(host):
        token = make_token()
    try:
        sock = listen(host, port)
    except (OSError, UnicodeError) as error:  # the latter from a name that none can have
        why = error.strerror if isinstance(error, OSError) else "no name of a host"
        reason = f"cannot listen on {display(host)}, port {port}: {why or error}"
        raise OSError(f"{reason}; choose others with --host and --port") from error
    print(f"The page of {home}: {address(host, sock.getsockname()[1], token)}", flush=True)
    print("Ctrl-C ends it.", flush=True)
    serve(home, settings, sock, host, token)
    return 0


def address(host: str, port: int, token: str | None) -> str:
    """What a browser wants.

    >>> address("127.0.0.1", 8765, None)
    'http://127.0.0.1:8765/'
    >>> address("2001:db8::1", 8765, "secret")
    'http://[2001:db8::1]:8765/?token=secret'
    """
    from urllib.parse import quote

    from fxd.insight.dashboard.access import is_wildcard

    name = socket.gethostname() if is_wildcard(host) else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={quote(token, safe='')}" if token else "")
