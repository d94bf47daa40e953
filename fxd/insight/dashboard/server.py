"""The server: a few addresses that can be read, the feed behind them, and its life from start to end."""

import asyncio
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn import Config, Server

from fxd.config import Settings
from fxd.insight.dashboard.access import Guard
from fxd.insight.dashboard.connection import Connection
from fxd.insight.dashboard.feed import Feed, TooManyWatchers, Watcher
from fxd.insight.dashboard.ledger import Ledger
from fxd.insight.dashboard.metrics import exposition
from fxd.insight.dashboard.portrait import Drawn, Painter, PortraitError
from fxd.insight.dashboard.snapshot import Log, look_now, read_log
from fxd.insight.dashboard.source import Source
from fxd.insight.dashboard.threads import in_thread
from fxd.insight.dashboard.view import PACKAGE, View
from fxd.insight.pages import asset
from fxd.store.errors import StoreError

NOW_SECONDS = 0.5
LOG_SECONDS = 1.0
PORTRAIT_SECONDS = 3.0
"""How often one looks whether there is something new to draw."""
PAGE_PATIENCE_SECONDS = 1.0
"""A page does not wait longer for a database; its parts come later."""
MOST_CONNECTIONS = 64
SHUTDOWN_SECONDS = 5
"""For answers that are under way; a page that follows is let go at once."""


class Dashboard:
    """One home, as HTTP answers."""

    def __init__(self, home: Path, settings: Settings) -> None:
        self.home = home
        self.source = Source(settings)
        self.ledger = Ledger()
        self.view = View(home, settings.training.max_dataset_gb)
        self.painter = Painter(home)
        self.feed = Feed(
            quick=[(self.refresh_now, NOW_SECONDS), (self.refresh_log, LOG_SECONDS)],
            slow=[(self.refresh_portrait, PORTRAIT_SECONDS)],
        )
        self.scrape = asyncio.Lock()
        self.log: Log | None = None
        self.drawn: Drawn | None = None
        self.read_at = datetime.now(UTC)
        self.is_away = False
        """Whether the database could not be read just now."""

    def app(self) -> Starlette:
        texts = {
            "/style.css": (asset("fxd.insight.report", "style.css"), "text/css"),
            "/live.css": (asset(PACKAGE, "live.css"), "text/css"),
            "/live.js": (asset(PACKAGE, "live.js"), "text/javascript"),
        }
        routes = [
            Route("/", self.page),
            Route("/events", self.events),
            Route("/metrics", self.metrics),
            *(Route(path, fixed(*text)) for path, text in texts.items()),
        ]
        app = Starlette(routes=routes, lifespan=self.lifespan)
        app.router.redirect_slashes = False
        return app

    @asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self.feed.run()), asyncio.create_task(self.count_ahead())]
        yield
        self.painter.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def count_ahead(self) -> None:
        """Count what is there before somebody asks: of a million runs that takes longer than Prometheus waits."""
        with suppress(StoreError, OSError):
            await in_thread(lambda: self.ledger.read(self.source.store()))

    async def page(self, _request: Request) -> Response:
        parts = await self.feed.current(PAGE_PATIENCE_SECONDS)
        return HTMLResponse(self.view.page(parts))

    async def events(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type="text/event-stream")
        try:
            watcher = self.feed.enter()
        except TooManyWatchers:
            text = "Too many pages are open; close one.\n"
            return PlainTextResponse(text, 503, {"retry-after": "10"})
        return EventStream(self.feed, watcher)

    async def metrics(self, request: Request) -> Response:
        accept = request.headers.get("accept", "")
        async with self.scrape:  # one thread, however many ask
            text, content_type = await in_thread(lambda: exposition(self.source, self.ledger, accept))
        return Response(text, headers={"content-type": content_type})

    async def refresh_now(self) -> dict[str, str]:
        now = await in_thread(lambda: look_now(self.source))
        return {"now": self.view.now(now), "training": self.view.training(now, self.log)}

    async def refresh_log(self) -> dict[str, str]:
        try:
            self.log = await in_thread(lambda: read_log(self.source, self.ledger, self.home, self.log))
        except (StoreError, OSError) as error:
            self.is_away = True
            return {"trouble": self.view.trouble(str(error), self.read_at)}
        self.is_away = False
        self.read_at = datetime.now(UTC)
        return self.view.log(self.log)

    async def refresh_portrait(self) -> dict[str, str]:
        # To draw opens the database anew, and would put an empty one where a share or a disk is gone.
        if self.log is None or self.is_away:
            return {}
        newest, at = self.log.runs[0].id if self.log.runs else None, datetime.now(UTC)
        try:
            parts = await self.painter.draw((newest, self.log.promotion, self.log.tally.states.total()))
        except (PortraitError, OSError) as error:
            return {"portrait": self.view.portrait(self.drawn, str(error))}
        if parts is None:
            return {}
        self.drawn = Drawn(parts, at)
        return {"portrait": self.view.portrait(self.drawn)}


class EventStream(StreamingResponse):
    """The feed for one watcher, which is let go however this ends."""

    def __init__(self, feed: Feed, watcher: Watcher) -> None:
        super().__init__(feed.events(watcher), media_type="text/event-stream")
        self.feed = feed
        self.watcher = watcher

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.feed.leave(self.watcher)


def fixed(text: str, media_type: str) -> Callable[[Request], Response]:
    return lambda _request: Response(text, media_type=media_type)


class PageServer(Server):
    """Lets those go that watch before it waits for their connections to end."""

    def __init__(self, config: Config, feed: Feed) -> None:
        super().__init__(config)
        self.feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.feed.end()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> socket.socket:
    """A socket that waits for connections. Raises OSError where the address cannot be had."""
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen()
    except BaseException:
        made.close()
        raise
    return made


def serve(home: Path, settings: Settings, sock: socket.socket, host: str, token: str | None) -> None:
    """Answer on `sock` until SIGINT or SIGTERM."""
    dashboard = Dashboard(home, settings)
    server = make_server(dashboard, sock.getsockname()[1], host, token)

    def request_stop(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # Before uvicorn has its own; and when all is done, it raises what ended it once more: that is no error here.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, request_stop)
    try:
        server.run(sockets=[sock])
    finally:
        dashboard.source.close()


def make_server(dashboard: Dashboard, port: int, host: str, token: str | None) -> PageServer:
    config = Config(
        Guard(dashboard.app(), host, port, token),
        http=Connection,
        ws="none",
        loop="asyncio",
        log_config=None,
        access_log=False,  # it would hold the token
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    logging.getLogger("uvicorn").setLevel(logging.ERROR)
    logging.getLogger("uvicorn.error").addFilter(is_trouble)
    return PageServer(config, dashboard.feed)


def is_trouble(record: logging.LogRecord) -> bool:
    """False where uvicorn tells as an error that pages were still open at the end: whoever ended it knows."""
    return "timeout graceful shutdown exceeded" not in record.getMessage()
