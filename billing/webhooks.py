"""Messages of the payment provider: each acted on once, in whatever order and however often they come.

The id of a message is unique and written in the transaction of its effect. What a message is about is read from the
provider, before that transaction, so the state applied is the newest whatever the order of the messages. An answer of
2xx means that the effect is committed; while the provider or the database is away it is asked to come again.
"""

import datetime
import logging
from collections.abc import Callable

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from billing import stripe_client, subscriptions
from billing.errors import BillingError, PaymentRefused, PaymentsAway, PaymentsOff
from billing.models import Customer, StripeEvent
from billing.stripe_client import Event

logger = logging.getLogger(__name__)
State = StripeEvent.State
KEPT = datetime.timedelta(days=90)
Effect = Callable[[], object]

SUBSCRIPTIONS = ("checkout.session.completed", "customer.subscription.", "subscription_schedule.")
INVOICES = (
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_",
    "invoice.updated",
    "invoice.voided",
    "invoice.marked",
)
# The provider could not use something we sent: nothing to read again, somebody has to look.
TROUBLE = ("v1.billing.meter.error_report_triggered", "v1.billing.meter.no_meter_found")


def receive(payload: bytes, signature: str) -> str:
    """Act on a message once and return its state. Raises BadWebhook; PaymentsAway when it is to come again."""
    event = stripe_client.read_event(payload, signature)
    held = StripeEvent.objects.filter(event_id=event.id).values_list("state", flat=True).first()
    if held in (State.APPLIED, State.IGNORED):
        return str(held)
    return _act(event)


def replay(row: StripeEvent) -> str:
    """Act on a message again, whatever became of it, and return its state.

    For staff who have put right what was wrong. Raises PaymentsAway, PaymentsOff.
    """
    StripeEvent.objects.filter(pk=row.pk).update(state=State.RECEIVED)
    return _act(Event(row.event_id, row.kind, row.object_id, row.stripe_customer_id, row.created_at))


def forget_old() -> int:
    """Delete messages that were dealt with ``KEPT`` ago; the provider repeats one for three days. Returns how many."""
    dealt_with = StripeEvent.objects.filter(state__in=(State.APPLIED, State.IGNORED))
    return dealt_with.filter(received_at__lt=Now() - KEPT).delete()[0]


def _act(event: Event) -> str:
    """Read what the message is about, then apply it and mark its row in one transaction."""
    if event.kind in TROUBLE:
        logger.error("the provider could not use what it was told: %s", event.kind)
        return _mark(event, State.FAILED, "see_provider")
    try:
        effects = _effects(event)
    except (PaymentsAway, PaymentsOff) as error:
        _mark(event, State.FAILED, str(error) or error.code)
        if isinstance(error, PaymentRefused):
            return State.FAILED
        raise
    if not effects:
        return _mark(event, State.IGNORED)
    try:
        with transaction.atomic():
            if not _take(event):
                return State.APPLIED
            for effect in effects:
                effect()
    except subscriptions.NotOurs:
        return _mark(event, State.IGNORED)
    except BillingError as error:
        # Asking again would change nothing: staff look, and replay it.
        logger.error("message %s of %s not applied: %s", event.id, event.kind, error.code)
        return _mark(event, State.FAILED, str(error) or error.code)
    return State.APPLIED


def _effects(event: Event) -> list[Effect]:
    """Return what is to be done, with everything read that it needs; nothing for a message that is not for us."""
    if event.customer and not Customer.objects.filter(stripe_customer_id=event.customer).exists():
        return []  # somebody else's on the same account: ours are known before they can buy
    if event.kind.startswith(SUBSCRIPTIONS) and event.object_id:
        read = stripe_client.read_subscription(event.object_id)
        return [lambda: subscriptions.apply(read)]
    if event.kind.startswith(INVOICES):
        invoice = stripe_client.read_invoice(event.object_id)
        if not invoice.subscription:
            return [lambda: subscriptions.apply_invoice(invoice)]
        bought = stripe_client.read_subscription(invoice.subscription)
        return [lambda: subscriptions.apply_invoice(invoice), lambda: subscriptions.apply(bought)]
    return []


def _take(event: Event) -> bool:
    """Write the message's row as applied; False when somebody else has, in which case they have finished."""
    row, new = StripeEvent.objects.get_or_create(event_id=event.id, defaults=_values(event))
    fresh = (
        StripeEvent.objects.filter(pk=row.pk)
        if new
        else StripeEvent.objects.filter(pk=row.pk).exclude(state=State.APPLIED)
    )
    return bool(fresh.update(state=State.APPLIED, applied_at=Now(), tries=F("tries") + 1, problem=""))


def _mark(event: Event, state: StripeEvent.State, problem: str = "") -> str:
    """Keep what became of a message, unless it was applied meanwhile."""
    with transaction.atomic():
        row, _new = StripeEvent.objects.get_or_create(event_id=event.id, defaults=_values(event))
        open_rows = StripeEvent.objects.filter(pk=row.pk).exclude(state=State.APPLIED)
        open_rows.update(state=state, tries=F("tries") + 1, problem=problem[:60])
    return str(state)


def _values(event: Event) -> dict[str, object]:
    return {
        "kind": event.kind,
        "object_id": event.object_id,
        "stripe_customer_id": event.customer,
        "created_at": event.created_at,
    }
