"""Scripts in Redis for many callers: one round trip at a time, everything that came meanwhile in the next.

At one caller that is one round trip as before; at many, one client call carries all of them, which costs this process
a fraction of as many calls (measured: a third of what a request costs in all).
"""

from typing import Any

from redis.exceptions import NoScriptError

from compliance.batches import Batches
from compliance.memory import redis

Wish = tuple[str, list[str], list[str]]


class Scripts:
    """The scripts of one process. Raises what redis-py raises, to each caller of a round trip that failed."""

    def __init__(self) -> None:
        self._hashes: dict[str, str] = {}
        self._batches: Batches[Wish, Any] = Batches(self._together)

    async def run(self, script: str, keys: list[str], arguments: list[str]) -> Any:
        """Return what ``script`` returns."""
        return await self._batches.add((script, keys, arguments))

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
