"""One HTTP request and its response, as the API's door needs them: plain ASGI, nothing of Django's."""

import asyncio
import logging
import re
import uuid
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from django.conf import settings
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from compliance.addresses import client_address
from inference.api.errors import ApiError, too_large

logger = logging.getLogger(__name__)
MAX_BODY_BYTES = 256 * 1024
SANE_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
JSON = "application/json"
ALWAYS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class ClientLeft(Exception):
    """Nobody is there to answer any more."""


class Exchange:
    """What was asked, and what has been answered so far. ``headers`` go out with the response, whatever it is."""

    def __init__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.request_id = str(uuid.uuid4())
        self.sent = _by_name(scope["headers"])
        self.headers: dict[str, str] = {}
        self.started = False
        self._receive = receive
        self._send = send

    def header(self, name: str) -> str:
        return self.sent.get(name, b"").decode("latin-1")

    @property
    def address(self) -> str:
        """The address of the caller, behind as many proxies as the settings trust."""
        peer = self.scope.get("client") or ("", 0)
        return client_address(peer[0], self.header("x-forwarded-for"))

    @property
    def language(self) -> str:
        """The best of our languages that the caller takes, English by default."""
        ours = {code for code, _name in settings.LANGUAGES}
        for code, _weight in parse_accept_lang_header(self.header("accept-language")[:200]):
            if code.split("-")[0] in ours:
                return str(code.split("-")[0])
        return "en"

    async def body(self) -> bytes:
        """Return the body, at most ``MAX_BODY_BYTES``. Raises ApiError 413, and ClientLeft."""
        declared = self.header("content-length")
        if declared and (not declared.isdecimal() or int(declared) > MAX_BODY_BYTES):
            raise too_large(MAX_BODY_BYTES)
        found = bytearray()
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            found += message.get("body", b"")
            if len(found) > MAX_BODY_BYTES:
                raise too_large(MAX_BODY_BYTES)
            more = message.get("more_body", False)
        return bytes(found)

    async def until_left(self) -> None:
        """Return when the caller has hung up. Only once the body was read: both take from the same messages."""
        while (await self._receive())["type"] != "http.disconnect":
            continue

    async def start(self, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Send status and headers."""
        self.started = True
        own = {name.lower().encode(): value.encode("latin-1", "replace") for name, value in self.headers.items()}
        own |= {name.lower().encode(): value.encode("latin-1", "replace") for name, value in (headers or {}).items()}
        out = [
            (b"content-type", content_type.encode()),
            (b"x-request-id", self.request_id.encode()),
            *((name, value) for name, value in ALWAYS if name not in own),
            *own.items(),
        ]
        theirs = self.header("x-request-id")
        if theirs and SANE_ID.fullmatch(theirs):
            out.append((b"x-client-request-id", theirs.encode()))
        await self._send({"type": "http.response.start", "status": status, "headers": out})

    async def write(self, data: bytes, *, more: bool = True) -> None:
        """Send a part of the body.

        Raises ClientLeft for a caller who takes nothing for as long as a model may be silent: a place at work is not
        held for somebody who does not read.
        """
        try:
            async with asyncio.timeout(settings.LLM_IDLE_S):
                await self._send({"type": "http.response.body", "body": data, "more_body": more})
        except TimeoutError as error:
            raise ClientLeft from error

    async def answer(self, value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send ``value`` as JSON and end the response."""
        await self.send(msgspec.json.encode(value), status, headers)

    async def send(self, body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        """Send what is JSON already and end the response."""
        await self.start(status, JSON, {**(headers or {}), "content-length": str(len(body))})
        await self.write(body, more=False)

    def words(self, error: ApiError) -> bytes:
        """Return the JSON of a refusal in the caller's language."""
        with translation.override(self.language):
            return msgspec.json.encode(error.as_dict(self.request_id))

    async def refuse(self, error: ApiError) -> None:
        """Send a refusal and end the response."""
        body = self.words(error)
        await self.start(error.status, JSON, {**error.headers, "content-length": str(len(body))})
        await self.write(body, more=False)


def _by_name(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, bytes]:
    """Return the headers by their names, the last of a name that comes twice; all hops of x-forwarded-for."""
    found: dict[str, bytes] = {}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        found[name] = found[name] + b"," + value if name == "x-forwarded-for" and name in found else value
    return found


async def quietly(task: "asyncio.Task[Any]") -> None:
    """Cancel a task of ours and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
