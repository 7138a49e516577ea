"""What is sold, at the payment provider: a product and two prices for each plan, one meter, one portal.

Found again by names of ours, so doing it twice changes nothing. A price there cannot be changed: another amount is a
new price that takes over the name; subscriptions keep the price they were sold at until they change plans.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from billing.models import Plan
from billing.models.plans import MICROUSD_PER_CENT
from billing.stripe_calls import OURS
from billing.stripe_client import API_VERSION, METER, idempotency_key, provider

CURRENCY = "usd"
EVENTS = [
    "checkout.session.completed",
    "customer.subscription.created",
    "customer.subscription.updated",
    "customer.subscription.deleted",
    "customer.subscription.paused",
    "customer.subscription.resumed",
    "subscription_schedule.released",
    "subscription_schedule.updated",
    "subscription_schedule.canceled",
    "invoice.finalized",
    "invoice.paid",
    "invoice.payment_failed",
    "invoice.payment_action_required",
    "invoice.updated",
    "invoice.voided",
    "invoice.marked_uncollectible",
]
# What one millionth of a dollar costs beyond what is included, in cents.
UNIT_CENTS = Decimal(1) / MICROUSD_PER_CENT


def write() -> Iterator[str]:
    """Make or find everything, write the ids to the plans, and say each thing that was done."""
    meter, line = _meter()
    yield line
    for plan in Plan.objects.exclude(month_cents=0, metered=False).order_by("rank"):
        product = _product(plan)
        plan.stripe_price_id, line = _price(plan, "month", product, month_price(plan))
        yield line
        if plan.metered:
            plan.stripe_usage_price_id, line = _price(plan, "usage", product, usage_price(plan, meter))
            yield line
        plan.save(update_fields=["stripe_price_id", "stripe_usage_price_id"])
    yield _portal()


def month_price(plan: Plan) -> dict[str, Any]:
    """Return the terms of a plan's month."""
    return {
        "currency": CURRENCY,
        "unit_amount": plan.month_cents,
        "recurring": {"interval": "month", "usage_type": "licensed"},
        "tax_behavior": "exclusive",
    }


def usage_price(plan: Plan, meter: str) -> dict[str, Any]:
    """Return the terms of what is used: nothing up to what the month includes, then a dollar for a dollar."""
    beyond: dict[str, Any] = {"up_to": "inf", "unit_amount_decimal": str(UNIT_CENTS)}
    included: dict[str, Any] = {"up_to": plan.included_microusd, "unit_amount_decimal": "0"}
    return {
        "currency": CURRENCY,
        "billing_scheme": "tiered",
        "tiers_mode": "graduated",
        "tiers": [included, beyond] if plan.included_microusd else [beyond],
        "recurring": {"interval": "month", "usage_type": "metered", "meter": meter},
        "tax_behavior": "exclusive",
    }


def _meter() -> tuple[str, str]:
    with provider() as stripe:
        for meter in stripe.v1.billing.meters.list({"status": "active", "limit": 100}).auto_paging_iter():
            if meter.event_name == METER:
                return meter.id, f"meter {METER}: there"
        params: Any = {
            "display_name": "API usage in millionths of a dollar",
            "event_name": METER,
            "default_aggregation": {"formula": "sum"},
            "customer_mapping": {"type": "by_id", "event_payload_key": "stripe_customer_id"},
            "value_settings": {"event_payload_key": "value"},
        }
        made = stripe.v1.billing.meters.create(params, {"idempotency_key": idempotency_key("meter", params)})
        return made.id, f"meter {METER}: made"


def _product(plan: Plan) -> str:
    """Return the id of a plan's product. Its id is of our own choosing, so it is found without a search."""
    product_id = f"wagmi_plan_{plan.slug}"
    with provider() as stripe:
        for held in stripe.v1.products.list({"ids": [product_id]}).data:
            if held.name != plan.name:
                stripe.v1.products.update(product_id, {"name": plan.name})
            return product_id
        params: Any = {"id": product_id, "name": plan.name, "metadata": {**OURS, "plan": plan.slug}}
        stripe.v1.products.create(params, {"idempotency_key": idempotency_key("product", params)})
    return product_id


def _price(plan: Plan, kind: str, product: str, terms: dict[str, Any]) -> tuple[str, str]:
    """Return the id of the price of these terms, and what was done."""
    name = f"wagmi_{plan.slug}_{kind}"
    with provider() as stripe:
        found = stripe.v1.prices.list({"lookup_keys": [name], "active": True, "expand": ["data.tiers"]}).data
        held = found[0] if found else None
        if held is not None and _same(held.to_dict(), terms):
            return held.id, f"price {name}: there"
        params: Any = {
            **terms,
            "product": product,
            "lookup_key": name,
            "transfer_lookup_key": True,
            "metadata": {**OURS, "plan": plan.slug},
        }
        key = idempotency_key("price", held.id if held else "", params)
        made = stripe.v1.prices.create(params, {"idempotency_key": key})
        if held is not None:
            stripe.v1.prices.update(held.id, {"active": False})
    return made.id, f"price {name}: {'a new one' if held else 'made'}"


def _same(held: dict[str, Any], terms: dict[str, Any]) -> bool:
    if held["currency"] != terms["currency"] or (held["recurring"] or {}).get("meter") != terms["recurring"].get(
        "meter"
    ):
        return False
    if "tiers" not in terms:
        return bool(held.get("unit_amount") == terms["unit_amount"])
    return [_tier(each) for each in held.get("tiers") or ()] == [_tier(each) for each in terms["tiers"]]


def _tier(each: dict[str, Any]) -> tuple[object, Decimal]:
    up_to = each.get("up_to")
    return None if up_to == "inf" else up_to, Decimal(str(each.get("unit_amount_decimal") or 0))


def _portal() -> str:
    """Make the provider's page for cards, addresses, tax ids and invoices; plans are changed on ours."""
    features: Any = {
        "customer_update": {"enabled": True, "allowed_updates": ["address", "name", "tax_id"]},
        "invoice_history": {"enabled": True},
        "payment_method_update": {"enabled": True},
        "subscription_cancel": {"enabled": True, "mode": "at_period_end"},
        "subscription_update": {"enabled": False},
    }
    with provider() as stripe:
        for each in stripe.v1.billing_portal.configurations.list({"active": True, "limit": 100}).data:
            if each.metadata and each.metadata.to_dict().get("site") == OURS["site"]:
                return "portal: there"
        params: Any = {"features": features, "metadata": OURS}
        key = idempotency_key("portal", params)
        stripe.v1.billing_portal.configurations.create(params, {"idempotency_key": key})
    return "portal: made"


def make_webhook(address: str) -> str | None:
    """Let the provider send its messages to an address and return their secret; None when it does so already."""
    with provider() as stripe:
        for each in stripe.v1.webhook_endpoints.list({"limit": 100}).data:
            if each.url == address and each.status == "enabled":
                return None
        params: Any = {"url": address, "enabled_events": EVENTS, "api_version": API_VERSION, "metadata": OURS}
        key = idempotency_key("webhook", params)
        return str(stripe.v1.webhook_endpoints.create(params, {"idempotency_key": key}).secret)
