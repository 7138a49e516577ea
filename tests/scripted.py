"""A model server that does what a test tells it to: an OpenAI-style event stream, and every way it can go wrong.

It listens on loopback in a thread of its own, records each request, and notes when the other side closed it.
A *behaviour* is an asynchronous function that gets the wire of one request; set ``server.behaviour`` at any time.
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

MODEL = "wagmi-small"
WORDS = ("the ", "Apache ", "licence, ", "version ", "two")


@dataclass
class Seen:
    """One request for a completion. ``closed_at`` is set when the client hung up before the behaviour had ended."""

    body: dict[str, Any]
    key: str
    began_at: float
    closed_at: float | None = None
    ended_at: float | None = None

    @property
    def prompt(self) -> str:
        """Everything a model would read, roles left out."""
        return "\n".join(message["content"] for message in self.body["messages"])


class Wire:
    """What a behaviour writes to: chunked HTTP, as llama.cpp's server sends it."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def head(self, status: str = "200 OK", content_type: str = "text/event-stream") -> None:
        await self.raw(
            f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\n"
            "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n".encode()
        )

    async def raw(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%s\r\n" % (len(data), data))

    async def event(self, value: object) -> None:
        await self.chunk(b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n")

    async def say(self, text: str | None, finish_reason: str | None = None) -> None:
        delta = {"role": "assistant", "content": None} if text is None else {"content": text}
        await self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]})

    async def finish(self, tokens: int, reason: str = "stop") -> None:
        await self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
        usage = {"prompt_tokens": 40, "completion_tokens": tokens, "prompt_tokens_details": {"cached_tokens": 0}}
        await self.event({"choices": [], "usage": usage, "timings": {"prompt_ms": 5.0, "predicted_ms": 5.0}})
        await self.chunk(b"data: [DONE]\n\n")
        await self.end()

    async def end(self) -> None:
        await self.raw(b"0\r\n\r\n")


Behaviour = Callable[[Wire], Awaitable[None]]


async def answer(wire: Wire) -> None:
    """Say five words and end as one should."""
    await slowly(0)(wire)


def slowly(pause_s: float, words: tuple[str, ...] = WORDS) -> Behaviour:
    """Say the words with a pause before each, and end as one should."""

    async def behave(wire: Wire) -> None:
        await wire.head()
        await wire.say(None)
        for word in words:
            await asyncio.sleep(pause_s)
            await wire.say(word)
        await wire.finish(len(words))

    return behave


async def never(wire: Wire) -> None:
    """Accept the request and say nothing at all."""
    await asyncio.Event().wait()


async def silent_after_headers(wire: Wire) -> None:
    """Open the stream and say nothing."""
    await wire.head()
    await asyncio.Event().wait()


async def quiet_after_two(wire: Wire) -> None:
    """Say two words, then nothing more."""
    await wire.head()
    await wire.say("one ")
    await wire.say("two ")
    await asyncio.Event().wait()


def closing_after(chunks: int) -> Behaviour:
    """Break off after some words, without an end of the chunked body."""

    async def behave(wire: Wire) -> None:
        await wire.head()
        for number in range(chunks):
            await wire.say(f"word{number} ")

    return behave


def dribbling(pause_s: float) -> Behaviour:
    """Send a stream's bytes one at a time."""

    async def behave(wire: Wire) -> None:
        await wire.head()
        while True:
            for byte in b'data: {"choices": []}\n\n':
                await wire.chunk(bytes([byte]))
                await asyncio.sleep(pause_s)

    return behave


async def endless(wire: Wire) -> None:
    """Say words for ever, whatever cap was asked for."""
    await wire.head()
    while True:
        await wire.say("on ")
        await asyncio.sleep(0.002)


async def without_finish(wire: Wire) -> None:
    """End in good order, but never say why."""
    await wire.head()
    await wire.say("some ")
    await wire.chunk(b"data: [DONE]\n\n")
    await wire.end()


SECRET_BODY = "raw-upstream-body-7f3a"


def sending(*pieces: bytes, words_first: int = 0, content_type: str = "text/event-stream") -> Behaviour:
    """Say some words, then send exactly these bytes, each in a chunk of its own, and end the body in good order."""

    async def behave(wire: Wire) -> None:
        await wire.head(content_type=content_type)
        for number in range(words_first):
            await wire.say(f"word{number} ")
        for piece in pieces:
            await wire.chunk(piece)
            await asyncio.sleep(0.01)
        await wire.end()

    return behave


async def splitting_characters(wire: Wire) -> None:
    """A good answer whose multibyte characters fall on the borders of chunks."""
    await wire.head()
    data = 'data: {"choices": [{"delta": {"content": "naïve café €5 😀"}, "finish_reason": null}]}\n\n'.encode()
    for position in range(len(data)):
        await wire.chunk(data[position : position + 1])
    await wire.finish(1)


async def loading(wire: Wire) -> None:
    """Refuse as llama.cpp does while it loads its weights."""
    await wire.head("503 Service Unavailable", "application/json")
    error = {"code": 503, "message": f"Loading model {SECRET_BODY}", "type": "unavailable_error"}
    await wire.chunk(json.dumps({"error": error}).encode())
    await wire.end()


def tokenised(asked: dict[str, Any]) -> dict[str, Any]:
    """Answer /apply-template and /tokenize: a word is a token, and the template adds four to each message."""
    if "messages" in asked:
        return {
            "prompt": " ".join(f"<|{message['role']}|> {message['content']} < a b" for message in asked["messages"])
        }
    return {"tokens": list(range(len(asked["content"].split())))}


async def _json(wire: Wire, value: object, status: str = "200 OK") -> None:
    await wire.head(status, "application/json")
    await wire.chunk(json.dumps(value).encode())
    await wire.end()


class ScriptedServer:
    """The server; use it as a context."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = answer
        self.tokenises = True
        self.hung = False  # to be asked for a count as well
        self.lists = [MODEL]
        self.requests: list[Seen] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="scripted model server", daemon=True)
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def __exit__(self, *_error: object) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def reset(self) -> None:
        """Answer well again, and forget what was asked."""
        self.behaviour = answer
        self.tokenises = True
        self.hung = False
        self.lists = [MODEL]
        self.requests = []

    @property
    def last(self) -> Seen:
        return self.requests[-1]

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=256)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        except asyncio.CancelledError:
            return
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        path = head[0].split()[1]
        if head[0].startswith("GET"):
            await _json(Wire(writer), {"data": [{"id": name} for name in self.lists]})
            return
        if path in ("/apply-template", "/tokenize"):
            if self.hung:
                await asyncio.Event().wait()
            await _json(
                Wire(writer), tokenised(json.loads(body)), "200 OK" if self.tokenises else "501 Not Implemented"
            )
            return
        seen = Seen(json.loads(body), headers.get("authorization", ""), time.monotonic())
        self.requests.append(seen)
        behaving = asyncio.ensure_future(self.behaviour(Wire(writer)))
        leaving = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({behaving, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not behaving.done() or isinstance(behaving.exception(), ConnectionError):
                seen.closed_at = time.monotonic()
        finally:
            seen.ended_at = time.monotonic()
            behaving.cancel()
            leaving.cancel()
            await asyncio.gather(behaving, leaving, return_exceptions=True)
