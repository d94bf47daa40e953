"""Connections that nobody can hold for ever: one without a request is closed, and one that does not read, too."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0
"""Time for a whole request head."""
STALL_SECONDS = 20.0
"""Time for a reader to take what was sent to it."""


class Connection(H11Protocol):
    """uvicorn's own waits for ever for the first request, for the rest of one, and for who does not read."""

    request_timer: asyncio.TimerHandle | None = None
    reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.expect_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.expect_request()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.expect_request()

    def expect_request(self) -> None:
        """Give a request that is not whole its time, once; while one is answered there is none to expect."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.stop_request_timer()
        elif self.request_timer is None and not self.transport.is_closing():
            self.request_timer = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def stop_request_timer(self) -> None:
        if self.request_timer is not None:
            self.request_timer.cancel()
            self.request_timer = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.reader_timer is None:
            self.reader_timer = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self.stop_reader_timer()

    def stop_reader_timer(self) -> None:
        if self.reader_timer is not None:
            self.reader_timer.cancel()
            self.reader_timer = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.stop_request_timer()
        self.stop_reader_timer()
        super().connection_lost(exc)
