"""How many GPU seconds and how much money may be spent: by everybody, by each class, by each person, in a UTC day or
month. Defaults come from the environment; what staff edited stays as they left it.

The caps of the three classes together stay within the cap of everybody. So what one class may spend, no other can
take: paying use cannot be blocked by free use, nor free use below its cap by paying use.
"""

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from compliance import audit
from inference import gpu_ledger
from inference.errors import LimitsDoNotAddUp, LimitTooHigh
from inference.models import AskerClass, GpuLimit

Scope = GpuLimit.Scope
Window = GpuLimit.Window
MICROUSD_PER_CENT = 10_000
# One person's month, in days at the daily cap: who reaches the daily cap ten times has had a month's fair share.
PERSON_DAYS_A_MONTH = 10
# What staff may allow at most: a month has no more seconds, and no site like this one spends 100,000 US dollars in one.
MOST_SECONDS = 31 * 86_400
MOST_USD_CENTS = 10_000_000


class Reason(models.TextChoices):
    """Why a cap is changed."""

    DEMAND = "demand", _("more or less demand")
    PRICE = "price", _("the price changed")
    INCIDENT = "incident", _("an incident")
    TRIAL = "trial", _("a trial")
    OTHER = "other", _("something else, see the reference")


@dataclass(frozen=True, slots=True)
class Cap:
    """At most so many GPU seconds and millionths of a US dollar in one window."""

    scope: str
    window: str
    seconds: int
    usd_cents: int

    @property
    def microusd(self) -> int:
        return self.usd_cents * MICROUSD_PER_CENT

    def begins(self, day: datetime.date) -> datetime.date:
        """Return the first UTC day of the window that ``day`` lies in."""
        return day if self.window == Window.DAY else day.replace(day=1)

    def resets_at(self, day: datetime.date) -> datetime.datetime:
        """Return the moment at which the window after that of ``day`` begins."""
        if self.window == Window.DAY:
            following = day + datetime.timedelta(days=1)
        else:
            # Day 28 exists in every month, and four days later it is the next one.
            following = (day.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
        return datetime.datetime(following.year, following.month, following.day, tzinfo=datetime.UTC)


def defaults() -> list[Cap]:
    """Return the caps that the environment sets: ``LLM_GPU_PAYING_SHARE`` of all is kept for paying customers, the
    rest is for signed-in people; visitors wake nothing."""
    day_s, month_s = settings.LLM_GPU_DAY_S, settings.LLM_GPU_MONTH_S
    month_cents = round(settings.LLM_GPU_MONTH_USD * 100)
    person_s = settings.LLM_GPU_PERSON_DAY_S
    paying = settings.LLM_GPU_PAYING_SHARE
    caps: list[Cap] = []
    for window, seconds, person in (
        (Window.DAY, day_s, person_s),
        (Window.MONTH, month_s, min(month_s, person_s * PERSON_DAYS_A_MONTH)),
    ):
        cents = month_cents * seconds // month_s if month_s else 0
        kept_s, kept_cents = int(seconds * paying), int(cents * paying)
        caps += [
            Cap(Scope.ALL, window, seconds, cents),
            Cap(Scope.PAYING, window, kept_s, kept_cents),
            Cap(Scope.SIGNED_IN, window, seconds - kept_s, cents - kept_cents),
            Cap(Scope.ANONYMOUS, window, 0, 0),
            Cap(Scope.PERSON, window, person, month_cents * person // month_s if month_s else 0),
        ]
    return caps


def sync() -> None:
    """Write the environment's caps to the rows that staff have not edited, missing ones included. For the start."""
    for cap in defaults():
        values = {"seconds": cap.seconds, "usd_cents": cap.usd_cents}
        row, new = GpuLimit.objects.get_or_create(scope=cap.scope, window=cap.window, defaults=values)
        if not new:
            GpuLimit.objects.filter(pk=row.pk, edited_at=None).exclude(**values).update(**values)


def caps(scopes: Iterable[str]) -> list[Cap]:
    """Return the caps in force; a row that is missing is as the environment says, never without a cap."""
    wanted = set(scopes)
    rows = {(row.scope, row.window): row for row in GpuLimit.objects.filter(scope__in=wanted)}
    return [
        Cap(cap.scope, cap.window, row.seconds, row.usd_cents) if (row := rows.get((cap.scope, cap.window))) else cap
        for cap in defaults()
        if cap.scope in wanted
    ]


@transaction.atomic
def change(limit: GpuLimit, *, seconds: int, usd_cents: int, reason: str, reference: str, actor: audit.Person) -> None:
    """Set a cap, with who, why, before and after in the audit log. Holds from the next reservation on.

    Raises LimitTooHigh above ``MOST_SECONDS`` or ``MOST_USD_CENTS``, and LimitsDoNotAddUp when the classes could
    together spend more than everybody may.
    """
    if seconds > MOST_SECONDS or usd_cents > MOST_USD_CENTS:
        raise LimitTooHigh
    gpu_ledger.lock()
    row = GpuLimit.objects.get(pk=limit.pk)
    before: dict[str, audit.Value] = {"seconds": row.seconds, "usd_cents": row.usd_cents}
    row.seconds, row.usd_cents, row.edited_at = seconds, usd_cents, timezone.now()
    row.save(update_fields=["seconds", "usd_cents", "edited_at"])
    above = above_everybody(row.window)
    if above:
        raise LimitsDoNotAddUp(window=row.window, seconds=above.seconds, usd_cents=above.usd_cents)
    audit.record(
        "inference.gpu-limit-change",
        actor=actor,
        object_kind="gpu_limit",
        object_id=f"{row.scope}/{row.window}",
        before=before,
        after={"seconds": seconds, "usd_cents": usd_cents},
        reason=reason,
        reference=reference,
    )


def above_everybody(window: str, wanted: Cap | None = None) -> Cap | None:
    """Return by how much the classes together are above the cap of everybody, with ``wanted`` in place of the cap it
    names; None while they are not."""
    found = {cap.scope: cap for cap in caps([Scope.ALL, *AskerClass.values]) if cap.window == window}
    if wanted and wanted.scope in found:
        found[wanted.scope] = wanted
    everybody = found.pop(Scope.ALL)
    seconds = sum(cap.seconds for cap in found.values()) - everybody.seconds
    cents = sum(cap.usd_cents for cap in found.values()) - everybody.usd_cents
    return Cap(Scope.ALL, window, max(0, seconds), max(0, cents)) if seconds > 0 or cents > 0 else None
