"""Customers with keys inside the test's own database, and the ledger's functions as the door calls them."""

import datetime
import json
import uuid
from importlib import import_module
from typing import Any

import psycopg
from django.db import connection

from accounts.models import User
from billing import audit_ledger, keys
from billing.grants import Grant, read
from billing.models import ApiKey, Customer, ModelPrice, Plan, Quota, UsageRecord

FIRST = import_module("billing.migrations.0003_first_plans")
MODEL = "wagmi-small"


def seed() -> None:
    """Bring back what a migration had put there, after a test whose end emptied the tables."""
    for plan in FIRST.PLANS:
        Plan.objects.get_or_create(slug=plan["slug"], defaults=plan)
    for model, (read_price, written) in FIRST.PRICES.items():
        ModelPrice.objects.get_or_create(
            model=model,
            valid_from=FIRST.BEGINNING,
            defaults={"input_microusd": read_price, "output_microusd": written},
        )


def carol(plan: str = "build", email: str = "carol@example.org", **limits: Any) -> Customer:
    """Return a customer on a plan; ``limits`` are fields of the customer."""
    seed()
    customer = keys.customer_of(User.objects.create_user(email))
    customer.plan = Plan.objects.get(slug=plan)
    for name, value in limits.items():
        setattr(customer, name, value)
    customer.save()
    return customer


def key_of(customer: Customer, **limits: Any) -> tuple[ApiKey, str]:
    """Return a new key and its text."""
    return keys.make(customer, "test", actor="operator", **limits)


def grant_of(text: str) -> Grant:
    found = read(text)
    assert found is not None
    return found


def call(key: ApiKey, microusd: int = 100, **fields: Any) -> dict[str, Any]:
    """Return one call as ``billing_reserve`` takes it."""
    return {
        "request": str(uuid.uuid4()),
        "key": key.pk,
        "customer": key.customer_id,
        "endpoint": "chat",
        "model": MODEL,
        "streamed": False,
        "microusd": microusd,
        "gpu_ms": 0,
        "idempotency": None,
        "body": "",
        **fields,
    }


def end(call: dict[str, Any], microusd: int = 40, **fields: Any) -> dict[str, Any]:
    """Return the end of a call as ``billing_settle`` takes it."""
    return {
        **call,
        "state": "settled",
        "outcome": "done",
        "error_code": "",
        "microusd": microusd,
        "gpu_ms": 0,
        "prompt_tokens": 10,
        "cached_tokens": 0,
        "completion_tokens": 20,
        "counted": True,
        "first_token_ms": 5,
        "duration_ms": 50,
        "energy_mj": 1,
        **fields,
    }


def run(function: str, *items: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Run one of the ledger's functions on this test's own connection."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {function}(%s::jsonb)", [json.dumps(items)])
        return list(cursor.fetchall())


def reserve(*calls: dict[str, Any]) -> list[str]:
    """Return the verdicts, in the order of the calls."""
    found = {str(row[0]): row[1] for row in run("billing_reserve", *calls)}
    return [found[each["request"]] for each in calls]


def settle(*ends: dict[str, Any]) -> int:
    """Return how many were settled by this."""
    return sum(verdict == "settled" for _request, verdict in run("billing_settle", *ends))


def line(call: dict[str, Any]) -> UsageRecord:
    return UsageRecord.objects.get(request_id=call["request"])


def quota(customer: Customer, key: ApiKey | None = None, window: str = "month") -> Quota:
    """Return the newest quota of a customer, or of one key."""
    return Quota.objects.filter(customer=customer, key=key.pk if key else 0, window=window).latest("starts")


def assert_exact() -> None:
    """Every quota there is equals the sum of its lines, and none is negative."""
    found = audit_ledger.compare(datetime.date(2000, 1, 1))
    assert not found.details
    assert found.differing == 0


def other_connection() -> "psycopg.Connection[Any]":
    """Return a connection of its own to the test's database, as another process has."""
    parameters = dict(connection.get_connection_params())
    for name in ("pool", "cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    return psycopg.connect(**parameters, autocommit=True)
