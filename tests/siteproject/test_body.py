"""The cap on request bodies: what passes, what is refused, and that nothing is read that need not be."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings

from siteproject import body
from siteproject.body import limit_body

LIMIT = 1000


class Exchange:
    """One request through the cap: the pieces of its body, what the application saw, what the client got."""

    def __init__(self, *pieces: bytes, **headers: str) -> None:
        self.pieces = list(pieces)
        self.scope = {
            "type": "http",
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        }
        self.received = 0
        self.seen: bytes | None = None
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        self.received += 1
        if not self.pieces:
            return {"type": "http.disconnect"}
        piece = self.pieces.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    async def application(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Read the whole body, then answer 200, as Django does."""
        whole = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return
            whole += message["body"]
            if not message["more_body"]:
                break
        self.seen = whole
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def through(self, application: Any = None) -> int | None:
        """Return the status the client got."""
        await limit_body(application or self.application, max_bytes=lambda: LIMIT)(self.scope, self.receive, self.send)
        return self.sent[0]["status"] if self.sent else None


@pytest.mark.parametrize(
    ("pieces", "headers"),
    [
        ([b""], {}),
        ([b"x" * LIMIT], {"content_length": str(LIMIT)}),
        ([b"x" * 400, b"x" * 600], {"transfer_encoding": "chunked"}),
        ([b"x" * 999, b"", b"x"], {}),
    ],
)
async def test_a_body_within_the_limit_passes_whole(pieces: list[bytes], headers: dict[str, str]) -> None:
    exchange = Exchange(*pieces, **headers)

    assert await exchange.through() == 200
    assert exchange.seen == b"".join(pieces)


@pytest.mark.parametrize("length", [str(LIMIT + 1), "9" * 400, "-1", "1e3", "", "abc"])
async def test_a_declared_length_that_is_too_much_or_nonsense_is_refused_unread(length: str) -> None:
    exchange = Exchange(b"x", content_length=length)

    assert await exchange.through() == 413
    assert exchange.received == 0 and exchange.seen is None
    assert json.loads(exchange.sent[1]["body"])["error"]["code"] == "too_large"
    assert (b"connection", b"close") in exchange.sent[0]["headers"]


@pytest.mark.parametrize("headers", [{}, {"content_length": "10"}], ids=["undeclared", "a lie"])
async def test_a_body_is_given_up_at_the_first_byte_too_many(headers: dict[str, str]) -> None:
    exchange = Exchange(*[b"x" * 300] * 100, **headers)

    assert await exchange.through() == 413
    assert exchange.received == 4 and exchange.seen is None


@pytest.fixture
def broken_page(settings: LazySettings, tmp_path: Path) -> Iterator[None]:
    """A site whose template of errors is what broke. Pages for 413 are kept, so they are forgotten before and after."""
    (tmp_path / "error.html").write_text("{% no_such_tag %}")
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    body._page.cache_clear()
    yield
    body._page.cache_clear()


@pytest.mark.parametrize("language", ["en", "fr"])
async def test_a_broken_error_page_is_still_a_413_with_a_way_home(broken_page: None, language: str) -> None:
    exchange = Exchange(b"x", content_length=str(LIMIT + 1), accept="text/html", accept_language=language)
    exchange.scope["path"] = "/accounts/"

    assert await exchange.through() == 413
    assert dict(exchange.sent[0]["headers"])[b"content-type"].startswith(b"text/html")
    assert b'<a href="/">' in exchange.sent[1]["body"]


async def test_a_response_that_has_begun_is_not_begun_again() -> None:
    exchange = Exchange(*[b"x" * 600] * 3)

    async def early(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await exchange.application(scope, receive, send)

    assert await exchange.through(early) == 200
    assert [message["type"] for message in exchange.sent] == ["http.response.start"]


async def test_a_client_that_leaves_is_no_body() -> None:
    exchange = Exchange()

    assert await exchange.through() is None
    assert exchange.seen is None


async def test_other_kinds_of_connection_pass_untouched() -> None:
    exchange = Exchange(b"x" * 5000)
    exchange.scope = {"type": "lifespan"}

    assert await exchange.through() == 200
    assert exchange.seen == b"x" * 5000
