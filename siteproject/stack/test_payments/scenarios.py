"""What happens at the provider without us: somebody pays, a card fails, a month ends. Each writes its messages."""

import time
from typing import Any

from siteproject.stack.test_payments.calls import Calls, Refused
from siteproject.stack.test_payments.objects import Missing, Object, invoice, item, subscription

Message = dict[str, Any]


def bought(calls: Calls, *, session: str) -> list[Message]:
    """Somebody pays on the page of a checkout. Paying twice is paying once."""
    found = calls.objects.get("sessions", session)
    if found["status"] != "open":
        return []
    prices = [calls.objects.get("prices", line["price"]) for line in found["line_items"]]
    metadata = found.get("subscription_data", {}).get("metadata", {})
    made = calls.objects.add("subscriptions", subscription(found["customer"], prices, metadata))
    paid = calls.objects.add("invoices", invoice(made, status="paid"))
    found |= {"status": "complete", "payment_status": "paid", "subscription": made["id"]}
    return _written(
        calls,
        ("customer.subscription.created", made),
        ("invoice.finalized", paid),
        ("invoice.paid", paid),
        ("checkout.session.completed", found),
    )


def payment_failed(calls: Calls, *, subscription: str) -> list[Message]:
    """A card fails; it is tried again in the coming days."""
    found = _changed(calls, subscription, status="past_due")
    owed = calls.objects.add("invoices", invoice(found, status="open"))
    found["latest_invoice"] = owed["id"]
    return _written(calls, ("invoice.payment_failed", owed), ("customer.subscription.updated", found))


def unpaid(calls: Calls, *, subscription: str) -> list[Message]:
    """The last try has failed."""
    return _written(calls, ("customer.subscription.updated", _changed(calls, subscription, status="unpaid")))


def recovered(calls: Calls, *, subscription: str) -> list[Message]:
    """What was owed is paid."""
    found = _changed(calls, subscription, status="active")
    owed = calls.objects.get("invoices", found["latest_invoice"])
    owed["status"] = "paid"
    return _written(calls, ("invoice.paid", owed), ("customer.subscription.updated", found))


def upgraded(calls: Calls, *, subscription: str, prices: list[str]) -> list[Message]:
    """Somebody at the provider moves a subscription to other prices."""
    found = calls.objects.get("subscriptions", subscription)
    begins = found["items"]["data"][0]["current_period_start"]
    found["items"]["data"] = [item(subscription, calls.objects.get("prices", each), begins) for each in prices]
    return _written(calls, ("customer.subscription.updated", found))


def cancelled(calls: Calls, *, subscription: str) -> list[Message]:
    """A subscription ends now."""
    now = int(time.time())
    found = _changed(calls, subscription, status="canceled", ended_at=now, canceled_at=now)
    return _written(calls, ("customer.subscription.deleted", found))


def month_ended(calls: Calls, *, subscription: str) -> list[Message]:
    """The paid month is over: what was cancelled ends, what was scheduled begins, everything else goes on."""
    found = calls.objects.get("subscriptions", subscription)
    if found["cancel_at_period_end"]:
        return cancelled(calls, subscription=subscription)
    begins = int(time.time())
    prices = [row["price"]["id"] for row in found["items"]["data"]]
    if found["schedule"]:
        schedule = calls.objects.get("schedules", found["schedule"])
        prices = [each["price"] for each in schedule["phases"][-1]["items"]]
        schedule |= {"status": "released", "released_subscription": subscription, "subscription": None}
        found["schedule"] = None
    found["items"]["data"] = [item(subscription, calls.objects.get("prices", each), begins) for each in prices]
    paid = calls.objects.add("invoices", invoice(found, status="paid"))
    return _written(calls, ("customer.subscription.updated", found), ("invoice.paid", paid))


def unknown(calls: Calls) -> list[Message]:
    """The provider says something that nobody here has heard of."""
    return _written(calls, ("treasury.something.happened", {"id": "obj_test_1", "object": "something"}))


SCENARIOS = {
    act.__name__: act for act in (bought, payment_failed, unpaid, recovered, upgraded, cancelled, month_ended, unknown)
}


def play(calls: Calls, name: str, about: dict[str, Any]) -> list[Message]:
    """Let something happen and return its messages, unsent. Raises Missing, Refused."""
    act: Any = SCENARIOS.get(name)
    if act is None:
        raise Refused(f"no scenario is called {name}")
    messages: list[Message] = act(calls, **about)
    calls.objects.save()
    return messages


def _changed(calls: Calls, id: str, **fields: Any) -> Object:
    found = calls.objects.get("subscriptions", id)
    if found["status"] == "canceled":
        raise Missing(f"{id} is over")
    found |= fields
    return found


def _written(calls: Calls, *about: tuple[str, Object]) -> list[Message]:
    return [calls.messenger.write(kind, found) for kind, found in about]
