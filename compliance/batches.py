"""One round trip at a time for many callers: whatever came meanwhile goes together in the next.

At one caller that is a round trip as before, with no timer to wait for; at many, all who wait share one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Wish = TypeVar("Wish")
Found = TypeVar("Found")
MOST_AT_ONCE = 128


class Batches(Generic[Wish, Found]):
    """Hands wishes to ``handle`` in lists, and each caller what it found: in the same order, an error in its place.

    What ``handle`` raises is raised to every caller of that list, so nobody is left waiting.
    """

    def __init__(self, handle: Callable[[list[Wish]], Awaitable[Sequence[Found | Exception]]]) -> None:
        self._handle = handle
        self._waiting: list[tuple[Wish, asyncio.Future[Found]]] = []
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def add(self, wish: Wish) -> Found:
        """Return what was found for ``wish``."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiting, self._task = loop, [], None
        future: asyncio.Future[Found] = loop.create_future()
        self._waiting.append((wish, future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            found: Sequence[Found | Exception]
            try:
                found = await self._handle([wish for wish, _ in batch])
            except Exception as error:
                found = [error] * len(batch)
            for (_wish, future), one in zip(batch, found, strict=True):
                if future.done():
                    continue
                if isinstance(one, Exception):
                    future.set_exception(one)
                else:
                    future.set_result(one)
