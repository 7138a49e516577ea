"""Mail about the month's usage: at a half, at four fifths and at the end of what a customer may use.

The quota's row is the job: ``alerted_percent`` is the highest share that was told, set by a guarded update in the
transaction of the mail, so no share is told twice in a month.
"""

import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import BigIntegerField, Case, F, Value, When
from django.db.models.functions import Coalesce, Least
from django.urls import reverse
from django.utils import timezone

from accounts import mailqueue
from accounts.models import User
from billing.ledger import resets_at
from billing.limits import month_cap
from billing.models import Quota

MAIL = "usage-alert"
# What is told, and from which percent on. A call is refused when its worst case does not fit, so the last percent of a
# budget is seldom spent: who has less than that left has reached the end of it.
STEPS = {100: 99, 80: 80, 50: 50}
AT_ONCE = 500


def check(now: datetime.datetime) -> int:
    """Queue a mail for each customer whose month has reached a further step. Returns how many."""
    month = now.astimezone(datetime.UTC).date().replace(day=1)
    most = F("customer__plan__month_limit_microusd")
    reached = Case(
        *(When(spent_microusd__gte=F("most") * percent / 100, then=Value(step)) for step, percent in STEPS.items()),
        default=Value(0),
    )
    due = (
        Quota.objects.filter(key=0, window=Quota.Window.MONTH, starts=month, spent_microusd__gt=0)
        .filter(alerted_percent__lt=max(STEPS))
        .annotate(most=Least(Coalesce("customer__month_limit_microusd", most), most, output_field=BigIntegerField()))
        .annotate(reached=reached)
        .filter(reached__gt=F("alerted_percent"))
        .select_related("customer__user")
    )
    return sum(_tell(quota, quota.reached) for quota in due[:AT_ONCE])


@transaction.atomic
def _tell(quota: Quota, step: int) -> bool:
    claimed = Quota.objects.filter(pk=quota.pk, alerted_percent__lt=step).update(alerted_percent=step)
    person = quota.customer.user
    if not claimed or person is None or not person.is_active:
        return False
    mailqueue.queue(person, MAIL, f"{quota.pk}:{step}")
    return True


def context(user: User, object_id: str) -> dict[str, Any] | None:
    """Return what the mail says, as it is when it is sent; None when the month is over or the quota is gone."""
    now = timezone.now()
    pk, _, step = object_id.partition(":")
    quota = Quota.objects.select_related("customer__plan").filter(pk=pk, customer__user=user).first()
    if quota is None or quota.starts < now.astimezone(datetime.UTC).date().replace(day=1):
        return None
    return {
        "percent": int(step),
        "used_up": int(step) == max(STEPS),
        "month": quota.starts,
        "spent": quota.spent_microusd,
        "limit": month_cap(quota.customer),
        "resets_at": resets_at(quota.window, now),
        "url": f"{settings.CHAT_URL}{reverse('billing:limits')}",
    }
