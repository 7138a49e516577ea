"""Scripts in Redis for many callers: one round trip at a time, everything that came meanwhile in the next.

At one caller that is one round trip as before; at many, one client call carries all of them, which costs this process
a fraction of as many calls (measured: a third of what a request costs in all).
"""

import asyncio
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from compliance.memory import redis

MOST_AT_ONCE = 128
Wish = tuple[str, list[str], list[str]]


class Scripts:
    """The scripts of one process. Raises what redis-py raises, to each caller of a round trip that failed."""

    def __init__(self) -> None:
        self._hashes: dict[str, str] = {}
        self._waiting: list[tuple[Wish, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self, script: str, keys: list[str], arguments: list[str]) -> Any:
        """Return what ``script`` returns."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._waiting, self._task = loop, [], None
        future: asyncio.Future[Any] = loop.create_future()
        self._waiting.append(((script, keys, arguments), future))
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
        return await future

    async def _run(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                found = await self._together([wish for wish, _ in batch])
            except (TimeoutError, RedisError, OSError) as error:
                found = [error] * len(batch)
            for (_wish, future), one in zip(batch, found, strict=True):
                if future.done():
                    continue
                if isinstance(one, Exception):
                    future.set_exception(one)
                else:
                    future.set_result(one)

    async def _together(self, wishes: list[Wish]) -> list[Any]:
        """Run scripts by their hashes in one round trip; send those whole that Redis does not know (any more)."""
        client = redis()
        for script in {wish[0] for wish in wishes} - self._hashes.keys():
            self._hashes[script] = await client.script_load(script)
        async with client.pipeline(transaction=False) as pipe:
            for script, keys, arguments in wishes:
                pipe.evalsha(self._hashes[script], len(keys), *keys, *arguments)
            found = await pipe.execute(raise_on_error=False)
        for number, one in enumerate(found):
            if isinstance(one, NoScriptError):
                script, keys, arguments = wishes[number]
                found[number] = await client.eval(script, len(keys), *keys, *arguments)
        return list(found)


scripts = Scripts()
