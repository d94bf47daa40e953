"""`fxd dashboard` as a process of its own, and what its pages hear."""

import http.client
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from homes import DEADLINE_SECONDS, Home


@dataclass
class Served:
    """A running server."""

    process: "subprocess.Popen[str]"
    said: str
    """What it printed at its start."""
    port: int
    errors: Path

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def ask(
        self, path: str = "/", method: str = "GET", **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        """Status, headers and text; of header names, `_` stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, headers=named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read().decode()
        finally:
            connection.close()

    def follow(self) -> "Following":
        return Following(self.port)

    def end(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE_SECONDS)


class Following:
    """An open page's ear, event by event."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
        self.connection.request("GET", "/events")
        self.answer = self.connection.getresponse()

    def next(self) -> tuple[str, str]:
        """Kind and data of the next event; ("", "") at the end."""
        kind = data = ""
        while line := self.answer.readline().decode():
            name, _, value = line.rstrip("\n").partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                data = value
            elif not name and kind:
                return kind, data
        return "", ""

    def close(self) -> None:
        self.connection.close()
        self.answer.close()


Serve = Callable[..., Served]


@contextmanager
def serving(folder: Path) -> Iterator[Serve]:
    """Starts servers, and ends them with the block."""
    started: list[Served] = []

    def serve(home: Home, *options: str, text: str = "") -> Served:
        errors = folder / f"errors-{len(started)}.txt"
        port = () if "--port" in options else ("--port", "0")
        with errors.open("w") as log:
            process = subprocess.Popen(
                home.command("dashboard", *port, *options),
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.PIPE,
                text=True,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text)
        process.stdin.close()
        said = process.stdout.readline()
        found = re.search(r"http://[^/]*:(\d+)/", said)
        assert found, f"{said} {errors.read_text()}"
        served = Served(process, said, int(found[1]), errors)
        started.append(served)
        return served

    try:
        yield serve
    finally:
        for served in started:
            served.process.kill()
            served.process.wait()
            assert served.process.stdout is not None
            served.process.stdout.close()
            errors = served.errors.read_text()
            assert not errors, f"it wrote errors: {errors}"
