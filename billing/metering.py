"""What was used, told to the payment provider: one sum for each customer and UTC hour, once.

A sum is of the ledger's lines that were settled in the hour, so a call that is settled late counts in its own. The row
is written under the customer's lock, which settling takes too, five minutes after the hour, when no settlement that
began in it can still be under way. Its identifier is made of customer and end, so a repeated send counts once there.

A call that the sweeper gave up and that settled after all has moved to a later hour: what was told of it is taken off.
"""

import datetime
import logging

from django.db import transaction
from django.db.models import F, Sum
from django.db.models.functions import Now, TruncHour

from billing import stripe_calls, stripe_client
from billing.errors import PaymentRefused, PaymentsAway
from billing.models import Customer, MeterSend, Subscription, UsageRecord

logger = logging.getLogger(__name__)
State = MeterSend.State
HOUR = datetime.timedelta(hours=1)
CLOSED_AFTER = datetime.timedelta(minutes=5)
# The provider takes nothing older than 35 days; a day before that, sending is given up and staff are told.
TOO_OLD = datetime.timedelta(days=34)
LEASE = datetime.timedelta(minutes=2)
LONGEST_PAUSE_S = 3600
MOST_AT_ONCE = 500


def close_hours(now: datetime.datetime) -> int:
    """Write the sums of all hours that are over and not summed. Returns how many rows that made."""
    ends = _hour(now - CLOSED_AFTER)
    behind = Subscription.objects.filter(plan__metered=True, customer__stripe_customer_id__isnull=False)
    behind = behind.exclude(status__in=Subscription.NEVER_PAID_FOR)
    behind = behind.filter(metered_until__lt=now - CLOSED_AFTER).exclude(ended_at__lte=F("metered_until"))
    return sum(_close(pk, now, ends) for pk in behind.values_list("pk", flat=True))


def _close(pk: int, now: datetime.datetime, ends: datetime.datetime) -> int:
    with transaction.atomic():
        customer_id = Subscription.objects.values_list("customer", flat=True).get(pk=pk)
        Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
        row = Subscription.objects.get(pk=pk)
        if row.ended_at is not None and row.ended_at <= now - CLOSED_AFTER:
            return _sum(row, row.ended_at)
        return _sum(row, ends) if ends > row.metered_until else 0


def close_ended(customer: Customer, row: Subscription) -> int:
    """Write what is left of a subscription that is over, before another takes its row. Under the customer's lock."""
    return _sum(row, row.ended_at) if row.ended_at is not None and row.plan.metered else 0


def _sum(row: Subscription, ends: datetime.datetime) -> int:
    """Write the sums of a customer from where they ended up to ``ends``, and remember that."""
    begins = row.metered_until
    if ends <= begins:
        return 0
    lines = UsageRecord.objects.counting().filter(customer=row.customer_id, settled_at__gte=begins, settled_at__lt=ends)
    sums = lines.annotate(hour=TruncHour("settled_at", tzinfo=datetime.UTC)).values("hour").order_by("hour")
    told = _told_already(row.customer_id, begins, ends)
    made = 0
    for found in sums.annotate(microusd=Sum("cost_microusd")):
        hour, until = found["hour"], min(found["hour"] + HOUR, ends)
        microusd = found["microusd"] - told.get(hour, 0)
        if microusd:
            made += _write(row.customer, hour, until, microusd, begins)
    Subscription.objects.filter(pk=row.pk).update(metered_until=ends)
    return made


def _write(
    customer: Customer,
    hour: datetime.datetime,
    until: datetime.datetime,
    microusd: int,
    begins: datetime.datetime,
) -> int:
    swept = UsageRecord.objects.filter(
        customer=customer,
        state=UsageRecord.State.SWEPT,
        settled_at__gte=max(hour, begins),
        settled_at__lt=until,
        cost_microusd__gt=0,
    )
    _row, new = MeterSend.objects.get_or_create(
        identifier=f"{customer.public_id.hex}-{until:%Y%m%dT%H%M%SZ}",
        defaults={
            "customer": customer,
            "hour": hour,
            "until": until,
            "microusd": microusd,
            "due_at": until,
            "swept": {str(line.request_id): line.cost_microusd for line in swept},
        },
    )
    return int(new)


def _told_already(customer_id: int, begins: datetime.datetime, ends: datetime.datetime) -> dict[datetime.datetime, int]:
    """Return what was told, in an earlier hour, of calls that settled after all between ``begins`` and ``ends``."""
    told: dict[str, int] = {}
    for swept in MeterSend.objects.filter(customer=customer_id).exclude(swept={}).values_list("swept", flat=True):
        told |= swept
    found: dict[datetime.datetime, int] = {}
    moved = UsageRecord.objects.filter(request_id__in=told, settled_at__gte=begins, settled_at__lt=ends)
    for line in moved.exclude(state=UsageRecord.State.SWEPT):
        assert line.settled_at is not None
        hour = _hour(line.settled_at)
        found[hour] = found.get(hour, 0) + told[str(line.request_id)]
    return found


def send_due(now: datetime.datetime) -> int:
    """Tell the provider what it has not confirmed. Returns how many it took; nothing while payments are off."""
    if not stripe_client.enabled():
        return 0
    sent = 0
    for pk in MeterSend.objects.due(now).values_list("pk", flat=True)[:MOST_AT_ONCE]:
        try:
            sent += _send(pk, now)
        except PaymentsAway:
            break  # what else is due would meet the same silence
    return sent


def _send(pk: int, now: datetime.datetime) -> bool:
    pending = MeterSend.objects.filter(pk=pk, state=State.PENDING)
    if not pending.filter(due_at__lte=now).update(tries=F("tries") + 1, due_at=now + LEASE):
        return False
    row = MeterSend.objects.select_related("customer").get(pk=pk)
    if not row.customer.stripe_customer_id:
        return bool(pending.update(state=State.VOID, problem="no_customer")) and False
    if row.until < now - TOO_OLD:
        pending.update(state=State.FAILED, problem="too_old")
        logger.error("usage %d given up: older than the provider takes", pk)
        return False
    try:
        stripe_calls.report_usage(row, row.customer.stripe_customer_id)
    except PaymentsAway as error:
        # A refusal too: a meter or a customer that somebody has switched off there may be put right.
        pause_s = min(30 * 2 ** min(row.tries - 1, 10), LONGEST_PAUSE_S)
        pending.update(problem=(str(error) or error.code)[:60], due_at=now + datetime.timedelta(seconds=pause_s))
        logger.warning("usage %d not told, try %d: %s", pk, row.tries, error.code)
        if not isinstance(error, PaymentRefused):
            raise
        return False
    return bool(pending.update(state=State.SENT, sent_at=Now(), problem=""))


def _hour(moment: datetime.datetime) -> datetime.datetime:
    return moment.astimezone(datetime.UTC).replace(minute=0, second=0, microsecond=0)
