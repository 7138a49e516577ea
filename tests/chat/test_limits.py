"""Limits: atomic, with real seconds left, by address without keeping the address."""

import asyncio

import pytest
from asgiref.sync import sync_to_async

from accounts.models import User
from chat import limits
from chat.errors import RateLimited
from compliance.addresses import address_name, client_address
from compliance.memory import redis


@pytest.mark.parametrize(
    ("text", "expected"), [("20/15m", (20, 900)), ("5/s", (5, 1)), ("1/2h", (1, 7200)), ("9/d", (9, 86400))]
)
def test_limits_are_read(text: str, expected: tuple[int, int]) -> None:
    assert limits.parse_limit(text) == expected


@pytest.mark.parametrize("text", ["", "20", "x/5m", "20/15y", "-1/m", "20/15m "])
def test_nonsense_is_not_a_limit(text: str) -> None:
    with pytest.raises(ValueError):
        limits.parse_limit(text)


async def test_exactly_as_many_pass_as_the_limit_says_however_many_ask_at_once() -> None:
    results = await asyncio.gather(*(limits.take("burst", "5/10s") for _ in range(40)), return_exceptions=True)

    refused = [error for error in results if isinstance(error, RateLimited)]
    assert len(results) - len(refused) == 5
    assert all(1 <= error.retry_after_s <= 10 for error in refused)


async def test_the_window_slides() -> None:
    await limits.take("slide", "1/s")
    with pytest.raises(RateLimited):
        await limits.take("slide", "1/s")
    await asyncio.sleep(1.1)

    await limits.take("slide", "1/s")


async def test_without_redis_each_process_grants_a_quarter(settings) -> None:  # type: ignore[no-untyped-def]
    settings.REDIS_URL = "unix:///nonexistent/redis.sock"
    from compliance import memory

    memory._clients.clear()
    results = await asyncio.gather(*(limits.take("away", "20/15m") for _ in range(20)), return_exceptions=True)
    memory._clients.clear()

    assert sum(result is None for result in results) == 5


def test_an_address_becomes_a_name_that_is_not_it() -> None:
    name = address_name("192.0.2.7")

    assert "192" not in name and name == address_name("192.0.2.7") != address_name("192.0.2.8")


def test_ipv6_counts_by_network_and_mapped_ipv4_as_ipv4() -> None:
    assert address_name("2001:db8::1") == address_name("2001:db8::ffff:2")
    assert address_name("2001:db8::1") != address_name("2001:db8:0:1::1")
    assert address_name("::ffff:192.0.2.7") == address_name("192.0.2.7")
    assert address_name("2001:db8:0:0::1") != address_name("nonsense")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        (0, "1.1.1.1", "9.9.9.9"),
        (1, "1.1.1.1", "1.1.1.1"),
        (1, "6.6.6.6, 1.1.1.1", "1.1.1.1"),
        (2, "6.6.6.6, 1.1.1.1, 2.2.2.2", "1.1.1.1"),
        (2, "2.2.2.2", "9.9.9.9"),
        (1, "", "9.9.9.9"),
    ],
)
def test_only_our_own_proxies_are_believed(settings, proxies: int, forwarded: str, expected: str) -> None:  # type: ignore[no-untyped-def]
    settings.TRUSTED_PROXY_COUNT = proxies

    assert client_address("9.9.9.9", forwarded) == expected


@pytest.mark.django_db(transaction=True)
async def test_a_persons_window_is_exact_and_outlives_a_redis_that_loses_its_memory() -> None:
    alice = await sync_to_async(User.objects.create_user)("alice@example.org")
    await asyncio.gather(*(limits.take_for(alice.public_id, "5/1h") for _ in range(4)))

    await redis().flushall()
    results = await asyncio.gather(
        *(limits.take_for(alice.public_id, "5/1h") for _ in range(6)), return_exceptions=True
    )

    refused = [error for error in results if isinstance(error, RateLimited)]
    assert len(refused) == 5
    assert all(3500 < error.retry_after_s <= 3600 for error in refused)


@pytest.mark.django_db(transaction=True)
async def test_a_persons_window_slides_and_is_nobody_elses() -> None:
    alice = await sync_to_async(User.objects.create_user)("alice@example.org")
    bob = await sync_to_async(User.objects.create_user)("bob@example.org")
    await limits.take_for(alice.public_id, "1/s")
    with pytest.raises(RateLimited):
        await limits.take_for(alice.public_id, "1/s")
    await limits.take_for(bob.public_id, "1/s")
    await asyncio.sleep(1.1)

    await limits.take_for(alice.public_id, "1/s")
