"""The queue in front of a backend: bounded, fair by class, and never losing a place."""

import asyncio
import random
from collections import Counter
from collections.abc import Hashable

import pytest

from inference.admission import FAIR_EVERY, Admission, Priority, Ticket, admitted
from inference.errors import QueueFull
from inference.stopping import StopSignal


async def turn(ticket: Ticket) -> list[tuple[int, int]]:
    """Wait for the turn and return the places told on the way."""
    return [place async for place in ticket.places(StopSignal())]


async def test_a_free_slot_is_taken_without_waiting() -> None:
    queue = Admission(slots=1, length=0)

    async with admitted(queue, Priority.ANONYMOUS) as ticket:
        assert await turn(ticket) == []
        assert queue.running == 1
    assert queue.idle


async def test_reading_ahead_is_not_counted_as_an_answer() -> None:
    queue = Admission(slots=2, length=0)

    async with admitted(queue, Priority.BACKGROUND), admitted(queue, Priority.ANONYMOUS):
        assert (queue.running, queue.answering) == (2, 1)
    assert (queue.running, queue.answering) == (0, 0)


async def test_a_full_queue_says_when_to_come_back() -> None:
    queue = Admission(slots=1, length=1)
    first, second = queue.ticket(Priority.ANONYMOUS), queue.ticket(Priority.ANONYMOUS)

    with pytest.raises(QueueFull) as refused:
        queue.ticket(Priority.ANONYMOUS)

    assert refused.value.retry_after_s >= 1
    assert (await turn(first)) == []
    second.leave()
    first.leave()
    assert queue.idle


async def test_who_would_be_served_first_takes_the_place_of_the_last_in_a_full_queue() -> None:
    queue = Admission(slots=1, length=2)
    running = queue.ticket(Priority.PAYING, "carol")
    signed_in, visitor = queue.ticket(Priority.SIGNED_IN, "alice"), queue.ticket(Priority.ANONYMOUS)
    told = asyncio.create_task(turn(visitor))
    await asyncio.sleep(0.01)

    paying = queue.ticket(Priority.PAYING, "bob")

    with pytest.raises(QueueFull) as busy:
        await asyncio.wait_for(told, 0.3)
    assert busy.value.retry_after_s >= 1
    assert (queue.waiting, queue.running) == (2, 1)
    with pytest.raises(QueueFull):
        queue.ticket(Priority.SIGNED_IN, "dana")  # as good as the last one, and later
    visitor.leave()
    assert (queue.waiting, queue.running) == (2, 1), "whoever lost its place has none to give back"
    for ticket in (running, paying, signed_in):
        await turn(ticket)
        ticket.leave()
    assert queue.idle


async def test_a_place_lost_before_anybody_looked_is_told_at_the_first_look() -> None:
    queue = Admission(slots=1, length=1)
    running, visitor = queue.ticket(Priority.ANONYMOUS), queue.ticket(Priority.ANONYMOUS)
    paying = queue.ticket(Priority.PAYING)

    with pytest.raises(QueueFull):
        await turn(visitor)

    for ticket in (visitor, running, paying):
        ticket.leave()
    assert queue.idle


async def test_paying_comes_before_signed_in_before_anonymous() -> None:
    queue = Admission(slots=1, length=8)
    served: list[str] = []
    running = queue.ticket(Priority.ANONYMOUS)

    async def wait(name: str, priority: Priority) -> None:
        async with admitted(queue, priority) as ticket:
            await turn(ticket)
            served.append(name)

    waiting = [
        asyncio.create_task(wait("visitor", Priority.ANONYMOUS)),
        asyncio.create_task(wait("alice", Priority.SIGNED_IN)),
        asyncio.create_task(wait("carol", Priority.PAYING)),
    ]
    await asyncio.sleep(0)
    running.leave()
    await asyncio.gather(*waiting)

    assert served == ["carol", "alice", "visitor"]
    assert queue.idle


async def test_a_visitor_is_served_in_time_however_many_paying_people_arrive() -> None:
    queue = Admission(slots=1, length=1000)
    served: list[str] = []

    async def wait(name: str, priority: Priority) -> None:
        async with admitted(queue, priority) as ticket:
            await turn(ticket)
            served.append(name)
            if name == "paying":  # another one comes before this one is done
                tasks.append(asyncio.create_task(wait("paying", Priority.PAYING)))
            await asyncio.sleep(0)

    tasks = [asyncio.create_task(wait("paying", Priority.PAYING)) for _ in range(3)]
    await asyncio.sleep(0)
    visitor = asyncio.create_task(wait("visitor", Priority.ANONYMOUS))
    await asyncio.wait_for(visitor, 5)
    for task in tasks:
        task.cancel()

    # Three had come before, so at most four times four answers pass first.
    assert 1 < len(served) <= 4 * FAIR_EVERY


async def test_who_waits_is_told_the_place_and_each_change_of_it() -> None:
    queue = Admission(slots=1, length=8)
    running, before, ours = (queue.ticket(Priority.ANONYMOUS) for _ in range(3))
    places: list[int] = []

    async def watch() -> None:
        async for place, wait_s in ours.places(StopSignal()):
            places.append(place)
            assert wait_s >= 1

    watching = asyncio.create_task(watch())
    await asyncio.sleep(0.1)
    before.leave()
    await asyncio.sleep(0.7)
    running.leave()
    await watching

    assert places == [2, 1]


async def test_a_cancelled_waiter_gives_its_place_back() -> None:
    queue = Admission(slots=1, length=1)
    running = queue.ticket(Priority.ANONYMOUS)

    async def wait() -> None:
        async with admitted(queue, Priority.ANONYMOUS) as ticket:
            await turn(ticket)

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.01)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    assert queue.waiting == 0
    running.leave()
    assert queue.idle


async def test_a_stop_ends_the_wait_at_once() -> None:
    queue = Admission(slots=1, length=1)
    running, ours = queue.ticket(Priority.ANONYMOUS), queue.ticket(Priority.ANONYMOUS)
    stop = StopSignal()

    async def watch() -> None:
        async for _place in ours.places(stop):
            asyncio.get_running_loop().call_soon(stop.ask)

    await asyncio.wait_for(watch(), 0.3)
    ours.leave()
    running.leave()

    assert queue.idle


@pytest.mark.parametrize("length", [1, 8, 1000])
async def test_no_place_is_lost_or_made_in_a_thousand_random_arrivals_and_departures(length: int) -> None:
    chance = random.Random(length)
    queue = Admission(slots=3, length=length)
    ended: Counter[str] = Counter()
    at_work = 0

    async def visit(priority: Priority, owner: Hashable) -> None:
        nonlocal at_work
        begun = False
        try:
            await asyncio.sleep(chance.random() / 5)
            async with admitted(queue, priority, owner) as ticket:
                async for _place in ticket.places(StopSignal()):
                    assert queue.waiting <= length
                begun = True
                at_work += 1
                assert at_work <= queue.running <= queue.slots
                await asyncio.sleep(chance.random() / 500)
                ended["served"] += 1
        except QueueFull:
            ended["turned away"] += 1
        except asyncio.CancelledError:
            ended["gone"] += 1
        finally:
            at_work -= begun

    tasks = []
    for _ in range(1000):
        owner = chance.choice(["alice", "bob", "carol", None])
        tasks.append(asyncio.create_task(visit(chance.choice(list(Priority)), owner)))
    await asyncio.sleep(0)
    for task in tasks:
        if chance.random() < 0.3:
            asyncio.get_running_loop().call_later(chance.random() / 5, task.cancel)
    done, pending = await asyncio.wait(tasks, timeout=10)

    assert not pending and all(task.exception() is None for task in done)
    assert sum(ended.values()) == 1000 and ended["served"] and ended["gone"]
    assert bool(ended["turned away"]) == (length < 1000)
    assert queue.idle and not queue._held
