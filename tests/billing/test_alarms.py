"""Alarms of billing: silent while all is well, one sentence for each thing that needs somebody."""

import datetime
from typing import Any

import pytest
from django.utils import timezone

from billing import audit_ledger
from billing.models import ApiKey, MeterSend, Plan, Quota, StripeEvent, UsageRecord
from compliance import alarms
from tests.billing.ledgers import call, carol, end, key_of, reserve, settle

pytestmark = pytest.mark.django_db


def heard() -> dict[str, str]:
    return {alarm.id: str(alarm.text) for alarm in alarms.active() if alarm.id.startswith("billing.")}


def test_nothing_is_heard_of_a_site_where_all_is_well() -> None:
    key, _text = key_of(carol())
    done, running = call(key), call(key)
    reserve(done, running)
    settle(end(done))

    assert heard() == {}


def test_a_call_that_the_sweeper_does_not_settle_is_an_alarm(settings: Any) -> None:
    key, _text = key_of(carol())
    reserve(call(key))
    UsageRecord.objects.update(started_at=timezone.now() - datetime.timedelta(seconds=settings.API_ORPHAN_S + 30))
    assert heard() == {}  # the sweeper has its time

    UsageRecord.objects.update(started_at=timezone.now() - datetime.timedelta(seconds=settings.API_ORPHAN_S + 200))

    assert heard()["billing.unsettled"].startswith("1 call of the API is not settled")


def test_a_webhook_and_usage_without_effect_are_alarms() -> None:
    long_ago = timezone.now() - datetime.timedelta(hours=30)
    StripeEvent.objects.create(event_id="evt_1", kind="invoice.paid", state="failed")
    late = StripeEvent.objects.create(event_id="evt_2", kind="invoice.paid")
    StripeEvent.objects.create(event_id="evt_3", kind="invoice.paid", state="applied")
    StripeEvent.objects.filter(pk=late.pk).update(received_at=long_ago)
    MeterSend.objects.create(customer=carol(), hour=long_ago, until=long_ago, microusd=1, identifier="a")

    assert heard().keys() == {"billing.webhooks", "billing.meter"}
    assert heard()["billing.webhooks"].startswith("2 webhooks")


def test_a_ledger_that_differs_is_an_alarm_until_a_check_finds_it_whole() -> None:
    key, _text = key_of(carol())
    reserve(call(key))
    Quota.objects.filter(key=0, window="day").update(spent_microusd=1)
    audit_ledger.check(timezone.now())
    assert heard()["billing.reconciliation"].startswith("1 of 4 sums differ (ledger, ")

    Quota.objects.update(spent_microusd=0)
    audit_ledger.check(timezone.now())

    assert heard() == {}


def test_a_ledger_that_nobody_checks_is_an_alarm() -> None:
    key, _text = key_of(carol())
    done = call(key)
    reserve(done)
    settle(end(done))
    UsageRecord.objects.update(started_at=timezone.now() - datetime.timedelta(hours=27))

    assert heard().keys() == {"billing.ledger-unchecked"}


def test_keys_whose_pepper_was_taken_away_are_an_alarm() -> None:
    key_of(carol())
    ApiKey.objects.update(pepper_id="lost")

    assert heard()["billing.peppers"].startswith("1 API key is kept under a pepper")


def test_an_offered_plan_without_its_prices_is_an_alarm_once_payments_are_on(settings: Any) -> None:
    carol()
    assert heard() == {}
    settings.STRIPE_SECRET_KEY = "sk_test_x"
    Plan.objects.filter(slug="scale").update(stripe_price_id="price_1", stripe_usage_price_id="price_2")

    assert heard() == {"billing.plans": "The plan build has no price at Stripe: run manage.py stripe_setup."}
