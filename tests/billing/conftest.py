"""The stand-in for Stripe, for tests of payments: one server for the run, empty for each test."""

from collections.abc import Iterator
from typing import Any

import pytest

from billing import stripe_catalogue
from billing.models import Customer, Plan
from tests.billing.buying import Buyer
from tests.billing.ledgers import seed
from tests.payments.stand_in import Payments, running_payments


@pytest.fixture(scope="session")
def payment_server() -> Iterator[Payments]:
    with running_payments() as payments:
        yield payments


_goods: dict[str, Any] = {}


@pytest.fixture
def payments(payment_server: Payments, settings: Any, db: None) -> Payments:
    """A provider at which our plans are on sale, and nothing has happened yet."""
    payment_server.reset(_goods)
    for name, value in payment_server.settings.items():
        setattr(settings, name, value)
    seed()
    if not _goods:
        assert list(stripe_catalogue.write())
        _goods.update(payment_server.goods())
    ids = {each["lookup_key"]: each["id"] for each in _goods["prices"]}
    for plan in Plan.objects.filter(metered=True):
        plan.stripe_price_id, plan.stripe_usage_price_id = (
            ids[f"wagmi_{plan.slug}_month"],
            ids[f"wagmi_{plan.slug}_usage"],
        )
        plan.save()
    return payment_server


@pytest.fixture
def carol(payments: Payments) -> Customer:
    """Somebody who has bought nothing yet."""
    return Buyer.new("carol@example.org").customer


@pytest.fixture
def buyer(payments: Payments) -> Buyer:
    """Carol, who has bought the plan *build*."""
    found = Buyer.new("carol@example.org")
    found.buys(payments, "build")
    return found
