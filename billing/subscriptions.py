"""Plans that are paid for: bought, changed, ended, and what each means for what a customer may.

The provider's word holds. What it says is read from it, never taken from a message, and applied under the customer's
lock; a reading that began earlier never overwrites one that began later. Every change there sends a message, and the
reading that follows it began after the change: so the last one applied is the newest state.
"""

import datetime
import logging

from django.db import transaction

from accounts import mailqueue
from billing import metering, quotas, stripe_calls, stripe_client
from billing.errors import BillingError, NotAllowed, PaymentRefused, PaymentsAway
from billing.models import Customer, CustomerRemoval, Invoice, Plan, Subscription
from billing.stripe_client import InvoiceRead, SubscriptionRead
from compliance import audit

logger = logging.getLogger(__name__)
Status = Subscription.Status
OVER = (Status.CANCELED, Status.INCOMPLETE_EXPIRED)
UNPAID_MAIL, OVERDUE_MAIL = "payment-unpaid", "payment-overdue"
OPEN_INVOICES = ("open", "uncollectible")


class NotOurs(BillingError):
    """About a customer of somebody else who uses the same account at the provider."""

    code = "not_ours"


class SecondSubscription(BillingError):
    """A customer bought twice, from two pages at a time. Staff decide which to end and pay back."""

    code = "second_subscription"


# --- what a customer wishes ---


def begin_checkout(customer: Customer, plan: Plan, *, success_url: str, cancel_url: str, now: datetime.datetime) -> str:
    """Return the address of the provider's page to buy a plan on.

    Raises NotAllowed(``not_for_sale``, ``subscribed``, ``suspended``), PaymentsOff, PaymentsAway.
    """
    if (
        not plan.offered
        or plan.is_free
        or not plan.stripe_price_id
        or (plan.metered and not plan.stripe_usage_price_id)
    ):
        raise NotAllowed("not_for_sale")
    if running(customer) is not None:
        raise NotAllowed("subscribed")
    if customer.suspended_at is not None:
        raise NotAllowed("suspended")
    _at_provider(customer)
    return stripe_calls.begin_checkout(customer, plan, success_url=success_url, cancel_url=cancel_url, now=now)


def begin_portal(customer: Customer, *, return_url: str) -> str:
    """Return the address of the provider's page for cards, addresses, tax ids and invoices. Raises as above."""
    _at_provider(customer)
    return stripe_calls.begin_portal(customer, return_url=return_url)


def change_plan(customer: Customer, plan: Plan) -> None:
    """Move to a larger plan at once, to a smaller one when the paid period ends; the one held undoes a move to come.

    Raises NotAllowed(``not_subscribed``, ``overdue``, ``not_for_sale``), PaymentRefused when a larger one is not paid.
    """
    held = _running(customer)
    if plan.is_free:
        return cancel(customer)
    if not plan.offered or not plan.stripe_price_id:
        raise NotAllowed("not_for_sale")
    read = stripe_client.read_subscription(held.stripe_id)
    current = _plan_of(read)
    if plan == current:
        return resume(customer)
    if plan.rank > current.rank:
        if read.status not in (Status.ACTIVE, Status.TRIALING):
            raise NotAllowed("overdue")
        stripe_calls.change_now(read, plan)
    else:
        stripe_calls.change_later(read, plan)
    return _apply_now(held.stripe_id)


def cancel(customer: Customer) -> None:
    """Let the plan end when the paid period does. Raises NotAllowed(``not_subscribed``)."""
    held = _running(customer)
    read = stripe_client.read_subscription(held.stripe_id)
    if read.schedule:
        stripe_calls.release(read.schedule)
    stripe_calls.set_ending(held.stripe_id, True)
    _apply_now(held.stripe_id)


def resume(customer: Customer) -> None:
    """Let a plan that was to end, or to become a smaller one, go on. Raises NotAllowed(``not_subscribed``)."""
    held = _running(customer)
    read = stripe_client.read_subscription(held.stripe_id)
    if read.schedule:
        stripe_calls.release(read.schedule)
    if read.ends_then:
        stripe_calls.set_ending(held.stripe_id, False)
    _apply_now(held.stripe_id)


def finish_checkout(customer: Customer, session_id: str) -> bool:
    """Apply what was bought, when its buyer comes back before the provider's message does. False when nothing was.

    Another customer's checkout is nothing.
    """
    owner, subscription_id = stripe_calls.checkout_subscription(session_id)
    if not subscription_id or owner != customer.stripe_customer_id:
        return False
    return apply(stripe_client.read_subscription(subscription_id))


def running(customer: Customer) -> Subscription | None:
    """Return a customer's subscription if it is not over."""
    return Subscription.objects.filter(customer=customer).exclude(status__in=OVER).first()


def _running(customer: Customer) -> Subscription:
    held = running(customer)
    if held is None:
        raise NotAllowed("not_subscribed")
    return held


def _at_provider(customer: Customer) -> None:
    """Make the customer known to the provider; twice at a time gives one, by the key of the call."""
    if customer.stripe_customer_id:
        return
    made = stripe_calls.make_customer(customer)
    Customer.objects.filter(pk=customer.pk, stripe_customer_id=None).update(stripe_customer_id=made)
    customer.stripe_customer_id = made


def _apply_now(subscription_id: str) -> None:
    apply(stripe_client.read_subscription(subscription_id))


# --- what the provider says ---


@transaction.atomic
def apply(read: SubscriptionRead) -> bool:
    """Make what was read true here. False when it is older than what is known.

    Raises NotOurs, SecondSubscription, NotAllowed(``unknown_price``).
    """
    customer = Customer.objects.select_for_update(no_key=True).filter(stripe_customer_id=read.customer).first()
    if customer is None:
        raise NotOurs
    held = Subscription.objects.filter(customer=customer).select_related("plan").first()
    if held is not None and held.stripe_id != read.id:
        if read.status in OVER:
            return False
        if held.status not in OVER:
            raise SecondSubscription
        metering.close_ended(customer, held)
    elif held is not None and held.read_at >= read.asked_at:
        return False
    plan = _plan_of(read)
    nothing: dict[str, audit.Value] = {"plan": None, "status": None}
    before = _facts(held) if held is not None and held.stripe_id == read.id else nothing
    row = _written(customer, read, plan, held)
    _follow(customer, row, before, _facts(row))
    return True


def _written(customer: Customer, read: SubscriptionRead, plan: Plan, held: Subscription | None) -> Subscription:
    row = held or Subscription(customer=customer)
    if row.stripe_id != read.id:
        row.stripe_id, row.metered_until = read.id, read.started_at
    if read.status in Subscription.NEVER_PAID_FOR:
        # Until it is paid for, calls are those of the plan before.
        row.metered_until = read.asked_at
    row.plan = plan
    row.status = read.status
    row.period_end = read.period_end
    row.cancel_at_period_end = read.ends_then
    row.next_plan = _plan_with(read.next_prices)
    row.schedule_id = read.schedule
    row.started_at, row.ended_at = read.started_at, read.ended_at
    row.read_at = read.asked_at
    row.save()
    return row


def _follow(
    customer: Customer, row: Subscription, before: dict[str, audit.Value], after: dict[str, audit.Value]
) -> None:
    """Give the plan that is paid for, take one that is not, and say so. The audit log comes last: all wait for it."""
    was, became = before["status"], after["status"]
    if became in Subscription.PAID_FOR:
        Customer.objects.filter(pk=customer.pk).update(plan=row.plan)
    elif became in OVER and was not in (None, *OVER):
        Customer.objects.filter(pk=customer.pk).update(plan=_smallest())
    if became != was and customer.user is not None and became in (Status.UNPAID, Status.PAST_DUE):
        name = UNPAID_MAIL if became == Status.UNPAID else OVERDUE_MAIL
        mailqueue.queue(customer.user, name, str(row.pk), once_within=datetime.timedelta(hours=12))
    if before != after:
        audit.record(
            "billing.subscription-change",
            actor=audit.SYSTEM,
            object_kind="customer",
            object_id=customer.public_id,
            before=before,
            after=after,
        )
    if became == Status.UNPAID and was != became:
        quotas.suspend(customer, actor=audit.SYSTEM, reason=quotas.Reason.UNPAID)
    elif became in Subscription.PAID_FOR or (became in OVER and _has_made_good(customer)):
        quotas.lift(customer, actor=audit.SYSTEM, reason=quotas.Reason.UNPAID, only=quotas.Reason.UNPAID)


@transaction.atomic
def apply_invoice(read: InvoiceRead) -> bool:
    """Keep an invoice as it was read; False for a draft, or when it is older than what is known. Raises NotOurs."""
    customer = Customer.objects.select_for_update(no_key=True).filter(stripe_customer_id=read.customer).first()
    if customer is None:
        raise NotOurs
    held = Invoice.objects.filter(stripe_id=read.id).first()
    if read.status == "draft" or (held is not None and held.read_at >= read.asked_at):
        return False
    Invoice.objects.update_or_create(
        stripe_id=read.id,
        defaults={
            "customer": customer,
            "number": read.number,
            "status": read.status,
            "currency": read.currency,
            "total_cents": read.total_cents,
            "tax_cents": read.tax_cents,
            "page_url": read.page_url,
            "pdf_url": read.pdf_url,
            "issued_at": read.issued_at,
            "period_start": read.period_start,
            "period_end": read.period_end,
            "read_at": read.asked_at,
        },
    )
    # Somebody whose subscription ended unpaid pays the last invoice, or is let off it. That nothing is known to be open
    # lifts nothing: the message about what is owed may come after the one about the end.
    newly_paid = read.status == "paid" and (held is None or held.status != "paid")
    let_off = read.status == "void" and held is not None and held.status in OPEN_INVOICES
    if (newly_paid or let_off) and running(customer) is None and not _owes(customer):
        quotas.lift(customer, actor=audit.SYSTEM, reason=quotas.Reason.UNPAID, only=quotas.Reason.UNPAID)
    return True


def forget(customer: Customer) -> None:
    """Write down that a customer is to go at the provider too (``billing.removals``); nothing for one never there.

    Called in the transaction that erases the account. Twice is harmless.
    """
    if customer.stripe_customer_id:
        CustomerRemoval.objects.get_or_create(stripe_customer_id=customer.stripe_customer_id)


def refresh_all() -> int:
    """Read every running subscription again, should a message have been lost. Returns how many were read."""
    count = 0
    for subscription_id in Subscription.objects.exclude(status__in=OVER).values_list("stripe_id", flat=True):
        try:
            apply(stripe_client.read_subscription(subscription_id))
        except PaymentRefused as refused:
            logger.error("subscription %s is not at the provider: %s", subscription_id, refused.reason)
        except PaymentsAway:
            break  # what is left would meet the same silence
        except BillingError as error:
            logger.warning("subscription %s not read again: %s", subscription_id, error.code)
        else:
            count += 1
    return count


def _facts(row: Subscription) -> dict[str, audit.Value]:
    return {
        "plan": row.plan.slug,
        "status": str(row.status),
        "ends": row.cancel_at_period_end,
        "next_plan": row.next_plan.slug if row.next_plan else None,
    }


def _plan_of(read: SubscriptionRead) -> Plan:
    """Return the plan of a subscription: by the prices sold now, else by what was written beside older ones."""
    plan = _plan_with(tuple(item.price for item in read.items))
    plan = plan or Plan.objects.filter(slug__in=[item.plan for item in read.items if item.plan]).first()
    if plan is None:
        raise NotAllowed("unknown_price")
    return plan


def _plan_with(prices: tuple[str, ...]) -> Plan | None:
    return Plan.objects.filter(stripe_price_id__in=prices).first() if prices else None


def _smallest() -> Plan:
    return Plan.objects.order_by("rank")[:1].get()


def _has_made_good(customer: Customer) -> bool:
    """Whether an invoice was read as paid or void since the customer was suspended, and none is open."""
    if customer.suspended_at is None or _owes(customer):
        return False
    made_good = Invoice.objects.filter(customer=customer, status__in=("paid", "void"))
    return made_good.filter(read_at__gte=customer.suspended_at).exists()


def _owes(customer: Customer) -> bool:
    return Invoice.objects.filter(customer=customer, status__in=OPEN_INVOICES).exists()
