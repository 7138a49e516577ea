"""The circuit breaker: five failures open it, time and one good answer close it."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from inference.admission import Priority
from inference.backends.base import Request, Turn
from inference.engine import Completed, Engine, Step, Waiting
from inference.errors import BackendError, QueueFull, TimedOut
from inference.registry import Served, declared
from inference.routing import FAILURES_TO_OPEN, OPEN_S, Breaker, Router
from tests.scripted import ScriptedServer, never, slowly

QUESTION = Request((Turn("user", "Which licence?"),), max_tokens=20)


@pytest.fixture
def served(settings) -> Served:  # type: ignore[no-untyped-def]
    settings.LLM_CPU = {**settings.LLM_CPU, "url": "http://127.0.0.1:1"}
    return declared()[0]


def test_five_failures_in_a_row_open_it_and_a_success_between_does_not() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN - 1):
        breaker.failed(0)
    breaker.succeeded()
    breaker.failed(0)

    assert breaker.allows(0)
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(0)
    assert not breaker.allows(1)


def test_one_trial_at_a_time_is_let_through_after_a_while() -> None:
    breaker = Breaker()
    for _ in range(FAILURES_TO_OPEN):
        breaker.failed(0)

    assert breaker.allows(OPEN_S + 1)
    assert not breaker.allows(OPEN_S + 2)
    breaker.succeeded()
    assert breaker.allows(OPEN_S + 3)


def test_one_owner_who_fails_again_and_again_is_one_failure() -> None:
    breaker = Breaker()
    for _ in range(3 * FAILURES_TO_OPEN):
        breaker.failed(0, owner="carol")
    assert breaker.failures == 1

    for owner in ("bob", "carol", "bob"):
        breaker.failed(0, owner=owner)
    assert breaker.allows(0)
    breaker.failed(0)
    assert not breaker.allows(1)


def test_a_success_between_makes_an_owners_next_failure_count() -> None:
    breaker = Breaker()
    breaker.failed(0, owner="carol")
    breaker.succeeded()

    breaker.failed(0, owner="carol")

    assert breaker.failures == 1


def test_a_failed_trial_keeps_it_open_whoever_made_it() -> None:
    breaker = Breaker()
    for owner in ("bob", "carol", "bob", "carol", "bob"):
        breaker.failed(0, owner=owner)

    assert breaker.allows(OPEN_S + 1)
    breaker.failed(2 * OPEN_S + 2, owner="bob")

    assert not breaker.allows(2 * OPEN_S + 3)


def test_only_switched_on_backends_of_the_tier_are_candidates(served: Served) -> None:
    router = Router()
    off = replace(served, backend="other", enabled=False)

    assert router.candidates([off, served], "small") == [served]
    assert router.candidates([served], "large") == []


def test_an_empty_environment_declares_nothing(settings) -> None:  # type: ignore[no-untyped-def]
    settings.LLM_CPU = {**settings.LLM_CPU, "url": ""}

    assert declared() == []


# --- in the engine ---


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


async def ask(engine: Engine, served: Served, *, owner: str | None = None, paying: bool = False) -> list[Step]:
    priority = Priority.PAYING if paying else Priority.ANONYMOUS
    return [step async for step in engine.generate(QUESTION, candidates=[served], priority=priority, owner=owner)]


async def test_answers_that_ran_too_long_are_no_failures_of_the_model(
    served: Served, server: ScriptedServer, settings: Any
) -> None:
    settings.LLM_TOTAL_S = 0.1
    server.behaviour = slowly(0.04, ("word ",) * 20)
    engine, slow = Engine(), replace(served, url=server.url)

    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(TimedOut) as cut:
            await ask(engine, slow)
        assert cut.value.which == "total"
    await engine.close()

    assert engine.router.breaker(served.backend).failures == 0


async def test_a_model_that_is_too_slow_for_one_customer_is_still_there_for_others(
    served: Served, server: ScriptedServer, settings: Any
) -> None:
    settings.LLM_FIRST_TOKEN_S = 0.05
    server.behaviour = never
    engine, slow = Engine(), replace(served, url=server.url)

    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(TimedOut):
            await ask(engine, slow, owner="carol")
    assert engine.router.candidates([slow], slow.tier)

    for _ in range(FAILURES_TO_OPEN - 1):
        with pytest.raises(TimedOut):
            await ask(engine, slow)
    await engine.close()
    assert not engine.router.candidates([slow], slow.tier)


async def test_a_model_that_cannot_be_reached_is_gone_for_everybody(served: Served) -> None:
    engine, gone = Engine(), replace(served, url="http://127.0.0.1:9")

    for _ in range(FAILURES_TO_OPEN):
        with pytest.raises(BackendError):
            await ask(engine, gone, owner="carol")
    await engine.close()

    assert not engine.router.candidates([gone], gone.tier)


async def test_a_visitors_place_in_a_full_queue_goes_to_a_customer_and_the_visitor_is_told(
    served: Served, server: ScriptedServer
) -> None:
    server.behaviour = slowly(0.1)
    engine, small = Engine(), replace(served, url=server.url, slots=1, queue=1)
    running = asyncio.create_task(ask(engine, small))
    visitor = asyncio.create_task(ask(engine, small))
    await asyncio.sleep(0)

    steps = await ask(engine, small, owner="carol", paying=True)

    assert isinstance(steps[0], Waiting) and isinstance(steps[-1], Completed)
    assert isinstance((await running)[-1], Completed)
    with pytest.raises(QueueFull):
        await visitor
    await engine.close()
    assert engine.queue(small).idle and engine.router.breaker(small.backend).failures == 0
