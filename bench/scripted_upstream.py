"""A llama.cpp look-alike that writes as fast as it is read: ``python -m bench.scripted_upstream PORT PIECES``.

Every completion is PIECES pieces of one word, each in a write of its own as a model would send them, and costs this
process next to nothing, so that what is measured is whoever reads it.
"""

import asyncio
import itertools
import sys
from typing import cast

import msgspec
import uvloop

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HEALTH = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 15\r\n\r\n{"status":"ok"}'
WRITES_A_TURN = 32

# Over and over: words of an answer like ours, with ends of sentences, so that no check downstream meets a text that
# no model writes.
SCRIPT = (
    "The site keeps nothing of a question unless its visitor agrees. A passage is read once and stays ready in memory, "
    "so the next answer on the same subject starts sooner. Each answer ends with a receipt, which names the model, the "
    "passage and the time it took. A visitor may stop an answer at any moment, and the model server stops as well."
)


class Upstream(asyncio.Protocol):
    """One connection: every POST is answered with the script, everything else with *ok*."""

    pieces = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own class is no subclass of it
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._received = b""
        self._task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, body = self._received.partition(b"\r\n\r\n")
        if not separator or len(body) < _length(head):
            return
        self._received = b""
        if head.startswith(b"POST"):
            self._task = asyncio.create_task(self._tell())
        else:
            self._transport.write(HEALTH)

    async def _tell(self) -> None:
        self._transport.write(HEAD)
        pieces = itertools.cycle(_piece(f" {word}") for word in SCRIPT.split())
        for number in range(self.pieces):
            await self._may_write.wait()
            if number % WRITES_A_TURN == 0:
                await asyncio.sleep(0)  # other connections get their turn
            self._transport.write(next(pieces))
        usage = {"prompt_tokens": 200, "completion_tokens": self.pieces}
        self._transport.write(
            _chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
            + _chunk({"choices": [], "usage": usage})
            + _framed(b"data: [DONE]\n\n")
            + b"0\r\n\r\n"
        )

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._task is not None:
            self._task.cancel()


def _piece(text: str) -> bytes:
    return _chunk({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]})


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _colon, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


def _chunk(event: dict[str, object]) -> bytes:
    shared = {"id": "chatcmpl-scripted", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    return _framed(b"data: " + msgspec.json.encode({**event, **shared}) + b"\n\n")


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def serve(port: int, pieces: int) -> None:
    """Serve on loopback until the process is ended."""
    Upstream.pieces = pieces
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
