"""A model server for the gateways: ``python -m bench.gateway_upstream PORT``.

A stream has as many pieces as ``max_tokens`` asks for, without delay between them; an answer in one body has its
words at once. A question with ``[10 ms]`` in it gets its first piece that late. It keeps connections open and costs
this machine next to nothing.
"""

import asyncio
import sys
from typing import Any, cast

import msgspec
import uvloop

SHARED = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
HEALTH = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


LATE, LATE_S = b"[10 ms]", 0.01


def framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(fields: dict[str, Any]) -> bytes:
    return framed(b"data: " + msgspec.json.encode({**SHARED, **fields}) + b"\n\n")


PIECE = event({"choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}]})


class Upstream(asyncio.Protocol):
    """One connection."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._received = b""
        self._task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self._received = b""
        if not head.startswith(b"POST"):
            self._transport.write(HEALTH)
            return
        asked = msgspec.json.decode(body)
        if asked.get("stream"):
            late = LATE in body
            self._task = asyncio.get_running_loop().create_task(self._tell(asked["max_tokens"], late=late))
        else:
            self._transport.write(_whole(asked["max_tokens"]))

    async def _tell(self, tokens: int, *, late: bool) -> None:
        self._transport.write(HEAD)
        if late:
            await asyncio.sleep(LATE_S)
        for number in range(tokens):
            self._transport.write(PIECE)
            if number % 8 == 7:
                await asyncio.sleep(0)
        usage = {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}
        self._transport.write(
            event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
            + event({"choices": [], "usage": usage})
            + framed(b"data: [DONE]\n\n")
            + b"0\r\n\r\n"
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()


def _whole(tokens: int) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": " word" * tokens}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": tokens, "total_tokens": 20 + tokens}
    body = msgspec.json.encode({**SHARED, "object": "chat.completion", "choices": [choice], "usage": usage})
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _colon, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(port: int) -> None:
    """Serve on loopback until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port, backlog=512)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
