"""Load on an OpenAI-compatible server from callers that cost next to nothing: kept connections, no client library.

Like OpenAI's own clients they wait as long as a 429 says before they ask again.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec

ANSWER_S = 60.0


@dataclass(slots=True)
class Target:
    """A server under load: where it is, the key it takes, what it calls the model."""

    name: str
    url: str
    key: str
    model: str

    def request(self, *, stream: bool, tokens: int, late: bool = False) -> bytes:
        """Return one request as bytes; the answer to a ``late`` one begins after 10 ms."""
        where = urlsplit(self.url)
        body = msgspec.json.encode(
            {
                "model": self.model,
                "messages": [{"role": "user", "content": "[10 ms] Which licence?" if late else "Which licence?"}],
                "max_tokens": tokens,
                "stream": stream,
            }
        )
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Round:
    """What one round of load found. Times are seconds; ``first`` is the first piece of text of a stream."""

    seconds: float = 0.0
    answers: int = 0
    failures: int = 0
    refused: int = 0
    took: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


class _Caller(asyncio.Protocol):
    """One kept connection: sends the request again as soon as its answer has ended."""

    def __init__(self, request: bytes, stream: bool, ends: float, into: Round) -> None:
        self._request = request
        self._stream = stream
        self._ends = ends
        self._into = into
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._send()

    def _send(self) -> None:
        self._buffer = bytearray()
        self._first = 0.0
        self._asked = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._stream and not self._first and b'"content":" word' in self._buffer:
            self._first = time.perf_counter() - self._asked
        if not self._ended():
            return
        wait_s = self._note()
        if time.perf_counter() + wait_s > self._ends:
            self._transport.close()
        elif wait_s:
            asyncio.get_running_loop().call_later(wait_s, self._send)
        else:
            self._send()

    def _ended(self) -> bool:
        if self._buffer[9:12] != b"200":
            return b"\r\n\r\n" in self._buffer
        if self._stream:
            return self._buffer.endswith(b"0\r\n\r\n")
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return False
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return len(body) >= int(line[15:])
        return body.endswith(b"0\r\n\r\n")

    def _note(self) -> float:
        """Count the answer; return the seconds to wait before the next, as a refusal for a limit asks."""
        if self._buffer[9:12] == b"429":
            self._into.refused += 1
            found = re.search(rb"retry-after-ms: (\d+)", self._buffer)
            return int(found[1]) / 1000 if found else 1.0
        good = self._buffer[9:12] == b"200" and (not self._stream or b"data: [DONE]" in self._buffer)
        self._into.answers += good
        self._into.failures += not good
        if good:
            self._into.took.append(time.perf_counter() - self._asked)
            if self._first:
                self._into.first.append(self._first)
        return 0.0

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def load(target: Target, *, callers: int, seconds: float, stream: bool, tokens: int, late: bool = False) -> Round:
    """Ask from ``callers`` connections for some seconds; the last answers are waited for."""
    found = Round()
    where = urlsplit(target.url)
    request = target.request(stream=stream, tokens=tokens, late=late)
    began = time.perf_counter()
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: _Caller(request, stream, began + seconds, found), "127.0.0.1", where.port)
        for _ in range(callers)
    ]
    async with asyncio.timeout(seconds + ANSWER_S):
        await asyncio.gather(*(caller.over for _transport, caller in made))
    found.seconds = time.perf_counter() - began
    return found
