"""Callers that cost next to nothing, so that what they measure is the server: one for our socket, one for llama.cpp.

A general websocket or HTTP client spends a good part of a millisecond per answer on the core that the
server needs. These two know just enough of RFC 6455 and of event streams to read what our servers send.
"""

import asyncio
import base64
import contextlib
import os
import struct
import time
import zlib
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import msgspec
import uvloop

from tests.live import ask

ANSWER_S = 60.0
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10
COMPRESSED = 0x40
BLOCK_BYTES = 64 * 1024
Found = TypeVar("Found")


def run(main: Coroutine[Any, Any, Found]) -> Found:
    """Run callers on the fastest loop there is."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


@dataclass(slots=True)
class Answer:
    """The events of one answer with their arrival, in seconds after the question was sent."""

    asked_at: float
    events: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def at(self, type: str) -> float | None:
        """Return when the first event of a type arrived, None if none did."""
        return next((seconds for seconds, event in self.events if event["type"] == type), None)

    @property
    def last(self) -> dict[str, Any]:
        return self.events[-1][1]

    @property
    def rung(self) -> str:
        """The rung the answer stands on, or the code of its error."""
        return str(self.last.get("rung") or self.last.get("code"))

    @property
    def deltas_s(self) -> list[float]:
        """When the model's pieces arrived, without the full stop that the pipeline may add at the end."""
        found = [(seconds, event["text"]) for seconds, event in self.events if event["type"] == "delta"]
        if len(found) > 1 and found[-1][1] == ".":
            found.pop()
        return [seconds for seconds, _text in found]


class Socket:
    """A chat socket as a browser opens it: compression offered, pings answered."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._buffer = bytearray()
        self._inflate: Any = None
        self._sent_at = 0.0

    @classmethod
    async def open(cls, url: str, *, compress: bool = True) -> Self:
        """Open a socket of the site at ``url``. Raises ConnectionError where it is refused."""
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection("127.0.0.1", where.port, limit=1 << 20)
        offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if compress else ""
        writer.write(
            f"GET /ws/chat/ HTTP/1.1\r\nHost: {where.netloc}\r\nOrigin: {url}\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
            f"Sec-WebSocket-Version: 13\r\n{offer}\r\n".encode()
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if not head.startswith(b"http/1.1 101"):
            raise ConnectionError(head.split(b"\r\n")[0].decode())
        socket = cls(reader, writer)
        if b"permessage-deflate" in head:
            socket._inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        return socket

    def send(self, message: dict[str, Any]) -> None:
        """Send a JSON message. The mask is zero, which is a mask like any other and costs nothing."""
        payload = msgspec.json.encode(message)
        length = len(payload)
        size = struct.pack("!B", 0x80 | length) if length < 126 else struct.pack("!BH", 0x80 | 126, length)
        self._sent_at = time.perf_counter()
        self._writer.write(b"\x81" + size + b"\0\0\0\0" + payload)

    def send_ask(self, question: str) -> None:
        """Send a question; ``hear`` gives its answer."""
        self.send({"type": "ask", **ask(question)})

    async def read(self) -> list[bytes]:
        """Return the messages of the next block that arrives. Raises ConnectionError at the end."""
        block = await self._reader.read(BLOCK_BYTES)
        if not block:
            raise ConnectionError("the server closed the socket")
        self._buffer += block
        return list(self._messages())

    async def answer(self, question: str) -> Answer:
        """Ask and return the answer once it has ended. Raises TimeoutError."""
        self.send_ask(question)
        return await self.hear()

    async def hear(self) -> Answer:
        """Return the answer to the question sent last. Raises TimeoutError, ConnectionError."""
        heard = Answer(self._sent_at)
        async with asyncio.timeout(ANSWER_S):
            while True:
                messages = await self.read()
                now = time.perf_counter() - heard.asked_at
                heard.events += [(now, msgspec.json.decode(message)) for message in messages]
                if heard.events and heard.last["type"] in ("done", "error"):
                    return heard

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _messages(self) -> Iterator[bytes]:
        """Yield the whole text messages in the buffer and drop them from it."""
        buffer, at = self._buffer, 0
        while len(buffer) - at >= 2:
            first, length, header = buffer[at], buffer[at + 1], 2
            if length == 126:
                header = 4
                length = int.from_bytes(buffer[at + 2 : at + 4])
            elif length == 127:
                header = 10
                length = int.from_bytes(buffer[at + 2 : at + 10])
            if len(buffer) < at + header + length:
                break
            payload = bytes(buffer[at + header : at + header + length])
            at += header + length
            kind = first & 0x0F
            if kind == PING:
                self._writer.write(bytes([0x80 | PONG, 0x80 | len(payload)]) + b"\0\0\0\0" + payload)
            elif kind == CLOSE:
                raise ConnectionError("the server closed the socket")
            elif kind == TEXT:
                yield self._inflate.decompress(payload + b"\0\0\xff\xff") if first & COMPRESSED else payload
        del buffer[:at]


@dataclass(slots=True)
class Completion:
    """What a llama.cpp server sent: arrival of each piece of text in seconds after asking, and its own counts."""

    pieces_s: list[float] = field(default_factory=list)
    last: dict[str, Any] = field(default_factory=dict)

    @property
    def first_token_s(self) -> float:
        return self.pieces_s[0]

    @property
    def new_tokens(self) -> int:
        """The part of the prompt that the server had not read before."""
        usage = self.last["usage"]
        return int(usage["prompt_tokens"] - (usage.get("prompt_tokens_details") or {}).get("cached_tokens", 0))


async def complete(url: str, key: str, body: bytes) -> Completion:
    """Ask the llama.cpp server at ``url`` directly, streaming. Raises ConnectionError, TimeoutError."""
    where = urlsplit(url)
    asked_at = time.perf_counter()
    async with asyncio.timeout(ANSWER_S):
        reader, writer = await asyncio.open_connection(where.hostname, where.port, limit=1 << 20)
        try:
            writer.write(
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode()
                + body
            )
            head = await reader.readuntil(b"\r\n\r\n")
            if b" 200 " not in head[:16]:
                raise ConnectionError(head.split(b"\r\n")[0].decode())
            found = Completion()
            while (line := await reader.readline()) and not line.startswith(b"data: [DONE]"):
                # The lines between are lengths of chunks and blanks: the server sends each event as one chunk.
                if not line.startswith(b"data: "):
                    continue
                chunk = msgspec.json.decode(line[6:])
                if any((choice.get("delta") or {}).get("content") for choice in chunk.get("choices", ())):
                    found.pieces_s.append(time.perf_counter() - asked_at)
                if chunk.get("usage"):
                    found.last = chunk
            return found
        finally:
            writer.close()


def is_end(message: bytes) -> bool:
    """Whether an encoded event is an answer's last, without parsing it: streams of thousands are counted by this."""
    return b'"type":"done"' in message or b'"type":"error"' in message
