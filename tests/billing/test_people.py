"""What billing holds about a person: in their export, and gone with their account except what the law wants kept."""

import datetime
import json
from typing import Any

import pytest
from django.utils import timezone

from accounts import closing, export
from accounts.models import AccountClosure, User
from billing import people
from billing.grants import read
from billing.models import ApiKey, Customer, Invoice, Quota, Subscription, UsageRecord
from tests.billing.ledgers import assert_exact, call, carol, end, key_of, reserve, settle

pytestmark = pytest.mark.django_db


def used(customer: Customer) -> tuple[dict[str, Any], str]:
    """Let a customer have made one call; return it, and the key."""
    key, text = key_of(customer)
    made = call(key)
    reserve(made)
    settle(end(made))
    return made, text


def invoiced(customer: Customer) -> Invoice:
    return Invoice.objects.create(
        customer=customer, stripe_id="in_1", number="W-1", status="paid", currency="usd", total_cents=900,
        issued_at=timezone.now(),
    )  # fmt: skip


def erased(user: User) -> dict[str, int]:
    """Erase a person as the worker does, and return what the closure counts."""
    closure = closing.close(user)
    assert closing.erase(closure.pk)
    return dict(AccountClosure.objects.get(pk=closure.pk).erased)


def test_an_export_holds_keys_by_their_beginning_calls_plan_and_invoices() -> None:
    customer = carol()
    assert customer.user is not None
    made, text = used(customer)
    invoiced(customer)

    archive = export.archive(customer.user)

    parts = {each.name: each.read(customer.user) for each in export._parts.values()}
    assert [key["begins_with"] for key in parts["api-keys"]] == [text[:10]]
    assert str(parts["api-usage"]["last_calls"][0]["request"]) == made["request"]
    (day,) = parts["api-usage"]["days"]
    assert (day["calls"], day["microusd"], day["tokens_read"], day["tokens_written"]) == (1, 40, 10, 20)
    assert (parts["plan"]["plan"], parts["plan"]["requests_per_minute"]) == ("Build", 120)
    assert parts["invoices"][0]["total_cents"] == 900
    assert text.encode() not in archive
    assert "digest" not in json.dumps(parts["api-keys"], default=str)


def test_somebody_who_is_no_customer_has_empty_parts(alice: User) -> None:
    assert (people.api_keys(alice), people.plan(alice), people.invoices(alice)) == ([], {}, [])


def test_without_an_invoice_nothing_stays_of_a_customer() -> None:
    customer = carol()
    assert customer.user is not None
    _made, text = used(customer)

    counts = erased(customer.user)

    assert read(text) is None
    assert not any(model.objects.exists() for model in (Customer, ApiKey, UsageRecord, Quota))
    assert (counts["api_keys"], counts["api_calls"], counts["customers"]) == (1, 1, 1)


def test_invoices_and_the_lines_they_are_made_of_stay_without_the_person_and_the_keys() -> None:
    customer = carol()
    assert customer.user is not None
    made, text = used(customer)
    running = call(ApiKey.objects.get())
    reserve(running)
    invoiced(customer)

    counts = erased(customer.user)

    kept = Customer.objects.get()
    assert kept.user is None
    assert read(text) is None
    assert not ApiKey.objects.exists()
    assert Invoice.objects.get().customer == kept
    assert UsageRecord.objects.get(request_id=made["request"]).key is None
    assert (counts["invoices_kept"], counts["api_keys"]) == (1, 1)
    # A call that was running ends well and is counted.
    assert settle(end(running, 60)) == 1
    assert Quota.objects.get(window="month").spent_microusd == 100
    assert_exact()


def test_what_was_bought_and_not_invoiced_yet_stays_until_it_is_certain() -> None:
    customer = carol()
    assert customer.user is not None
    Subscription.objects.create(customer=customer, stripe_id="sub_1", plan=customer.plan, status="active")
    erased(customer.user)
    bob = carol(email="bob@example.org")
    assert people.tidy() == 0

    Subscription.objects.update(status="canceled")
    assert people.tidy() == 1

    assert list(Customer.objects.all()) == [bob]


def test_a_kept_customer_is_there_as_long_as_its_invoices() -> None:
    customer = carol()
    assert customer.user is not None
    invoice = invoiced(customer)
    erased(customer.user)
    Invoice.objects.update(issued_at=timezone.now() - datetime.timedelta(days=3_000))

    assert people.tidy() == 0
    invoice.delete()
    assert people.tidy() == 1
