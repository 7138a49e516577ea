"""The resume buffer in Redis: an answer's events for readers in other processes, in memory only.

Keys of one answer, each gone ``CHAT_RESUME_KEPT_S`` after its last write, also when the writing process dies:
``chat:<id>:head`` (digests of secret and body), ``chat:<id>:events`` (a stream, one entry for 100 ms),
``chat:<id>:alive`` (the writer's heartbeat), ``chat:<id>:stop`` (somebody else asked it to stop).
With Redis away an answer is only known to its own process; nothing else changes.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from django.conf import settings
from django.utils import translation
from redis.exceptions import RedisError

from chat.errors import Interrupted
from chat.events import error_event
from compliance.memory import redis

if TYPE_CHECKING:
    from chat.running import Reply

logger = logging.getLogger(__name__)
BATCH_S = 0.1
ALIVE_S = 5
POLL_MS = 500


def _keys(ask_id: str) -> tuple[str, str, str, str]:
    return f"chat:{ask_id}:head", f"chat:{ask_id}:events", f"chat:{ask_id}:alive", f"chat:{ask_id}:stop"


def _kept_s() -> int:
    return max(1, round(settings.CHAT_RESUME_KEPT_S))


async def claim(reply: "Reply") -> bool:
    """Claim the id of ``reply`` for this process. False when another has it; True also when Redis is away."""
    head, _events, alive, _stop = _keys(reply.id)
    mark = msgspec.json.encode([reply.secret_digest, reply.body_digest, reply.language])
    try:
        async with redis().pipeline(transaction=False) as pipe:
            pipe.set(head, mark, nx=True, ex=_kept_s())
            pipe.set(alive, 1, ex=ALIVE_S)
            if not (await pipe.execute())[0]:
                return False
    except (RedisError, OSError):
        logger.warning("redis away, the answer cannot be resumed elsewhere")
    return True


async def follow(reply: "Reply") -> None:
    """Copy the events of ``reply`` in batches until it has ended; stop it when another process was asked to."""
    position = 0
    while True:
        ended = reply.finished
        batch = reply.events[position:]
        position += len(batch)
        try:
            if await _write(reply, batch, ended=ended):
                reply.stop.ask()
        except (RedisError, OSError):
            position -= len(batch)  # written with the next batch, or lost with Redis itself
        if ended:
            return
        await asyncio.sleep(BATCH_S)


async def _write(reply: "Reply", batch: list[dict[str, Any]], *, ended: bool) -> bool:
    """Append a batch and return whether somebody asked to stop."""
    head, events, alive, stop = _keys(reply.id)
    async with redis().pipeline(transaction=False) as pipe:
        if batch or ended:
            pipe.xadd(events, {"events": msgspec.json.encode(batch), "ended": int(ended)})
            pipe.expire(events, _kept_s())
            pipe.expire(head, _kept_s())
        pipe.set(alive, 1, ex=ALIVE_S)
        pipe.exists(stop)
        return bool((await pipe.execute())[-1])


@dataclass(frozen=True, slots=True)
class Remote:
    """An answer that runs, or ran, in another process."""

    id: str
    secret_digest: str
    body_digest: str
    language: str

    async def follow(self, after_seq: int = -1) -> AsyncGenerator[dict[str, Any], None]:
        """Yield its events as they are mirrored; an *interrupted* error when its process is gone without an end."""
        _head, events, alive, _stop = _keys(self.id)
        last = "0"
        try:
            while True:
                fresh: Any = await redis().xread({events: last}, block=POLL_MS)
                for entry_id, fields in fresh[0][1] if fresh else ():
                    last = entry_id
                    for event in msgspec.json.decode(fields[b"events"]):
                        if event["type"] != "delta" or event["seq"] > after_seq or "upgrades" in event:
                            yield event
                    if fields[b"ended"] == b"1":
                        return
                if not fresh and not await redis().exists(alive):
                    break
        except (RedisError, OSError):
            logger.warning("redis away while an answer was resumed")
        with translation.override(self.language):
            yield error_event(self.id, Interrupted(), request_id="")


async def find(ask_id: str) -> Remote | None:
    """Return the answer another process mirrors under this id."""
    try:
        mark = await redis().get(_keys(ask_id)[0])
    except (RedisError, OSError):
        return None
    return Remote(ask_id, *msgspec.json.decode(mark)) if mark else None


async def ask_to_stop(ask_id: str) -> None:
    """Leave word for the process that runs this answer; it looks every 100 ms."""
    try:
        await redis().set(_keys(ask_id)[3], 1, ex=_kept_s())
    except (RedisError, OSError):
        logger.warning("redis away, an answer elsewhere could not be stopped")
