"""Limits: atomic, with real seconds left, by address without keeping the address."""

import asyncio

import pytest

from chat import limits
from chat.doors import client_address
from chat.errors import RateLimited


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
    from chat import mirror

    mirror._clients.clear()
    results = await asyncio.gather(*(limits.take("away", "20/15m") for _ in range(20)), return_exceptions=True)
    mirror._clients.clear()

    assert sum(result is None for result in results) == 5


def test_an_address_becomes_a_name_that_is_not_it() -> None:
    name = limits.address_name("192.0.2.7")

    assert "192" not in name and name == limits.address_name("192.0.2.7") != limits.address_name("192.0.2.8")


def test_ipv6_counts_by_network_and_mapped_ipv4_as_ipv4() -> None:
    assert limits.address_name("2001:db8::1") == limits.address_name("2001:db8::ffff:2")
    assert limits.address_name("2001:db8::1") != limits.address_name("2001:db8:0:1::1")
    assert limits.address_name("::ffff:192.0.2.7") == limits.address_name("192.0.2.7")
    assert limits.address_name("2001:db8:0:0::1") != limits.address_name("nonsense")


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
