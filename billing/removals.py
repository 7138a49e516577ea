"""Customers whose account was erased, removed at the payment provider too. Rows are jobs, tried until they are done.

The subscription ends at once, with a last invoice for what was used; the customer is deleted days later, when the usage
of the last hour is told and that invoice is written. The provider keeps its invoices, as the law wants.
"""

import datetime
import logging

from django.db.models import F
from django.db.models.functions import Now

from billing import stripe_calls, stripe_client, subscriptions
from billing.errors import BillingError, PaymentsAway, PaymentsOff
from billing.models import CustomerRemoval, Subscription

logger = logging.getLogger(__name__)
State = CustomerRemoval.State
LAST_INVOICE = datetime.timedelta(days=3)
KEPT = datetime.timedelta(days=30)
LEASE = datetime.timedelta(minutes=5)
LONGEST_PAUSE_S = 6 * 3600
MOST_AT_ONCE = 50


def work_off() -> int:
    """Do what is due. Returns how many steps were taken. Nothing while payments are off: the rows wait."""
    if not stripe_client.enabled():
        return 0
    due = CustomerRemoval.objects.exclude(state=State.DONE).filter(due_at__lte=Now()).order_by("due_at")
    return sum(_step(pk) for pk in due.values_list("pk", flat=True)[:MOST_AT_ONCE])


def forget_done() -> int:
    """Delete the rows of removals that were asked for ``KEPT`` ago and are done. Returns how many."""
    return CustomerRemoval.objects.filter(state=State.DONE, created_at__lt=Now() - KEPT).delete()[0]


def _step(pk: int) -> bool:
    claimed = CustomerRemoval.objects.filter(pk=pk, due_at__lte=Now()).exclude(state=State.DONE)
    if not claimed.update(tries=F("tries") + 1, due_at=Now() + LEASE):
        return False
    row = CustomerRemoval.objects.get(pk=pk)
    same = CustomerRemoval.objects.filter(pk=pk, state=row.state)
    try:
        if row.state == State.REQUESTED:
            _end(row.stripe_customer_id)
            return bool(same.update(state=State.ENDED, tries=0, problem="", due_at=Now() + LAST_INVOICE))
        stripe_calls.delete_customer(row.stripe_customer_id)
        return bool(same.update(state=State.DONE, problem=""))
    except (PaymentsAway, PaymentsOff) as error:
        pause_s = min(60 * 2 ** min(row.tries, 10), LONGEST_PAUSE_S)
        same.update(problem=(str(error) or error.code)[:60], due_at=Now() + datetime.timedelta(seconds=pause_s))
        logger.warning("removal %d put off after %d tries: %s", pk, row.tries, error.code)
        return False


def _end(stripe_customer_id: str) -> None:
    running = Subscription.objects.filter(customer__stripe_customer_id=stripe_customer_id)
    held = running.exclude(status__in=subscriptions.OVER).first()
    if held is None:
        return
    stripe_calls.end_now(held.stripe_id)
    try:
        subscriptions.apply(stripe_client.read_subscription(held.stripe_id))
    except (PaymentsAway, PaymentsOff):
        raise
    except BillingError as error:
        logger.warning("removal: %s not applied: %s", held.stripe_id, error.code)
