"""uvicorn's HTTP protocol with an end to its patience: a request arrives in time, and its head is of sensible size.

uvicorn waits without limit for the rest of a request that has begun, and httptools keeps whatever
headers come. Fifty such connections cost an attacker nothing and us sockets and memory.
"""

import asyncio

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 16 * 1024


class PatientEnough(HttpToolsProtocol):
    """Closes a connection whose request is not whole after ``REQUEST_READ_S``.

    Pauses between two requests are uvicorn's own (``timeout_keep_alive``).
    """

    _deadline: asyncio.TimerHandle | None = None
    _upgraded = False
    _in_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self._deadline is None and not self._upgraded:
            # A blank line stops uvicorn's own timer and begins no request: nobody would ever look again.
            self._begin()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._end()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        self._end()  # from here on the consumer watches over it
        super().handle_websocket_upgrade()

    def _begin(self) -> None:
        """A request is awaited or has begun; the time counts from the first of both."""
        self._in_head, self._head_bytes = True, 0
        if self._deadline is None:
            self._deadline = self.loop.call_later(settings.REQUEST_READ_S, self.transport.abort)

    def _end(self) -> None:
        self._in_head = False
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
