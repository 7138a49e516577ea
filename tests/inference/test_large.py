"""The engine before a backend that sleeps: asked only when awake, cut at its limit, and used means kept awake."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from inference import probes, registry, wake
from inference.admission import Priority
from inference.backends.base import Request, Turn
from inference.energy import METHOD_DURATION
from inference.engine import Completed, Engine
from inference.errors import Asleep, Cut, TimedOut
from inference.models import Backend, Wake
from inference.registry import Served, declared
from tests.scripted import ScriptedServer, Wire, closing_after, slowly

pytestmark = pytest.mark.django_db(transaction=True)
QUESTION = Request((Turn("user", "Which licence?"),), max_tokens=50)


@pytest.fixture(scope="module")
def shared() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def server(shared: ScriptedServer, settings: Any, db: None) -> ScriptedServer:
    """One server that stands for all backends."""
    shared.reset()
    settings.LLM_CPU = {**settings.LLM_CPU, "url": shared.url}
    settings.LLM_GPU = {**settings.LLM_GPU, "url": shared.url, "weights_sha256": "ab" * 32}
    settings.LLM_SLOW = {**settings.LLM_SLOW, "url": shared.url, "model": "qwen3"}
    registry.sync()
    registry.snapshot.forget()
    wake.forget("gpu")
    wake._touched.clear()
    return shared


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    engine = Engine()
    yield engine
    await engine.close()


def large() -> Served:
    return next(one for one in declared() if one.tier == "large")


def small() -> Served:
    return declared()[0]


def awake(model: str = "wagmi-large") -> Wake:
    """Return a wake that is ready and was last used a minute ago."""
    then = timezone.now() - datetime.timedelta(seconds=60)
    try:
        return Wake.objects.create(
            backend="gpu", asker_class="signed_in", state="ready", ready_at=then, used_at=then, model=model, attempts=1
        )
    finally:
        wake.forget("gpu")
        connection.close()


async def complete(engine: Engine, *candidates: Served) -> Completed:
    async with aclosing(engine.generate(QUESTION, candidates=list(candidates), priority=Priority.SIGNED_IN)) as steps:
        return [step async for step in steps if isinstance(step, Completed)][-1]


async def test_asleep_it_is_not_asked_and_the_next_one_answers(engine: Engine, server: ScriptedServer) -> None:
    completed = await complete(engine, large(), small())

    assert completed.served.tier == "small" and len(server.requests) == 1
    for _ in range(6):  # more than open a circuit: being asleep is no fault
        with pytest.raises(Asleep):
            await complete(engine, large())
    assert not engine.router.breaker("gpu").failures and len(server.requests) == 1


async def test_awake_it_answers_and_its_use_is_noted(engine: Engine, server: ScriptedServer) -> None:
    row = await sync_to_async(awake, thread_sensitive=False)()

    completed = await complete(engine, large(), small())
    await engine_tasks()

    used_at = await sync_to_async(used, thread_sensitive=False)(row)
    assert completed.served.tier == "large" and completed.served.weights_sha256 == "ab" * 32
    assert used_at is not None and row.used_at is not None and used_at > row.used_at


def used(row: Wake) -> datetime.datetime | None:
    try:
        return Wake.objects.get(pk=row.pk).used_at
    finally:
        connection.close()


async def engine_tasks() -> None:
    """Wait for what answers leave to be written."""
    for task in list(wake._writing):
        await task


async def test_a_fallback_is_asked_and_named_as_what_it_is(engine: Engine, server: ScriptedServer) -> None:
    await sync_to_async(awake, thread_sensitive=False)("another-model")

    completed = await complete(engine, large())

    assert server.last.body["model"] == "another-model" == completed.served.name
    assert completed.served.weights_sha256 == "" and not completed.served.digest_checked


async def test_an_answer_is_cut_at_the_limit_that_was_reserved_for(
    engine: Engine, server: ScriptedServer, settings: Any
) -> None:
    await sync_to_async(awake, thread_sensitive=False)()
    settings.LLM_GPU_ANSWER_MAX_S = 0.5
    server.behaviour = slowly(0.2, ("word ",) * 20)

    with pytest.raises(TimedOut) as cut:
        await complete(engine, large())

    assert cut.value.which == "total"


async def test_fault_17_a_large_model_that_dies_before_its_first_word_is_replaced_by_the_small_one(
    engine: Engine, server: ScriptedServer
) -> None:
    await sync_to_async(awake, thread_sensitive=False)()
    away = replace(large(), url="http://127.0.0.1:9")

    assert (await complete(engine, away, small())).served.tier == "small"


async def test_fault_17_a_large_model_that_dies_in_the_middle_of_an_answer_is_an_error_and_no_silent_end(
    engine: Engine, server: ScriptedServer
) -> None:
    await sync_to_async(awake, thread_sensitive=False)()
    server.behaviour = closing_after(3)

    with pytest.raises(Cut):
        await complete(engine, large(), small())


async def test_the_slow_backend_comes_last_and_answers_when_the_first_cannot(
    engine: Engine, server: ScriptedServer
) -> None:
    first, slow = await engine.candidates("small")
    assert (first.backend, slow.backend) == ("cpu", "slow")

    completed = await complete(engine, replace(first, url="http://127.0.0.1:9"), slow)

    assert completed.served.public_id == "wagmi-slow" and server.last.body["model"] == "qwen3"


async def test_a_card_is_counted_as_a_card_and_a_server_without_times_by_our_clock(
    engine: Engine, server: ScriptedServer, settings: Any
) -> None:
    await sync_to_async(awake, thread_sensitive=False)()
    settings.LLM_GPU_USD_PER_HOUR = 3.6
    server.behaviour = slowly(0.05)

    on_card = (await complete(engine, replace(large(), hardware="gpu"))).effort
    server.behaviour = without_usage
    without_times = (await complete(engine, small())).effort

    assert on_card.cpu_s > 0.2 and on_card.cost_usd == pytest.approx(on_card.cpu_s / 1000, rel=0.01)
    assert on_card.energy_j["mid"] == pytest.approx(on_card.cpu_s * 300 * 1.2, rel=0.01)
    assert without_times.cpu_s > 0 and without_times.method == METHOD_DURATION


async def without_usage(wire: Wire) -> None:
    """Answer as a server does that counts nothing."""
    await wire.head()
    await asyncio.sleep(0.05)
    await wire.say("two", "stop")
    await wire.chunk(b"data: [DONE]\n\n")
    await wire.end()


@pytest.mark.parametrize(
    ("state", "shown"), [("requested", "loading"), ("ready", "ready"), ("sleeping", "asleep"), ("asleep", "asleep")]
)
def test_the_registry_shows_the_state_of_the_wake(server: ScriptedServer, state: str, shown: str) -> None:
    Wake.objects.create(backend="gpu", asker_class="signed_in", state=state)

    probes.probe()

    assert Backend.objects.get(name="gpu").state == shown
