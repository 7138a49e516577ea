"""What is left of each limit, and what customers set themselves: a cap of their own, the limits of their keys.

Staff change limits in ``billing.quotas``.
"""

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils import timezone

from accounts.models import User
from billing.ledger import resets_at
from billing.models import ApiKey, Customer, Quota, UsageRecord
from compliance import audit

Unit = Literal["microusd", "gpu_ms"]
OF_A_MINUTE = ("requests_per_minute", "tokens_per_minute", "parallel_calls")
# The limits of a key that are compared with a quota: its field, window, unit, and how much of the unit one of it is.
OF_A_WINDOW: tuple[tuple[str, Quota.Window, Unit, int], ...] = (
    ("day_limit_microusd", Quota.Window.DAY, "microusd", 1),
    ("month_limit_microusd", Quota.Window.MONTH, "microusd", 1),
    ("day_gpu_s", Quota.Window.DAY, "gpu_ms", 1000),
    ("month_gpu_s", Quota.Window.MONTH, "gpu_ms", 1000),
)


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of a UTC day or month, in millionths of a dollar or milliseconds of a GPU. ``key`` None: the account's.

    ``reserved`` is what calls that are running may take at most.
    """

    key: ApiKey | None
    window: Quota.Window
    unit: Unit
    limit: int
    spent: int
    reserved: int
    resets_at: datetime.datetime

    @property
    def left(self) -> int:
        return max(0, self.limit - self.spent - self.reserved)

    @property
    def percent(self) -> int:
        """How much is used, in whole percent; 100 of a limit of nothing."""
        return min(100, self.spent * 100 // self.limit) if self.limit else 100


@dataclass(frozen=True, slots=True)
class Rate:
    """The limits of one minute, and what the last sixty seconds and the running calls took of them."""

    key: ApiKey | None
    requests: int
    tokens: int
    parallel: int
    requests_used: int
    tokens_used: int
    running: int


def month_cap(customer: Customer) -> int:
    """Return the most usage of a month in millionths of a dollar: the customer's own cap, never above the plan's."""
    own, of_plan = customer.month_limit_microusd, customer.plan.month_limit_microusd
    return of_plan if own is None else min(own, of_plan)


def of_account(customer: Customer, now: datetime.datetime) -> list[Limit]:
    """Return the account's limits: money in the month, GPU seconds in the day and the month."""
    quotas = _quotas(customer, now)
    return [
        _limit(quotas, None, Quota.Window.MONTH, "microusd", month_cap(customer), now),
        _limit(quotas, None, Quota.Window.DAY, "gpu_ms", customer.limit("day_gpu_s") * 1000, now),
        _limit(quotas, None, Quota.Window.MONTH, "gpu_ms", customer.limit("month_gpu_s") * 1000, now),
    ]


def of_keys(customer: Customer, keys: Iterable[ApiKey], now: datetime.datetime) -> list[Limit]:
    """Return the limits that keys have of their own."""
    quotas = _quotas(customer, now)
    return [
        _limit(quotas, key, window, unit, getattr(key, name) * size, now)
        for key in keys
        for name, window, unit, size in OF_A_WINDOW
        if getattr(key, name) is not None
    ]


def rates(customer: Customer, keys: Iterable[ApiKey], now: datetime.datetime) -> list[Rate]:
    """Return the limits of a minute: the account's first, then those of keys that have any.

    What was used is read from the ledger, which knows the calls that began. A call that still runs has no tokens yet.
    """
    since = now - datetime.timedelta(minutes=1)
    rows = (
        UsageRecord.objects.filter(customer_id=customer.pk, day__gte=(now - datetime.timedelta(days=1)).date())
        .filter(Q(started_at__gte=since) | Q(state=UsageRecord.State.RESERVED))
        .order_by()
        .values("key")
        .annotate(
            requests=Count("id", filter=Q(started_at__gte=since)),
            tokens=Sum("prompt_tokens", filter=Q(started_at__gte=since), default=0)
            + Sum("completion_tokens", filter=Q(started_at__gte=since), default=0),
            running=Count("id", filter=Q(state=UsageRecord.State.RESERVED)),
        )
    )
    used = {row["key"]: (row["requests"], row["tokens"], row["running"]) for row in rows}
    all_used = [sum(column) for column in zip(*used.values(), strict=True)] or [0, 0, 0]
    account = [customer.limit(name) for name in OF_A_MINUTE]
    found = [_rate(None, account, all_used)]
    for key in keys:
        own = [getattr(key, name) for name in OF_A_MINUTE]
        if own != [None, None, None]:
            held = [most if mine is None else min(mine, most) for mine, most in zip(own, account, strict=True)]
            found.append(_rate(key, held, used.get(key.pk, (0, 0, 0))))
    return found


def _rate(key: ApiKey | None, most: Sequence[int], used: Sequence[int]) -> Rate:
    (requests, tokens, parallel), (requests_used, tokens_used, running) = most, used
    return Rate(key, requests, tokens, parallel, requests_used, tokens_used, running)


@transaction.atomic
def set_cap(customer: Customer, microusd: int | None, *, actor: User | str) -> None:
    """Set or lift a customer's own cap of a month. Alerts begin anew, because they are shares of the cap."""
    locked = Customer.objects.select_for_update(no_key=True).select_related(None).get(pk=customer.pk)
    before, locked.month_limit_microusd = locked.month_limit_microusd, microusd
    if before == microusd:
        return
    locked.save(update_fields=["month_limit_microusd"])
    this_month = timezone.now().astimezone(datetime.UTC).date().replace(day=1)
    Quota.objects.filter(customer=locked, key=0, window=Quota.Window.MONTH, starts=this_month).update(alerted_percent=0)
    audit.record(
        "billing.cap-set",
        actor=actor,
        object_kind="customer",
        object_id=locked.public_id,
        before={"month_limit_microusd": before},
        after={"month_limit_microusd": microusd},
    )


@transaction.atomic
def change_key(key: ApiKey, *, actor: User | str, **fields: Any) -> bool:
    """Change fields of a key; False when nothing differs. The log says how many models and ranges, not which."""
    locked = ApiKey.objects.select_for_update().get(pk=key.pk)
    changed = {name: value for name, value in fields.items() if getattr(locked, name) != value}
    if not changed:
        return False
    before = {name: _noted(getattr(locked, name)) for name in changed}
    for name, value in changed.items():
        setattr(locked, name, value)
    locked.save(update_fields=list(changed))
    audit.record(
        "billing.key-changed",
        actor=actor,
        object_kind="key",
        object_id=locked.public_id,
        before=before,
        after={name: _noted(value) for name, value in changed.items()},
    )
    return True


def _noted(value: Any) -> str | int | None:
    match value:
        case None | int():
            return value
        case list():
            return len(value)
        case datetime.datetime():
            return value.strftime("%Y-%m-%dT%H-%M-%SZ")
    return "changed"  # a name is somebody's text


def _quotas(customer: Customer, now: datetime.datetime) -> dict[tuple[int, str], Quota]:
    today = now.astimezone(datetime.UTC).date()
    this_day = Q(window=Quota.Window.DAY, starts=today)
    this_month = Q(window=Quota.Window.MONTH, starts=today.replace(day=1))
    found = Quota.objects.filter(this_day | this_month, customer_id=customer.pk)
    return {(quota.key, quota.window): quota for quota in found}


def _limit(
    quotas: dict[tuple[int, str], Quota],
    key: ApiKey | None,
    window: Quota.Window,
    unit: Unit,
    limit: int,
    now: datetime.datetime,
) -> Limit:
    quota = quotas.get((key.pk if key else 0, window)) or Quota()
    spent, reserved = getattr(quota, f"spent_{unit}"), getattr(quota, f"reserved_{unit}")
    return Limit(key, window, unit, limit, spent, reserved, resets_at(window, now))
