"""How an asker stops an answer: at once, with what was said so far still accounted for."""

import asyncio
from types import TracebackType


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

    def waiting(self, until: float | None) -> "_Wait":
        """Wait inside until ``until`` (the event loop's clock) or ``ask`` at most. Raises TimeoutError for both."""
        return _Wait(self, until)


class _Wait:
    """A timeout that its signal can cut short while it lasts, and not after. Entered for each token, so it is plain."""

    __slots__ = ("_signal", "_timeout")

    def __init__(self, signal: StopSignal, until: float | None) -> None:
        self._signal = signal
        self._timeout = asyncio.timeout_at(0 if signal.asked else until)

    async def __aenter__(self) -> None:
        await self._timeout.__aenter__()
        self._signal._wait = self._timeout

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._signal._wait = None
        await self._timeout.__aexit__(kind, error, trace)
