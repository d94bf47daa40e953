"""The parts of the page as they are now, and who is told when one of them becomes another.

A part is kept once, however many watch. A watcher is told of the newest state of each part that it has not
seen, so one that reads slowly skips what lies between, and nothing piles up for it. While nobody watches,
nothing is read.
"""

import asyncio
import json
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import uuid4

BEAT_SECONDS = 5.0
"""Who hears nothing for longer than that knows that the connection is dead."""
MOST_WATCHERS = 24
RETRY_MS = 2_000

Refresh = Callable[[], Awaitable[dict[str, str]]]
"""Gives parts by name, as HTML; what it raises is a bug, or so rare that nobody has thought of it."""


class TooManyWatchers(Exception):
    """There are as many as the server takes."""


@dataclass
class Part:
    html: str
    version: int


@dataclass
class Spring:
    """Where parts come from, and how often one looks there."""

    refresh: Refresh
    seconds: float
    fresh_until: float = 0.0
    fault: str = ""
    """What it raised when it was asked last."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(eq=False)
class Watcher:
    """One open page."""

    news: asyncio.Event = field(default_factory=asyncio.Event)
    seen: dict[str, int] = field(default_factory=dict)


class Feed:
    """All parts of one page."""

    def __init__(self, quick: list[tuple[Refresh, float]], slow: list[tuple[Refresh, float]]) -> None:
        """Each gives some parts, and is asked again after so many seconds; no page waits for what is slow."""
        self.quick = [Spring(refresh, seconds) for refresh, seconds in quick]
        self.slow = [Spring(refresh, seconds) for refresh, seconds in slow]
        self.parts: dict[str, Part] = {}
        self.watchers: set[Watcher] = set()
        self.is_watched = asyncio.Event()
        self.has_ended = False
        self.id = uuid4().hex
        """Another one after a restart of the server: then pages load themselves anew."""

    async def run(self) -> None:
        """Look for news for as long as somebody watches; ends by being cancelled."""
        await asyncio.gather(*(self.keep_fresh(spring) for spring in (*self.quick, *self.slow)))

    async def keep_fresh(self, spring: Spring) -> None:
        while True:
            await self.is_watched.wait()
            await self.refresh(spring)
            await asyncio.sleep(spring.seconds)

    async def refresh(self, spring: Spring) -> None:
        """Look there, unless somebody just has."""
        async with spring.lock:
            if time.monotonic() < spring.fresh_until:
                return
            for name, html in (await self.parts_of(spring)).items():
                self.publish(name, html)
            spring.fresh_until = time.monotonic() + spring.seconds / 2

    async def parts_of(self, spring: Spring) -> dict[str, str]:
        """What there is; nothing where that fails: a page that is never told anything more would seem live."""
        try:
            found = await spring.refresh()
        except Exception as error:
            fault, known = repr(error), spring.fault
            spring.fault = fault
            if fault != known:  # not once a second
                traceback.print_exc()
            return {}
        spring.fault = ""
        return found

    def publish(self, name: str, html: str) -> None:
        part = self.parts.get(name)
        if part is not None and part.html == html:
            return
        self.parts[name] = Part(html, part.version + 1 if part else 1)
        self.wake()

    def wake(self) -> None:
        for watcher in self.watchers:
            watcher.news.set()

    async def current(self, patience: float) -> dict[str, str]:
        """All parts, looked for now; those that take longer than so many seconds as they were, or not at all."""
        looks = [asyncio.ensure_future(self.refresh(spring)) for spring in self.quick]
        # Whoever asks does not end what others may be waiting for.
        await asyncio.wait(looks, timeout=patience)
        return {name: part.html for name, part in self.parts.items()}

    def end(self) -> None:
        """Let all watchers go."""
        self.has_ended = True
        self.wake()

    def enter(self) -> Watcher:
        """Raises TooManyWatchers."""
        if len(self.watchers) >= MOST_WATCHERS:
            raise TooManyWatchers
        watcher = Watcher()
        self.watchers.add(watcher)
        self.is_watched.set()
        return watcher

    def leave(self, watcher: Watcher) -> None:
        self.watchers.discard(watcher)
        if not self.watchers:
            self.is_watched.clear()

    async def events(self, watcher: Watcher) -> AsyncIterator[str]:
        """Server-sent events for one watcher, until the server ends."""
        yield f"retry: {RETRY_MS}\n" + event("hello", self.id)
        while not self.has_ended:
            watcher.news.clear()
            # At once: asyncio complains aloud of several writes in a row to a connection that has just been lost.
            if news := "".join(self.unseen(watcher)):
                yield news
            with suppress(TimeoutError):
                await asyncio.wait_for(watcher.news.wait(), BEAT_SECONDS)
                continue
            yield event("beat", "")

    def unseen(self, watcher: Watcher) -> Iterator[str]:
        """The newest state of each part that the watcher has not seen; from now on it has."""
        for name, part in self.parts.items():
            if watcher.seen.get(name) != part.version:
                watcher.seen[name] = part.version
                yield event("part", {"name": name, "html": part.html})


def event(kind: str, data: object) -> str:
    """One server-sent event; JSON has no line breaks that would end it.

    >>> event("part", {"html": "a\\nb"})
    'event: part\\ndata: {"html": "a\\\\nb"}\\n\\n'
    """
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
