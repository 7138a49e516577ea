"""Customers of the test's database, and weeks of calls in their ledger."""

import datetime
import uuid
from typing import Any

from django.utils import timezone

from accounts.models import User
from billing import keys
from billing.models import ApiKey, Customer, Plan, Quota, UsageRecord
from tests.billing.ledgers import seed


def today() -> datetime.date:
    return timezone.now().astimezone(datetime.UTC).date()


def customer_on(user: User, plan: str = "build") -> Customer:
    """Make a person a customer on a plan."""
    seed()
    return Customer.objects.create(user=user, plan=Plan.objects.get(slug=plan))


def key_of(customer: Customer, name: str = "laptop", **limits: Any) -> ApiKey:
    return keys.make(customer, name, actor="operator", **limits)[0]


def call(key: ApiKey, day: datetime.date, **facts: Any) -> UsageRecord:
    """Return one call that is not saved: settled on a day, complete, with figures that are easy to sum."""
    told: dict[str, Any] = {
        "endpoint": "chat.completions",
        "model": "wagmi-small",
        "state": UsageRecord.State.SETTLED,
        "outcome": UsageRecord.Outcome.DONE,
        "cost_microusd": 100,
        "prompt_tokens": 200,
        "completion_tokens": 50,
        "first_token_ms": 100,
        "duration_ms": 1_000,
        "energy_mj": 3_600,
        "started_at": datetime.datetime.combine(day, datetime.time(12), datetime.UTC),
    }
    return UsageRecord(request_id=uuid.uuid4(), customer_id=key.customer_id, key=key, day=day, **told | facts)


def weeks_of_calls(key: ApiKey, *, days: int = 45, a_day: int = 4, **facts: Any) -> None:
    """Write so many days of calls that end today, ``a_day`` each."""
    since = [today() - datetime.timedelta(days=back) for back in range(days)]
    UsageRecord.objects.bulk_create(call(key, day, **facts) for day in since for _ in range(a_day))


def quota(customer: Customer, *, key: int = 0, window: str = "month", **spent: int) -> Quota:
    """Write what this UTC day or month has used."""
    starts = today() if window == "day" else today().replace(day=1)
    return Quota.objects.create(customer=customer, key=key, window=window, starts=starts, **spent)
