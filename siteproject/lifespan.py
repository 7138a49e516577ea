"""What the web process does when it starts and when it ends."""

import asyncio
import logging
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings

from billing import ledger
from chat import grounding, presence, running, warming
from content import soundness
from content.library import library
from inference import gpu_limits, registry, tally
from inference.api import calls, embeddings, limits
from inference.engine import engine

logger = logging.getLogger(__name__)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Speak ASGI's lifespan protocol."""
    background: list[asyncio.Task[None]] = []
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            await start(background)
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            await stop(background)
            await send({"type": "lifespan.shutdown.complete"})
            return


async def start(background: list[asyncio.Task[None]]) -> None:
    """Write backends and GPU limits of the environment to the database, begin to read the content, begin the loops."""
    try:
        await sync_to_async(registry.sync)()
        await sync_to_async(gpu_limits.sync)()
    except Exception:
        # PostgreSQL away at start: serve pages and answers from the environment's own description.
        logger.exception("registry and limits not written at start")
    await limits.begin()
    background += [
        asyncio.create_task(asyncio.to_thread(read_content), name="content"),
        asyncio.create_task(tally.keep_writing(), name="tally"),
        asyncio.create_task(warming.keep_warm(), name="warming"),
        asyncio.create_task(presence.keep_watch(), name="presence"),
    ]


def read_content() -> None:
    """Read every text and build the indexes; pages are served meanwhile, and a first question waits for its index."""
    found = library()
    if found.unread():
        found.read_bodies()
        for error in soundness.errors(found):
            logger.error("content: %s", error)
    for language, _name in settings.LANGUAGES:
        grounding.index_for(language)
    logger.info("content read: %d documents", len(found.documents))


async def stop(background: list[asyncio.Task[None]]) -> None:
    """End the loops, write the last counts, close the connections to the backends."""
    await running.drain()
    await calls.drain()
    for task in background:
        task.cancel()
    await asyncio.gather(*background, return_exceptions=True)
    await tally.write()
    await engine.close()
    await embeddings.close()
    await ledger.close()
