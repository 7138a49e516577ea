"""What about calls, payments and keys needs an operator now."""

import datetime

from django.conf import settings
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing import audit_ledger
from billing.models import ApiKey, MeterSend, Plan, Reconciliation, StripeEvent, UsageRecord
from compliance.alarms import alarm

ROUNDS = 4
WEBHOOK_LATE = datetime.timedelta(minutes=15)
METER_LATE = datetime.timedelta(hours=24)
CHECK_LATE = datetime.timedelta(hours=26)


def unsettled_since(now: datetime.datetime) -> datetime.datetime:
    """Return the moment before which a call that still has its reservation should have been swept."""
    return now - datetime.timedelta(seconds=settings.API_ORPHAN_S + max(60, ROUNDS * settings.BILLING_SWEEP_S))


@alarm("billing.unsettled")
def unsettled() -> list[str | Promise]:
    """Reservations that the sweeper should have settled: their customers have less than they paid for."""
    count = UsageRecord.objects.reserved().filter(started_at__lt=unsettled_since(timezone.now())).count()
    if not count:
        return []
    words = ngettext(
        "%(count)d call of the API is not settled, and the sweeper does not do it: look at the worker.",
        "%(count)d calls of the API are not settled, and the sweeper does not do it: look at the worker.",
        count,
    )
    return [words % {"count": count}]


@alarm("billing.webhooks")
def webhooks_failed() -> list[str | Promise]:
    """Webhooks that failed, or that nobody has applied for a quarter of an hour."""
    late = Q(state=StripeEvent.State.RECEIVED, received_at__lt=Now() - WEBHOOK_LATE)
    count = StripeEvent.objects.filter(Q(state=StripeEvent.State.FAILED) | late).count()
    if not count:
        return []
    words = ngettext(
        "%(count)d webhook of Stripe had no effect: replay it in the admin.",
        "%(count)d webhooks of Stripe had no effect: replay them in the admin.",
        count,
    )
    return [words % {"count": count}]


@alarm("billing.meter")
def usage_not_told() -> list[str | Promise]:
    """Hours of usage that Stripe refused, or has not heard of for a day: it takes none older than 34 days."""
    late = Q(state=MeterSend.State.PENDING, hour__lt=Now() - METER_LATE)
    count = MeterSend.objects.filter(Q(state=MeterSend.State.FAILED) | late).count()
    if not count:
        return []
    words = ngettext(
        "Stripe does not know of %(count)d hour of a customer’s usage: it will not be billed.",
        "Stripe does not know of %(count)d hours of customers’ usage: they will not be billed.",
        count,
    )
    return [words % {"count": count}]


@alarm("billing.reconciliation")
def differing() -> list[str | Promise]:
    """The last comparison of each kind that found a difference."""
    newest = Reconciliation.objects.order_by("kind", "-id").distinct("kind")
    return [
        _("%(differing)d of %(compared)d sums differ (%(kind)s, %(day)s): see the reconciliations.")
        % {"differing": row.differing, "compared": row.compared, "kind": row.kind, "day": row.day}
        for row in newest
        if row.differing
    ]


@alarm("billing.ledger-unchecked")
def unchecked() -> list[str | Promise]:
    """A ledger with lines that nobody has compared with its quotas for over a day."""
    old = Now() - CHECK_LATE
    if Reconciliation.objects.filter(kind=audit_ledger.KIND, at__gt=old).exists():
        return []
    if not UsageRecord.objects.filter(started_at__lt=old).exists():
        return []
    return [_("The usage ledger was not checked for 26 hours: look at the worker.")]


@alarm("billing.peppers")
def keys_without_pepper() -> list[str | Promise]:
    """Keys that nobody can use because the pepper they are kept under was taken out of the environment."""
    count = ApiKey.objects.working().exclude(pepper_id__in=list(settings.API_KEY_PEPPERS)).count()
    if not count:
        return []
    words = ngettext(
        "%(count)d API key is kept under a pepper that is not there: see API_KEY_PEPPERS_OLD.",
        "%(count)d API keys are kept under a pepper that is not there: see API_KEY_PEPPERS_OLD.",
        count,
    )
    return [words % {"count": count}]


@alarm("billing.plans")
def plans_without_price() -> list[str | Promise]:
    """Plans that newcomers are offered and cannot buy."""
    if not settings.STRIPE_SECRET_KEY:
        return []
    paid = Plan.objects.offered().exclude(month_cents=0, metered=False)
    lacking = paid.filter(Q(stripe_price_id="") & Q(month_cents__gt=0) | Q(stripe_usage_price_id="", metered=True))
    return [
        _("The plan %(plan)s has no price at Stripe: run manage.py stripe_setup.") % {"plan": plan.slug}
        for plan in lacking
    ]
