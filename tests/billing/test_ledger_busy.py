"""A customer whose row is held for long, by an erasure or in somebody's shell, waits; nobody else does."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from billing import ledger
from billing.errors import LedgerAway
from billing.models import Customer, UsageRecord
from tests.billing import ledgers
from tests.billing.ledgers import assert_exact, call, carol, end, key_of, line, other_connection, reserve, settle

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def held(*customers: Customer) -> Iterator[None]:
    """Let somebody else hold the rows of customers."""
    with other_connection() as own, own.transaction():
        for customer in customers:
            own.execute("SELECT 1 FROM billing_customer WHERE id = %s FOR UPDATE", [customer.pk])
        yield


def test_one_customers_held_row_stops_its_own_calls_and_no_others() -> None:
    stuck, (free, _text) = carol(), key_of(carol(email="bob@example.org"))
    mine, _text = key_of(stuck)
    before, other = call(mine), call(free)
    reserve(before, other)

    began = time.monotonic()
    with held(stuck):
        assert reserve(call(mine), call(mine), call(free)) == ["busy", "busy", "ok"]
        told = {str(request): verdict for request, verdict in ledgers.run("billing_settle", end(before), end(other))}
    took = time.monotonic() - began

    assert told == {before["request"]: "busy", other["request"]: "settled"}
    assert took < 1.5
    assert (line(before).state, line(other).state) == ("reserved", "settled")
    assert settle(end(before)) == 1
    assert_exact()


def test_many_held_rows_in_one_batch_are_waited_for_together_about_a_second() -> None:
    stuck = [carol(email=f"carol-{number}@example.org") for number in range(8)]
    free = key_of(carol())[0]
    held_keys = [key_of(customer)[0] for customer in stuck]

    began = time.monotonic()
    with held(*stuck):
        assert reserve(*(call(key) for key in held_keys), call(free)) == ["busy"] * 8 + ["ok"]

    assert time.monotonic() - began < ledger.RESERVE_S


def test_a_held_row_refuses_a_new_call_for_now_and_keeps_the_end_of_a_running_one_until_it_is_written() -> None:
    customer = carol()
    _key, text = key_of(customer)
    grant = ledgers.grant_of(text)

    def one() -> ledger.Call:
        return ledger.Call(str(uuid.uuid4()), grant, "chat", ledgers.MODEL, True, 1_000)

    async def use() -> None:
        running = [one(), one()]
        for each in running:
            await ledger.reserve(each)
        with held(customer):
            with pytest.raises(LedgerAway):
                await ledger.reserve(one())
            for each in running:
                assert await ledger.settle(each, ledger.Used("done", prompt_tokens=1_000)) == 100
            assert set(ledger._kept) == {each.request_id for each in running}
        await ledger.close()
        assert not ledger._kept

    asyncio.run(use())

    assert set(UsageRecord.objects.values_list("state", "cost_microusd")) == {("settled", 100)}
    assert_exact()


def test_the_sweeper_leaves_a_held_customers_calls_for_its_next_round(settings: Any) -> None:
    settings.API_ORPHAN_S = -1
    stuck, (free, _text) = carol(), key_of(carol(email="bob@example.org"))
    lost, other = call(key_of(stuck)[0]), call(free)
    reserve(lost, other)

    with held(stuck):
        assert ledger.sweep() == 1

    assert (line(lost).state, line(other).state) == ("reserved", "swept")
    assert ledger.sweep() == 1


def test_a_call_is_settled_at_the_price_it_was_reserved_at_whatever_becomes_of_prices_meanwhile() -> None:
    _key, text = key_of(carol())
    grant = ledgers.grant_of(text)

    async def use() -> None:
        mine = ledger.Call(str(uuid.uuid4()), grant, "chat", ledgers.MODEL, True, 10_000, price=(1_000_000, 2_000_000))
        await ledger.reserve(mine)
        await asyncio.to_thread(_forget_prices)
        assert await ledger.settle(mine, ledger.Used("done", prompt_tokens=1_000, completion_tokens=500)) == 2_000
        await ledger.close()

    asyncio.run(use())


def _forget_prices() -> None:
    with other_connection() as own:
        own.execute("DELETE FROM billing_modelprice")
    ledger.prices.forget()
