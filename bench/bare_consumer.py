"""What a Channels consumer can do at best: ``python -m bench.bare_consumer PORT PIECES``.

The same server and the same events as ours on the wire, and nothing behind them: a message in, PIECES deltas and one
``done`` out. What our socket does on top is what the comparison shows.
"""

import sys

import msgspec
import uvicorn
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

PIECES = int(sys.argv[2])
ID = "00000000-0000-4000-8000-000000000000"


class BareConsumer(AsyncWebsocketConsumer):
    """Sends as soon as it is spoken to."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        for seq in range(PIECES):
            event = {"type": "delta", "id": ID, "answer": ID, "seq": seq, "text": " word"}
            await self.send(text_data=msgspec.json.encode(event).decode())
        await self.send(text_data=msgspec.json.encode({"type": "done", "rung": "small"}).decode())


def main() -> None:
    """Serve on loopback until the process is ended."""
    settings.configure(CHANNEL_LAYERS={})
    application = ProtocolTypeRouter({"websocket": URLRouter([path("ws/chat/", BareConsumer.as_asgi())])})
    uvicorn.run(
        application,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )


if __name__ == "__main__":
    main()
