"""Whoever waits for the database in a thread of nobody's gives its connection back, however that ends."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection

from accounts.models import User
from chat import limits, presence, upgrade
from chat.askers import Asker, Person
from chat.asks import Ask, Message
from chat.errors import RateLimited, UnknownConversation
from chat.keeping import Keeper
from compliance.database import in_thread
from inference import budget_state, facts, wake
from inference.models import Model
from inference.registry import snapshot
from siteproject.stack.folder import ROOT
from tests.chat.stored import version

APPS = ("compliance", "accounts", "content", "billing", "inference", "chat", "siteproject")
pytestmark = pytest.mark.django_db(transaction=True)


async def always() -> bool:
    return True


def keeper(conversation: uuid.UUID | None = None) -> Keeper:
    messages = [Message("user", "Which licence?")]
    ask = Ask(str(uuid.uuid4()), messages, conversation=str(conversation) if conversation else None)
    return Keeper(ask, Asker(person=Person(uuid.uuid4(), always)))


async def earlier() -> None:
    with pytest.raises(UnknownConversation):
        await keeper(uuid.uuid4()).earlier()


async def kept() -> None:
    written = version()
    receipt = {"language": "en"}
    event: dict[str, Any] = {"type": "done", "answer": str(written.answer), "rung": "small", "seal": "s"}
    await keeper().note(event | {"receipt": receipt, "finish_reason": "stop"})


async def paid() -> None:
    assert not await upgrade._pay(1, Person(uuid.uuid4(), always))


async def limited() -> None:
    with suppress(RateLimited):
        await limits.take_for(uuid.uuid4(), "1/15m")


@pytest.mark.parametrize(
    "wait",
    [
        earlier,
        kept,
        paid,
        limited,
        lambda: presence.is_alive("nobody's"),
        lambda: wake.current("gpu"),
        budget_state.current,
        facts.read_probes,
        snapshot.served,
    ],
)
async def test_every_act_that_waits_in_a_thread_gives_the_connection_back(wait: Callable[[], Awaitable[Any]]) -> None:
    snapshot.forget()
    budget_state.forget()
    wake.forget("gpu")
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as pool:
        loop.set_default_executor(pool)
        await wait()

        assert await loop.run_in_executor(pool, lambda: connection.connection) is None


async def test_a_function_that_raises_gives_the_connection_back_too() -> None:
    loop = asyncio.get_running_loop()

    def broken() -> None:
        User.objects.count()
        raise DatabaseError

    with ThreadPoolExecutor(1) as pool:
        loop.set_default_executor(pool)
        with pytest.raises(DatabaseError):
            await in_thread(broken)

        assert await loop.run_in_executor(pool, lambda: connection.connection) is None


async def test_more_people_than_there_are_connections_get_their_turn_one_after_the_other() -> None:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(16) as pool:
        loop.set_default_executor(pool)

        counts = await asyncio.gather(*(in_thread(Model.objects.count) for _ in range(64)))

    assert len(counts) == 64


def test_nothing_goes_to_such_a_thread_any_other_way() -> None:
    found = {
        path.relative_to(ROOT)
        for app in APPS
        for path in (ROOT / app).rglob("*.py")
        if "thread_sensitive=False" in path.read_text()
    }

    assert found == {Path("compliance/database.py")}
