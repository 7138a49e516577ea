"""``/v1/key`` and ``/v1/usage``: what a key is, what is left of its limits, what was used."""

import datetime
from typing import Any
from urllib.parse import parse_qs

from django.db import connection, transaction
from django.db.models import Count, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.grants import Grant
from billing.ledger import resets_at
from billing.models import ApiKey, Quota, UsageRecord
from billing.models.keys import Scope
from compliance.database import in_thread
from inference.api.errors import invalid, no_key, too_many

MICROUSD, MS = 1_000_000, 1_000
MOST_DAYS = 366
FIRST_YEAR, LAST_YEAR = 2020, 2100
SLOWEST_MS = 3_000
_adding_up: set[int] = set()  # customers whose report is being made


async def key(grant: Grant) -> dict[str, Any]:
    """Return the key that asks, with its limits and what is left of them."""
    return await in_thread(_key, grant)


def _key(grant: Grant) -> dict[str, Any]:
    row = ApiKey.objects.select_related("customer__plan").filter(pk=grant.key_id).first()
    if row is None:
        raise no_key()  # deleted with its account a moment ago
    customer, plan = row.customer, row.customer.plan
    now = timezone.now()
    caps = {
        ("account", "month"): (_least(customer.month_limit_microusd, plan.month_limit_microusd), "month_gpu_s"),
        ("account", "day"): (None, "day_gpu_s"),
        ("key", "month"): (row.month_limit_microusd, None),
        ("key", "day"): (row.day_limit_microusd, None),
    }
    limits = []
    for (source, window), (microusd, gpu_name) in caps.items():
        if source == "account" and Scope.USAGE not in grant.scopes:
            continue  # a key in a program tells whoever finds it nothing about its owner's other programs
        gpu_s = customer.limit(gpu_name) if gpu_name else getattr(row, f"{window}_gpu_s")
        limits.append(_limit(row, source, window, microusd, gpu_s, now))
    return {
        "object": "key",
        "id": str(row.public_id),
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "models": row.allowed_models or None,
        "expires_at": _stamp(row.expires_at),
        "plan": plan.slug,
        "rates": [
            {
                "source": "account" if rate.name.startswith("c") else "key",
                "requests_per_minute": rate.requests,
                "tokens_per_minute": rate.tokens,
                "parallel_calls": rate.parallel,
            }
            for rate in grant.rates
        ],
        "limits": limits,
    }


def _least(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _limit(
    row: ApiKey, source: str, window: str, microusd: int | None, gpu_s: int | None, now: datetime.datetime
) -> dict[str, Any]:
    today = now.astimezone(datetime.UTC).date()
    starts = today if window == "day" else today.replace(day=1)
    scope = 0 if source == "account" else row.pk
    quota = Quota.objects.filter(customer=row.customer_id, key=scope, window=window, starts=starts).first() or Quota()
    return {
        "source": source,
        "window": window,
        "limit_usd": None if microusd is None else microusd / MICROUSD,
        "used_usd": quota.spent_microusd / MICROUSD,
        "reserved_usd": quota.reserved_microusd / MICROUSD,
        "limit_gpu_s": gpu_s,
        "used_gpu_s": quota.spent_gpu_ms / MS,
        "resets_at": _stamp(resets_at(window, now)),
    }


def _stamp(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def usage(grant: Grant, query: bytes) -> dict[str, Any]:
    """Return the use of a key's whole account by day, model and key. Raises ApiError 400.

    ``from`` and ``to`` are UTC days, both included; the last thirty days by default.
    """
    asked = parse_qs(query.decode("latin-1"), keep_blank_values=True)
    for name in asked:
        if name not in ("from", "to"):
            raise invalid(name, _("This API has no parameter “%(name)s”."), "unknown_parameter", name=name[:80])
    today = timezone.now().astimezone(datetime.UTC).date()
    last = _day(asked, "to", today)
    first = _day(asked, "from", last - datetime.timedelta(days=29))
    if not first <= last or (last - first).days >= MOST_DAYS:
        raise invalid("from", _("“from” is a day before “to”, at most a year."))
    if grant.customer_id in _adding_up:
        raise too_many("parallel", 1, {})
    _adding_up.add(grant.customer_id)
    try:
        return await in_thread(_usage, grant, first, last)
    finally:
        _adding_up.discard(grant.customer_id)


def _day(asked: dict[str, list[str]], name: str, default: datetime.date) -> datetime.date:
    if name not in asked:
        return default
    try:
        found = datetime.date.fromisoformat(asked[name][-1])
        if not FIRST_YEAR <= found.year <= LAST_YEAR:
            raise ValueError
    except ValueError as error:
        raise invalid(name, _("“%(name)s” is a day such as 2026-01-31."), name=name) from error
    return found


@transaction.atomic
def _usage(grant: Grant, first: datetime.date, last: datetime.date) -> dict[str, Any]:
    with connection.cursor() as cursor:
        # A report may not hold one of the few connections that calls need: past this it is a 503.
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [str(SLOWEST_MS)])
    rows = (
        UsageRecord.objects.counting()
        .filter(customer=grant.customer_id)
        .between(first, last)
        .values("day", "model", "key__public_id")
        .annotate(
            requests=Count("id"),
            prompt=Sum("prompt_tokens"),
            completion=Sum("completion_tokens"),
            cost=Sum("cost_microusd"),
            gpu=Sum("gpu_ms"),
            energy=Sum("energy_mj"),
        )
        .order_by("day", "model", "key__public_id")
    )
    data = [
        {
            "day": row["day"].isoformat(),
            "model": row["model"],
            "key": None if row["key__public_id"] is None else str(row["key__public_id"]),
            "requests": row["requests"],
            "prompt_tokens": row["prompt"],
            "completion_tokens": row["completion"],
            "cost_usd": row["cost"] / MICROUSD,
            "gpu_s": row["gpu"] / MS,
            "energy_j": row["energy"] / 1000,
        }
        for row in rows
    ]
    return {
        "object": "list",
        "from": first.isoformat(),
        "to": last.isoformat(),
        "data": data,
        "total_usd": round(sum(row["cost_usd"] for row in data), 6),
    }
