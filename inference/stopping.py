"""How an asker stops an answer: at once, with what was said so far still accounted for."""

import asyncio


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

    def waiting(self, until: float | None) -> asyncio.Timeout:
        """Return a timeout of the event loop's clock that ``ask`` cuts short; enter it right away."""
        self._wait = asyncio.timeout_at(0 if self.asked else until)
        return self._wait
