"""The feed behind the page, without a server."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from fxd.insight.dashboard.feed import Feed


def test_all_that_is_new_goes_out_in_one_write() -> None:
    async def pieces() -> list[str]:
        feed = Feed(quick=[], slow=[])
        for name in "abcdefgh":
            feed.publish(name, "1")
        events = feed.events(feed.enter())
        told = [await anext(events), await anext(events)]
        feed.publish("c", "2")
        feed.publish("d", "2")
        told.append(await anext(events))
        await events.aclose()  # type: ignore[attr-defined]
        return told

    # In a thread of its own: Playwright's loop may run in this one, for the tests of pages.
    with ThreadPoolExecutor() as threads:
        hello, first, second = threads.submit(lambda: asyncio.run(pieces())).result()
    assert "event: hello" in hello
    assert first.count("event: part") == 8
    assert second.count("event: part") == 2, "only what became another"
