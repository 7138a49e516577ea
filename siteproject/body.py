"""Cap request bodies before anything is buffered.

Django under ASGI spools a whole body to disk before any of its own size checks run
(``django/core/handlers/asgi.py``, ``read_body``), so the cap has to stand in front of it.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from csp.utils import build_policy
from django.conf import settings

from siteproject.errors import MACHINES, bare_page, error_page, language_of
from siteproject.middleware import PERMISSIONS_POLICY

logger = logging.getLogger(__name__)

Headers = list[tuple[bytes, bytes]]
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
            return await _refuse(scope, send, limit)
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
                await _refuse(scope, send, limit)
        return None

    return capped


async def _refuse(scope: Scope, send: Send, limit: int) -> None:
    """Answer 413 in the shape that suits who asked, as ``siteproject.errors`` does behind this door."""
    asked = dict(scope["headers"])
    path = scope.get("path", "/")
    if b"text/html" in asked.get(b"accept", b"") and not MACHINES.match(path):
        language = language_of(path, asked.get(b"accept-language", b"").decode("latin-1"))
        content_type, body = b"text/html; charset=utf-8", _page(language)
    else:
        message = f"The request is larger than {limit // 1024} KiB."
        content_type = b"application/json"
        body = json.dumps({"error": {"code": "too_large", "message": message}}).encode()
    headers = [(b"content-type", content_type), (b"connection", b"close"), *_strict_headers()]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@cache
def _page(language: str) -> bytes:
    """Render it once: whoever sends too much must not cost us more than a look-up.

    Where the page cannot be rendered it is the bare one: an exception here would reach the server, past every page.
    """
    try:
        return error_page(413, language).encode()
    except Exception:
        logger.exception("the page for 413 cannot be rendered")
        return bare_page().encode()


@cache
def _strict_headers() -> Headers:
    """Return what the middlewares would have added, which no refused request reaches."""
    found = {
        "cache-control": "no-store",
        "content-security-policy": build_policy(),
        "cross-origin-opener-policy": settings.SECURE_CROSS_ORIGIN_OPENER_POLICY,
        "permissions-policy": PERMISSIONS_POLICY,
        "referrer-policy": settings.SECURE_REFERRER_POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": settings.X_FRAME_OPTIONS,
    }
    return [(name.encode(), value.encode()) for name, value in found.items()]
