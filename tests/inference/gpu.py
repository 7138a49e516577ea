"""Wakes and caps for the tests of the budget: round periods, one moment, three people."""

import datetime
import uuid
from typing import Any

from django.db.models import Sum

from inference import budget
from inference.models import AskerClass, GpuLedgerEntry, GpuLimit, Wake

PAYING, SIGNED_IN, ANONYMOUS = AskerClass.PAYING, AskerClass.SIGNED_IN, AskerClass.ANONYMOUS
NOON = datetime.datetime(2026, 11, 21, 12, 0, tzinfo=datetime.UTC)
ALICE, BOB, CAROL = uuid.UUID(int=1), uuid.UUID(int=2), uuid.UUID(int=3)


def set_round_periods(settings: Any) -> None:
    """A wake's hard limit is 600 s, an answer's 300 s, an hour costs a dollar, half is kept for paying customers."""
    settings.LLM_GPU_WAKE_TIMEOUT_S = 300.0
    settings.LLM_GPU_ANSWER_MAX_S = 120.0
    settings.LLM_GPU_IDLE_S = 110.0
    settings.LLM_GPU_SWITCH_S = 60.0
    settings.LLM_GPU_GRANULE_S = 10.0
    settings.LLM_GPU_USD_PER_HOUR = 1.0
    settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S = 7200, 180_000
    settings.LLM_GPU_MONTH_USD = 1000.0
    settings.LLM_GPU_PAYING_SHARE = 0.5
    settings.LLM_GPU_PERSON_DAY_S = 3600


def after(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


def cap(scope: str, window: str, *, seconds: int, usd_cents: int = 1_000_000) -> None:
    GpuLimit.objects.update_or_create(
        scope=scope, window=window, defaults={"seconds": seconds, "usd_cents": usd_cents, "edited_at": NOON}
    )


def woken(
    asker_class: str = SIGNED_IN,
    subject: uuid.UUID | None = ALICE,
    *,
    at: datetime.datetime = NOON,
    backend: str = "gpu",
) -> Wake:
    wake = Wake.objects.create(backend=backend, asker_class=asker_class, requested_at=at)
    budget.reserve(wake, asker_class, subject, now=at)
    return wake


def slept(wake: Wake, *, at: datetime.datetime, billed_s: int | None) -> None:
    wake.refresh_from_db()
    wake.state, wake.ended_at, wake.billed_s = Wake.State.ASLEEP, at, billed_s
    wake.save()
    budget.settle(wake, now=at)


def held(**what: object) -> int:
    return GpuLedgerEntry.objects.filter(**what).aggregate(sum=Sum("seconds"))["sum"] or 0


def money(**what: object) -> int:
    return GpuLedgerEntry.objects.filter(**what).aggregate(sum=Sum("microusd"))["sum"] or 0
