"""Answers on their way: one task each, which readers may leave and come back to.

The pipeline writes events to a ``Reply``; sockets and streams follow it from any point. A reply whose
last reader left goes on for a while (``CHAT_RESUME_GRACE_S``) and is kept for ``CHAT_RESUME_KEPT_S`` after its end, in
this process's memory and, for other processes and for after a restart, in Redis (``chat.mirror``).
Nothing of it is ever on disk.
"""

import asyncio
import hashlib
import hmac
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

from django.conf import settings
from django.utils import translation

from chat import mirror
from chat.asks import Ask
from chat.errors import ChatError, Draining, IdReused, Interrupted, UnknownId
from chat.events import Event, error_event
from inference import tally
from inference.models import Tier
from inference.stopping import StopSignal

logger = logging.getLogger(__name__)
Pipeline = Callable[[StopSignal], AsyncGenerator[Event, None]]


class Reply:
    """One answer in the making, with the version beside it if there is one.

    ``events`` only grows; ``finished`` comes after its last event.
    """

    def __init__(self, ask: Ask, *, request_id: str) -> None:
        self.id = ask.id
        self.language = ask.language
        self.request_id = request_id
        self.secret_digest = _digest(ask.secret)
        self.body_digest = ask.digest()
        self.events: list[Event] = []
        self.finished = False
        self.readers = 0
        self.stop = StopSignal()
        self._news: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._leaving: asyncio.TimerHandle | None = None

    def begin(self, pipeline: Pipeline) -> None:
        self._task = asyncio.create_task(self._run(pipeline), name=f"reply {self.id}")

    async def _run(self, pipeline: Pipeline) -> None:
        mirrored = asyncio.create_task(mirror.follow(self))
        try:
            async with aclosing(pipeline(self.stop)) as events:
                async for event in events:
                    self.add(event)
        except asyncio.CancelledError:
            # Whoever comes back to an abandoned answer learns that it is not complete.
            self.break_off()
            raise
        finally:
            self.finished = True
            self._tell()
            asyncio.get_running_loop().call_later(settings.CHAT_RESUME_KEPT_S, _replies.pop, self.id, None)
            await asyncio.wait([mirrored], timeout=1)
            mirrored.cancel()

    def add(self, event: Event) -> None:
        self.events.append(event)
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    async def news(self) -> None:
        """Wait until there is more, or the end."""
        if self._news is None or self._news.done():
            self._news = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._news)

    async def follow(self, after_seq: int = -1) -> AsyncGenerator[Event, None]:
        """Yield the events from the beginning to the end, without the first version's deltas up to ``after_seq``."""
        position = 0
        while True:
            while position < len(self.events):
                event = self.events[position]
                position += 1
                if event["type"] != "delta" or event["seq"] > after_seq or "upgrades" in event:
                    yield event
            if self.finished:
                return
            await self.news()

    @property
    def queued(self) -> bool:
        """Whether no model works on it yet."""
        stages = [event["stage"] for event in self.events if event["type"] == "status"]
        return not self.finished and (not stages or stages[-1] in ("grounding", "queued"))

    def read_by_one_more(self) -> None:
        self.readers += 1
        if self._leaving is not None:
            self._leaving.cancel()
            self._leaving = None

    def read_by_one_less(self, *, grace_s: float) -> None:
        """Without readers, end after ``grace_s``; at once when no model has begun."""
        self.readers -= 1
        if self.readers <= 0 and not self.finished:
            wait_s = 0.0 if self.queued else grace_s
            self._leaving = asyncio.get_running_loop().call_later(wait_s, self.abandon)

    def abandon(self) -> None:
        """End without a reader: close the backend's stream and free its slot."""
        if self._task is not None and not self.finished:
            self._task.cancel()

    def break_off(self, error: ChatError | None = None) -> None:
        """Make the last event an error, unless the version it belongs to has ended already."""
        last = self.events[-1] if self.events else {}
        if last.get("type") not in ("done", "error"):
            version = {name: last[name] for name in ("answer", "upgrades") if name in last}
            with translation.override(self.language):
                self.add(error_event(self.id, error or Interrupted(), request_id=self.request_id) | version)

    async def end_with(self, error: ChatError) -> None:
        """End with an error event that its readers still get."""
        if not self.finished:
            self.break_off(error)
            tiers = [event["tier"] for event in self.events if event["type"] == "status" and event["tier"]]
            tally.record_failure(rung=tiers[-1] if tiers else Tier.SMALL, language=self.language)
            self.abandon()
            await self.settled()

    async def settled(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])


_replies: dict[str, Reply] = {}
_state: dict[str, Any] = {"draining": False}
Followed = Reply | mirror.Remote


async def start(ask: Ask, pipeline: Pipeline, *, request_id: str) -> Reply | None:
    """Start an answer, or return None when its id is taken already, here or in another process.

    Of two that arrive together with one id exactly one starts: the id is claimed here without a pause
    in between, and in Redis with one command. Raises Draining when this process is about to end.
    """
    if _state["draining"]:
        raise Draining
    if ask.id in _replies:
        return None
    reply = Reply(ask, request_id=request_id)
    _replies[ask.id] = reply
    claimed = False
    try:
        claimed = await mirror.claim(reply)
    finally:
        if not claimed:
            # Another process was first, or the asker has hung up. Who attached here meanwhile is told to ask again.
            del _replies[ask.id]
            reply.finished = True
            reply.break_off()
    if not claimed:
        return None
    reply.begin(pipeline)
    return reply


async def known(ask_id: str) -> Followed | None:
    """Return the answer under this id, from here or from another process."""
    return _replies.get(ask_id) or await mirror.find(ask_id)


async def attach(ask_id: str, secret: str | None, *, body_digest: str | None = None) -> Followed:
    """Return the answer for its owner. Raises UnknownId without the right secret, IdReused for another question."""
    found = await known(ask_id)
    if found is None or secret is None or not hmac.compare_digest(found.secret_digest, _digest(secret)):
        raise UnknownId
    if body_digest is not None and found.body_digest != body_digest:
        raise IdReused
    return found


async def stop(ask_id: str, secret: str | None) -> None:
    """Stop an answer wherever it runs. Raises UnknownId without the right secret."""
    found = await attach(ask_id, secret)
    if isinstance(found, Reply):
        found.stop.ask()
    else:
        await mirror.ask_to_stop(ask_id)


@asynccontextmanager
async def reading(followed: Followed, *, grace_s: float) -> AsyncIterator[None]:
    """Count a reader for as long as the context lasts."""
    if not isinstance(followed, Reply):
        yield
        return
    followed.read_by_one_more()
    try:
        yield
    finally:
        followed.read_by_one_less(grace_s=grace_s)


async def drain() -> None:
    """Refuse new questions, give running answers ``CHAT_DRAIN_S``, end the rest with an honest error."""
    if _state["draining"]:
        return
    _state["draining"] = True
    tasks = [reply for reply in _replies.values() if not reply.finished]
    if not tasks:
        return
    await asyncio.wait([asyncio.create_task(reply.settled()) for reply in tasks], timeout=settings.CHAT_DRAIN_S)
    left = [reply for reply in tasks if not reply.finished]
    await asyncio.gather(*(reply.end_with(Draining()) for reply in left))
    logger.info("drained: %d answers finished, %d ended early", len(tasks) - len(left), len(left))
    await asyncio.sleep(0.2)  # readers get the last event before their connections close


def _digest(secret: str | None) -> str:
    return hashlib.sha256((secret or "").encode()).hexdigest()
