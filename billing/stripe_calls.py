"""What we ask the payment provider to do. Each call names what it makes, so that a repeated one makes it once."""

import datetime
import logging
from typing import Any

from django.conf import settings

from billing.errors import NotAllowed, PaymentRefused
from billing.models import Customer, MeterSend, Plan
from billing.stripe_client import METER, SubscriptionRead, idempotency_key, provider

logger = logging.getLogger(__name__)
# Whoever clicks twice within it gets the same page to pay on, and can pay only once.
CHECKOUT_BUCKET_S = 600
CHECKOUT_OPEN_S = 3600
OURS = {"site": "wagmi"}  # marks what stripe_setup made
LOCALES = ("en", "fr", "de", "it", "es", "nl", "pt", "pl")


def make_customer(customer: Customer) -> str:
    """Return the id of a new customer at the provider: the address for receipts, our random id, the language."""
    assert customer.user is not None
    params: Any = {
        "email": customer.user.email,
        "preferred_locales": [customer.user.language],
        "metadata": {"customer": str(customer.public_id)},
    }
    key = idempotency_key("customer", str(customer.public_id), params)
    with provider() as stripe:
        return str(stripe.v1.customers.create(params, {"idempotency_key": key}).id)


def begin_checkout(customer: Customer, plan: Plan, *, success_url: str, cancel_url: str, now: datetime.datetime) -> str:
    """Return the address of a page to pay a plan on: the month's price, and the price of what is used beyond it."""
    bucket = int(now.timestamp()) // CHECKOUT_BUCKET_S
    params: Any = {
        "mode": "subscription",
        "customer": customer.stripe_customer_id,
        "client_reference_id": str(customer.public_id),
        "line_items": _prices(plan),
        "success_url": success_url,
        "cancel_url": cancel_url,
        "expires_at": (bucket + 1) * CHECKOUT_BUCKET_S + CHECKOUT_OPEN_S,
        "locale": _locale(customer),
        "automatic_tax": {"enabled": settings.STRIPE_TAX},
        "tax_id_collection": {"enabled": True},
        "billing_address_collection": "required",
        "customer_update": {"address": "auto", "name": "auto"},
        "subscription_data": {
            "billing_mode": {"type": "flexible"},
            "metadata": {"customer": str(customer.public_id)},
        },
    }
    key = idempotency_key("checkout", bucket, params)
    with provider() as stripe:
        return str(stripe.v1.checkout.sessions.create(params, {"idempotency_key": key}).url)


def checkout_subscription(session_id: str) -> tuple[str, str]:
    """Return the customer and the subscription of a checkout; the subscription is empty while nothing is paid."""
    with provider() as stripe:
        found = stripe.v1.checkout.sessions.retrieve(session_id).to_dict()
    return str(found.get("customer") or ""), str(found.get("subscription") or "")


def begin_portal(customer: Customer, *, return_url: str) -> str:
    """Return the address of the provider's page for cards, addresses, tax ids and invoices."""
    params: Any = {"customer": customer.stripe_customer_id, "return_url": return_url, "locale": _locale(customer)}
    with provider() as stripe:
        # Ours allows no change of plan: the provider's page cannot change plans that are billed by use.
        for each in stripe.v1.billing_portal.configurations.list({"active": True, "limit": 100}).data:
            if (each.metadata and each.metadata.to_dict().get("site")) == OURS["site"]:
                params["configuration"] = each.id
        return str(stripe.v1.billing_portal.sessions.create(params).url)


def change_now(read: SubscriptionRead, plan: Plan) -> None:
    """Move a subscription to a plan at once; the difference is invoiced now, and nothing changes if it is not paid."""
    if read.schedule:
        release(read.schedule)
    with provider() as stripe:
        stripe.v1.subscriptions.update(
            read.id,
            {
                "items": _replaced(read, plan),
                "cancel_at_period_end": False,
                "proration_behavior": "always_invoice",
                "payment_behavior": "error_if_incomplete",
            },
        )


def change_later(read: SubscriptionRead, plan: Plan) -> None:
    """Let a subscription move to a plan when the paid period ends, without a proration."""
    if read.period_start is None or read.period_end is None:
        raise NotAllowed("no_period")
    if read.schedule:
        release(read.schedule)
    held: list[Any] = [{"price": item.price} | ({} if item.metered else {"quantity": 1}) for item in read.items]
    current: Any = {
        "items": held,
        "start_date": int(read.period_start.timestamp()),
        "end_date": int(read.period_end.timestamp()),
    }
    following: Any = {"items": _prices(plan), "duration": {"interval": "month", "interval_count": 1}}
    key = idempotency_key("schedule", read.id, plan.slug, read.asked_at)
    with provider() as stripe:
        if read.ends_then:
            stripe.v1.subscriptions.update(read.id, {"cancel_at_period_end": False})
        schedule = stripe.v1.subscription_schedules.create({"from_subscription": read.id}, {"idempotency_key": key})
        stripe.v1.subscription_schedules.update(
            schedule.id,
            {"phases": [current, following], "end_behavior": "release", "proration_behavior": "none"},
        )


def release(schedule_id: str) -> None:
    """Let a subscription go on as it is; harmless for a schedule that is over."""
    try:
        with provider() as stripe:
            stripe.v1.subscription_schedules.release(schedule_id)
    except PaymentRefused as refused:
        logger.info("schedule not released: %s", refused.reason)


def set_ending(subscription_id: str, ends: bool) -> None:
    """Let a subscription end when the paid period does, or go on after all."""
    with provider() as stripe:
        stripe.v1.subscriptions.update(subscription_id, {"cancel_at_period_end": ends})


def end_now(subscription_id: str) -> None:
    """End a subscription with a last invoice for what was used; harmless for one that is over."""
    try:
        with provider() as stripe:
            stripe.v1.subscriptions.cancel(subscription_id, {"invoice_now": True, "prorate": False})
    except PaymentRefused as refused:
        if refused.reason != "resource_missing":
            raise


def delete_customer(stripe_customer_id: str) -> None:
    """Delete a customer at the provider; harmless for one that is gone. Invoices stay there, as the law wants."""
    try:
        with provider() as stripe:
            stripe.v1.customers.delete(stripe_customer_id)
    except PaymentRefused as refused:
        if refused.reason != "resource_missing":
            raise


def report_usage(send: MeterSend, stripe_customer_id: str) -> None:
    """Tell the meter one sum. One that it knows already counts as told: the identifier names customer and time."""
    params: Any = {
        "event_name": METER,
        "identifier": send.identifier,
        "timestamp": int(send.until.timestamp()) - 1,
        "payload": {"stripe_customer_id": stripe_customer_id, "value": str(send.microusd)},
    }
    # Not the same key for each try: the provider would repeat a refusal of yesterday for a day.
    key = idempotency_key("usage", send.identifier, send.tries)
    try:
        with provider() as stripe:
            stripe.v1.billing.meter_events.create(params, {"idempotency_key": key})
    except PaymentRefused as refused:
        if refused.reason != "known_event":
            raise


def meter_id() -> str:
    """Return the id of our meter, empty where ``stripe_setup`` has not made it."""
    with provider() as stripe:
        for meter in stripe.v1.billing.meters.list({"status": "active", "limit": 100}).auto_paging_iter():
            if meter.event_name == METER:
                return str(meter.id)
    return ""


def usage_told(meter: str, stripe_customer_id: str, day: datetime.date) -> int:
    """Return what the meter has of a customer for a UTC day."""
    begins = datetime.datetime.combine(day, datetime.time(), datetime.UTC)
    params: Any = {
        "customer": stripe_customer_id,
        "start_time": int(begins.timestamp()),
        "end_time": int((begins + datetime.timedelta(days=1)).timestamp()),
    }
    with provider() as stripe:
        return sum(int(each.aggregated_value) for each in stripe.v1.billing.meters.event_summaries.list(meter, params))


def _prices(plan: Plan) -> list[dict[str, Any]]:
    """Return a plan's prices; the metered one takes no quantity."""
    prices: list[dict[str, Any]] = [{"price": plan.stripe_price_id, "quantity": 1}]
    if plan.metered:
        prices.append({"price": plan.stripe_usage_price_id})
    return prices


def _replaced(read: SubscriptionRead, plan: Plan) -> Any:
    """Return the items of a subscription with another plan's prices in their places."""
    items: list[dict[str, Any]] = []
    for price in _prices(plan):
        held = next((item for item in read.items if item.metered == ("quantity" not in price)), None)
        items.append({"id": held.id, **price} if held else price)
    kept = {item.get("id") for item in items}
    items += [{"id": item.id, "deleted": True} for item in read.items if item.id not in kept]
    return items


def _locale(customer: Customer) -> str:
    language = customer.user.language if customer.user else ""
    return language if language in LOCALES else "auto"
