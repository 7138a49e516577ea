"""Cap request bodies before anything is buffered.

Django under ASGI spools a whole body to disk before any of its own size checks run
(``django/core/handlers/asgi.py``, ``read_body``), so the cap has to stand in front of it.
"""

import json
from collections.abc import Awaitable, Callable
from typing import Any

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class BodyTooLarge(Exception):
    """The body went over the limit while it was read."""


def limit_body(app: App, *, max_bytes: Callable[[], int]) -> App:
    """Return an ASGI application that answers 413 to a body of more than ``max_bytes()``.

    A declared length is refused unread. A body without one is counted as it arrives, and the
    request is given up at the first byte too many.
    """

    async def capped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await app(scope, receive, send)
        limit = max_bytes()
        declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
        if not declared.isdigit() or int(declared) > limit:
            return await _refuse(send, limit)
        seen = 0
        started = False

        async def counted() -> dict[str, Any]:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > limit:
                    raise BodyTooLarge
            return message

        async def noted(message: dict[str, Any]) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await app(scope, counted, noted)
        except BodyTooLarge:
            if not started:
                await _refuse(send, limit)
        return None

    return capped


async def _refuse(send: Send, limit: int) -> None:
    message = f"The request is larger than {limit // 1024} KiB."
    body = json.dumps({"error": {"code": "too_large", "message": message}}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
