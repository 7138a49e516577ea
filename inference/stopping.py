"""How an asker stops an answer: at once, with what was said so far still accounted for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class StopSignal:
    """Wakes whatever the answer is waiting for. Asking twice is harmless."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._wait: asyncio.Timeout | None = None

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    def ask(self) -> None:
        """Stop now: the wait in progress ends as if its time were up."""
        self._asked.set()
        if self._wait is not None and not self._wait.expired():
            self._wait.reschedule(asyncio.get_running_loop().time())

    @asynccontextmanager
    async def waiting(self, until: float | None) -> AsyncIterator[None]:
        """Wait inside until ``until`` (the event loop's clock) or ``ask`` at most. Raises TimeoutError for both."""
        async with asyncio.timeout_at(0 if self.asked else until) as self._wait:
            try:
                yield
            finally:
                self._wait = None  # a wait that is over must not be cut short any more
