"""What a key grants: read with its customer's plan, kept for seconds, forgotten in time."""

import asyncio
import datetime
from typing import Any

import pytest
from django.utils import timezone

from accounts import closing
from billing import keys, quotas
from billing.errors import UnknownKey
from billing.grants import Grants, Rates, read
from compliance.database import in_thread
from tests.billing.ledgers import carol, grant_of, key_of


@pytest.mark.django_db
def test_a_key_grants_what_its_customer_has_and_its_own_limits_beside_it() -> None:
    customer = carol(requests_per_minute=7)
    key, text = key_of(customer, parallel_calls=1, scopes=["chat"], allowed_models=["wagmi-small"])

    grant = grant_of(text)

    assert (grant.plan, grant.paying, grant.suspended, grant.person) == (
        "build", True, False, customer.user.public_id if customer.user else None,
    )  # fmt: skip
    assert grant.rates == (
        Rates(f"c{customer.pk}", 7, 200_000, 8),
        Rates(f"k{key.pk}", 7, 200_000, 1),
    )
    assert grant.may_use("wagmi-small")
    assert not grant.may_use("wagmi-large")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("ranges", "address", "may"),
    [
        ([], "203.0.113.9", True),
        (["203.0.113.0/24"], "203.0.113.9", True),
        (["203.0.113.0/24"], "::ffff:203.0.113.9", True),
        (["203.0.113.0/24"], "198.51.100.1", False),
        (["203.0.113.0/24"], "2001:db8::1", False),
        (["203.0.113.0/24", "2001:db8::/32"], "2001:db8::1", True),
        (["203.0.113.0/24"], "unknown", False),
    ],
)
def test_a_key_may_be_used_from_its_ranges_only(ranges: list[str], address: str, may: bool) -> None:
    _key, text = key_of(carol(), address_ranges=ranges)

    assert grant_of(text).may_come_from(address) is may


@pytest.mark.django_db
def test_an_expired_key_and_those_of_a_closed_account_are_nobodys() -> None:
    customer = carol()
    _key, expired = key_of(customer, expires_at=timezone.now() - datetime.timedelta(seconds=1))
    _key, text = key_of(customer)
    assert read(expired) is None
    assert read(text) is not None

    assert customer.user is not None
    closing.close(customer.user)

    assert read(text) is None


@pytest.mark.django_db(transaction=True)
def test_what_was_read_is_believed_for_seconds_and_no_longer(settings: Any) -> None:
    customer = carol()
    key, text = key_of(customer)

    async def ask() -> None:
        grants = Grants()
        settings.API_KEY_CACHE_S = 60.0
        assert not (await grants.find(text)).suspended
        await in_thread(quotas.suspend, customer, actor="operator", reason="unpaid")
        assert not (await grants.find(text)).suspended  # from memory
        grants.forget()
        assert (await grants.find(text)).suspended

        settings.API_KEY_CACHE_S = 0.0
        await in_thread(keys.revoke, key, actor="operator")
        with pytest.raises(UnknownKey):
            await grants.find(text)

    asyncio.run(ask())


@pytest.mark.django_db(transaction=True)
def test_a_key_that_expires_ends_at_that_moment_although_it_is_remembered(settings: Any) -> None:
    settings.API_KEY_CACHE_S = 60.0
    _key, text = key_of(carol(), expires_at=timezone.now() + datetime.timedelta(seconds=1))

    async def ask() -> None:
        grants = Grants()
        await grants.find(text)
        await asyncio.sleep(1.05)
        with pytest.raises(UnknownKey):
            await grants.find(text)

    asyncio.run(ask())


@pytest.mark.django_db(transaction=True)
def test_what_is_remembered_of_a_key_is_not_the_key() -> None:
    _key, text = key_of(carol())
    grants = Grants()

    asyncio.run(grants.find(text))
    with pytest.raises(UnknownKey):
        asyncio.run(grants.find(other := keys.new_text()))

    assert len(grants._known) == 2
    assert not any(each in repr(vars(grants)) for each in (text, other))


def test_guessing_is_refused_by_the_form_without_asking_the_database() -> None:
    with pytest.raises(UnknownKey):
        asyncio.run(Grants().find("wag_" + "a" * 46))
