"""A bounded queue in front of each backend: who is served next, what place one has, how long it may take.

llama.cpp lets a third caller on two slots wait without a byte (measured: 80 s), so waiting happens
here, where it can be shown. Places count per web process; run one, or divide ``LLM_CPU_QUEUE``.
"""

import asyncio
import heapq
import itertools
import math
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import IntEnum

from inference.errors import QueueFull
from inference.stopping import StopSignal

FIRST_GUESS_S = 3.0
SMOOTHING = 0.2
LOOK_S = 0.5
# Every fourth place goes to whoever has waited longest, whatever their priority: with n before them in order of
# arrival, nobody waits for more than 4n answers, however many paying people keep arriving. Only a full queue turns
# the last of those who wait away, and says so at once.
FAIR_EVERY = 4


class Priority(IntEnum):
    """Lower is served first."""

    PAYING = 0
    SIGNED_IN = 1
    ANONYMOUS = 2
    BACKGROUND = 3


@dataclass(order=True, slots=True)
class _Waiter:
    """Sorted by priority, then by how many places its owner had when it came, then by arrival.

    So among customers of one class the one who asks for a single answer is before the hundredth of another's.
    """

    priority: int
    ahead: int
    number: int
    turn: "asyncio.Future[bool]" = field(compare=False)  # whether it is at work, or its place is another's
    owner: Hashable = field(compare=False, default=None)


class Admission:
    """The queue of one backend with ``slots`` places at work and ``length`` waiting."""

    def __init__(self, slots: int, length: int) -> None:
        self.slots = slots
        self.length = length
        self.running = 0
        self._warming = 0  # of those running, what nobody waits for
        self._waiting: list[_Waiter] = []
        self._numbers = itertools.count()
        self._held: Counter[Hashable] = Counter()
        self._taken = 0
        self._mean_s = FIRST_GUESS_S

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def answering(self) -> int:
        """How many of those at work somebody waits for."""
        return self.running - self._warming

    @property
    def idle(self) -> bool:
        return not self.running and not self._waiting

    def expected_wait_s(self, place: int) -> int:
        """Return the seconds until ``place`` (1 is next) is served, from the smoothed length of recent answers."""
        return math.ceil(self._mean_s * math.ceil(place / self.slots))

    def ticket(self, priority: Priority, owner: Hashable = None) -> "Ticket":
        """Return a place at work or in the queue. Raises QueueFull at once when there is none.

        In a full queue, who would be served before the last one takes its place.
        """
        loop = asyncio.get_running_loop()
        waiter = _Waiter(priority, self._held[owner], next(self._numbers), loop.create_future(), owner)
        if self.running < self.slots and not self._waiting:
            self._begin(waiter)
        else:
            self._make_room(waiter)
            heapq.heappush(self._waiting, waiter)
        if owner is not None:
            self._held[owner] += 1
        return Ticket(self, waiter)

    def full(self) -> QueueFull:
        """Return what somebody is told who does not get a place, or no longer has one."""
        return QueueFull(self.expected_wait_s(self.waiting + 1))

    def _make_room(self, waiter: _Waiter) -> None:
        """Turn the last of those who wait away when all places are taken. Raises QueueFull if ``waiter`` is that."""
        if self.waiting < self.length:
            return
        last = max((waiter, *self._waiting))
        if last is waiter:
            raise self.full()
        self._remove(last)
        last.turn.set_result(False)

    def place_of(self, waiter: _Waiter) -> int:
        """Return 1 for the next to be served."""
        return 1 + sum(other < waiter for other in self._waiting)

    def leave(self, waiter: _Waiter, served_s: float | None) -> None:
        """Give the place back, at work or in the queue, and let the next one in. A lost place is not given back."""
        if waiter.owner is not None:
            self._held[waiter.owner] -= 1
            if not self._held[waiter.owner]:
                del self._held[waiter.owner]
        if not waiter.turn.done():
            waiter.turn.cancel()
            self._remove(waiter)
            return
        if not waiter.turn.result():
            return
        self.running -= 1
        self._warming -= waiter.priority == Priority.BACKGROUND
        if served_s is not None:
            self._mean_s += SMOOTHING * (served_s - self._mean_s)
        while self._waiting and self.running < self.slots:
            following = self._next()
            if not following.turn.done():
                self._begin(following)

    def _next(self) -> _Waiter:
        """Take the next waiter out of the queue: by priority, and every ``FAIR_EVERY`` times by arrival."""
        self._taken += 1
        if self._taken % FAIR_EVERY:
            return heapq.heappop(self._waiting)
        people = [waiter for waiter in self._waiting if waiter.priority < Priority.BACKGROUND]
        longest = min(people or self._waiting, key=lambda waiter: waiter.number)
        self._remove(longest)
        return longest

    def _remove(self, waiter: _Waiter) -> None:
        self._waiting.remove(waiter)
        heapq.heapify(self._waiting)

    def _begin(self, waiter: _Waiter) -> None:
        self.running += 1
        self._warming += waiter.priority == Priority.BACKGROUND
        waiter.turn.set_result(True)


class Ticket:
    """A place in an ``Admission``; use it as an asynchronous context to give it back whatever happens."""

    def __init__(self, admission: Admission, waiter: _Waiter) -> None:
        self._admission = admission
        self._waiter = waiter
        self._served_from: float | None = None

    async def places(self, stop: StopSignal) -> AsyncGenerator[tuple[int, int], None]:
        """Yield (place, expected wait in seconds) on entering and whenever it changes, until our turn or a stop.

        Raises QueueFull when the place goes to somebody who is served before us.
        """
        shown = 0
        while not self._waiter.turn.done():
            if stop.asked:
                return
            place = self._admission.place_of(self._waiter)
            if place != shown:
                shown = place
                yield place, self._admission.expected_wait_s(place)
            try:
                async with stop.waiting(asyncio.get_running_loop().time() + LOOK_S):
                    # The turn is only looked at: a wait that is given up must not take the place with it.
                    await asyncio.shield(self._waiter.turn)
            except TimeoutError:
                continue
        if not self._waiter.turn.result():
            raise self._admission.full()
        self._served_from = time.monotonic()

    def leave(self) -> None:
        """Give the place back."""
        served_s = time.monotonic() - self._served_from if self._served_from else None
        self._admission.leave(self._waiter, served_s)


@asynccontextmanager
async def admitted(admission: Admission, priority: Priority, owner: Hashable = None) -> AsyncIterator[Ticket]:
    """Hold a ticket for the time of the context. ``owner`` is whoever shares a class with others, fairly."""
    ticket = admission.ticket(priority, owner)
    try:
        yield ticket
    finally:
        ticket.leave()
