"""The day that is over, compared every night: ledger with what we told the meter, that with what the provider has.

Quotas and lines are ``billing.audit_ledger``'s. What differs is written down with ids and numbers; nothing is mended.
"""

import datetime
import logging
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Sum

from billing import stripe_calls, stripe_client, subscriptions
from billing.errors import PaymentsAway
from billing.models import MeterSend, Reconciliation, Subscription, UsageRecord

logger = logging.getLogger(__name__)
USAGE, METER = "usage", "meter"
# The provider adds up in its own time, and a day's last hour is told five minutes after it.
NOT_BEFORE = datetime.timedelta(hours=3)
DAY = datetime.timedelta(days=1)
MOST_DETAILS = 100


@dataclass
class Comparison:
    """How many customers were looked at, and those for whom both sides are not the same."""

    compared: int = 0
    details: list[dict[str, Any]] = field(default_factory=list)

    def add(self, customer: object, expected: int, found: int) -> None:
        self.compared += 1
        if expected != found:
            self.details.append({"customer": str(customer), "expected": expected, "found": found})

    def write(self, kind: str, day: datetime.date) -> Reconciliation:
        """Keep what was found."""
        if self.details:
            logger.error("%s of %s: %d of %d customers differ", kind, day, len(self.details), self.compared)
        return Reconciliation.objects.create(
            day=day,
            kind=kind,
            compared=self.compared,
            differing=len(self.details),
            difference_microusd=max((abs(each["expected"] - each["found"]) for each in self.details), default=0),
            details=self.details[:MOST_DETAILS],
        )


def run_once_a_day(now: datetime.datetime) -> list[Reconciliation]:
    """Compare yesterday unless that was done, and read every subscription again. Nothing before three in the morning.

    While the provider is away its part waits for the next round.
    """
    day = (now - DAY).astimezone(datetime.UTC).date()
    if now - _begin(now.date()) < NOT_BEFORE:
        return []
    done = set(Reconciliation.objects.filter(day=day).values_list("kind", flat=True))
    made = [] if USAGE in done else [compare_usage(day).write(USAGE, day)]
    if METER in done or not stripe_client.enabled():
        return made
    try:
        found = compare_meter(day)
    except PaymentsAway as error:
        logger.warning("meter of %s not compared: %s", day, error.code)
        return made
    subscriptions.refresh_all()
    return [*made, found.write(METER, day)]


def compare_usage(day: datetime.date) -> Comparison:
    """Compare what each customer's calls of a UTC day cost with what was written to be told of them."""
    found = Comparison()
    begins, ends = _begin(day), _begin(day) + DAY
    bought = Subscription.objects.filter(plan__metered=True, customer__stripe_customer_id__isnull=False)
    for row in bought.filter(started_at__lt=ends, metered_until__gt=begins).select_related("customer"):
        since, until = max(begins, row.started_at), min(ends, row.metered_until)
        sends = MeterSend.objects.filter(customer=row.customer, until__gt=since, until__lte=until)
        lines = UsageRecord.objects.counting().filter(
            customer=row.customer, settled_at__gte=since, settled_at__lt=until
        )
        expected = (lines.aggregate(sum=Sum("cost_microusd"))["sum"] or 0) + _moved(row, sends, lines)
        found.add(row.customer.public_id, expected, sends.aggregate(sum=Sum("microusd"))["sum"] or 0)
    return found


def _moved(row: Subscription, sends: Any, lines: Any) -> int:
    """Return what of the day's sends belongs to lines that settled on another day, less what another day told of ours.

    Both are calls that the sweeper had given up.
    """
    early: dict[str, int] = {}
    for swept in sends.exclude(swept={}).values_list("swept", flat=True):
        early |= swept
    everything: dict[str, int] = {}
    for swept in MeterSend.objects.filter(customer=row.customer).exclude(swept={}).values_list("swept", flat=True):
        everything |= swept
    ours = {str(found) for found in lines.filter(request_id__in=everything).values_list("request_id", flat=True)}
    left = sum(cost for request_id, cost in early.items() if request_id not in ours)
    came = sum(cost for request_id, cost in everything.items() if request_id in ours and request_id not in early)
    return left - came


def compare_meter(day: datetime.date) -> Comparison:
    """Compare what we told the meter of a UTC day with what it has. Raises PaymentsAway."""
    found = Comparison()
    begins = _begin(day)
    sent = MeterSend.objects.filter(state=MeterSend.State.SENT, until__gt=begins, until__lte=begins + DAY)
    sums = sent.values("customer__public_id", "customer__stripe_customer_id").annotate(sum=Sum("microusd")).order_by()
    meter = stripe_calls.meter_id() if sums else ""
    for each in sums:
        known = each["customer__stripe_customer_id"]
        told = stripe_calls.usage_told(meter, known, day) if meter and known else 0
        found.add(each["customer__public_id"], each["sum"], told)
    return found


def _begin(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)
