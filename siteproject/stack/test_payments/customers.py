"""Answers about customers: checkout, portal, subscriptions, schedules, invoices. Canned, nothing is worked out."""

import time

from siteproject.stack.test_payments.calls import Calls, Params, Refused, call, tell
from siteproject.stack.test_payments.objects import Missing, Object, invoice, item, listed, made

PRORATED = "always_invoice"


@call("POST", "customers", "CustomerCreateParams")
def make_customer(calls: Calls, params: Params) -> Object:
    return calls.objects.add("customers", made("customer", "cus", **params))


@call("DELETE", "customers/{}", "CustomerDeleteParams")
def delete_customer(calls: Calls, params: Params, id: str) -> Object:
    calls.objects.drop("customers", id)
    return {"id": id, "object": "customer", "deleted": True}


@call("POST", "checkout/sessions", "checkout.SessionCreateParams")
def make_session(calls: Calls, params: Params) -> Object:
    calls.objects.get("customers", params["customer"])
    for line in params["line_items"]:
        price = calls.objects.get("prices", line["price"])
        if (price["recurring"]["usage_type"] == "metered") == ("quantity" in line):
            raise Refused("Quantity should be given for licensed prices, and only for them.")
    if params["automatic_tax"]["enabled"] == "true" and params.get("customer_update", {}).get("address") != "auto":
        raise Refused("Automatic tax calculation in Checkout requires a valid address on the Customer.")
    session = made("checkout.session", "cs", **params, status="open", payment_status="unpaid", subscription=None)
    session["url"] = f"{calls.address}/checkout/{session['id']}"
    return calls.objects.add("sessions", session)


@call("GET", "checkout/sessions/{}", "checkout.SessionRetrieveParams")
def read_session(calls: Calls, params: Params, id: str) -> Object:
    return calls.objects.get("sessions", id)


@call("POST", "billing_portal/sessions", "billing_portal.SessionCreateParams")
def make_portal(calls: Calls, params: Params) -> Object:
    calls.objects.get("customers", params["customer"])
    session = made("billing_portal.session", "bps", **params)
    session["url"] = f"{calls.address}/portal/{session['id']}"
    return calls.objects.add("sessions", session)


@call("GET", "billing_portal/configurations", "billing_portal.ConfigurationListParams")
def list_configurations(calls: Calls, params: Params) -> Object:
    return listed(calls.objects.all("configurations"), "/v1/billing_portal/configurations")


@call("POST", "billing_portal/configurations", "billing_portal.ConfigurationCreateParams")
def make_configuration(calls: Calls, params: Params) -> Object:
    return calls.objects.add("configurations", made("billing_portal.configuration", "bpc", active=True, **params))


# --- subscriptions ---


@call("GET", "subscriptions/{}", "SubscriptionRetrieveParams")
def read_subscription(calls: Calls, params: Params, id: str) -> Object:
    found = dict(calls.objects.get("subscriptions", id))
    if "schedule" in params.get("expand", ()) and found["schedule"]:
        found["schedule"] = calls.objects.get("schedules", found["schedule"])
    return found


@call("POST", "subscriptions/{}", "SubscriptionUpdateParams")
def change_subscription(calls: Calls, params: Params, id: str) -> Object:
    found = calls.objects.get("subscriptions", id)
    if found["status"] == "canceled":
        raise Refused("A canceled subscription can only update its metadata and cancellation details.")
    if found["schedule"] and "cancel_at_period_end" in params:
        raise Refused("The subscription is managed by the subscription schedule.")
    if calls.declined and params.get("proration_behavior") == PRORATED:
        raise Refused("Your card was declined.", code="card_declined", status=402, kind="card_error")
    for change in params.get("items", ()):
        _change_item(calls, found, change)
    if "cancel_at_period_end" in params:
        found["cancel_at_period_end"] = params["cancel_at_period_end"] == "true"
    sent = [("customer.subscription.updated", found)]
    if params.get("proration_behavior") == PRORATED:
        sent.append(("invoice.paid", calls.objects.add("invoices", invoice(found, status="paid"))))
    tell(calls, sent)
    return found


def _change_item(calls: Calls, found: Object, change: Params) -> None:
    rows: list[Object] = found["items"]["data"]
    held = next((row for row in rows if row["id"] == change.get("id")), None)
    if "id" in change and held is None:
        raise Missing(f"No such subscription item: '{change['id']}'")
    if change.get("deleted") == "true":
        rows.remove(held)  # type: ignore[arg-type]
        return
    price = calls.objects.get("prices", change["price"])
    if held is None:
        rows.append(item(found["id"], price, rows[0]["current_period_start"]))
    else:
        held["price"] = price


@call("DELETE", "subscriptions/{}", "SubscriptionCancelParams")
def cancel_subscription(calls: Calls, params: Params, id: str) -> Object:
    found = calls.objects.get("subscriptions", id)
    found |= {"status": "canceled", "ended_at": int(time.time()), "canceled_at": int(time.time())}
    tell(calls, [("customer.subscription.deleted", found)])
    return found


@call("POST", "subscription_schedules", "SubscriptionScheduleCreateParams")
def make_schedule(calls: Calls, params: Params) -> Object:
    of = calls.objects.get("subscriptions", params["from_subscription"])
    if of["schedule"]:
        raise Refused("You cannot migrate a subscription that is already attached to a schedule.")
    schedule = made(
        "subscription_schedule",
        "sub_sched",
        subscription=of["id"],
        released_subscription=None,
        customer=of["customer"],
        status="active",
        end_behavior="release",
        phases=[],
    )
    of["schedule"] = schedule["id"]
    return calls.objects.add("schedules", schedule)


@call("POST", "subscription_schedules/{}", "SubscriptionScheduleUpdateParams")
def change_schedule(calls: Calls, params: Params, id: str) -> Object:
    schedule = calls.objects.get("schedules", id)
    phases: list[Object] = []
    for phase in params["phases"]:
        begins = int(phase.get("start_date") or phases[-1]["end_date"])
        ends = int(phase.get("end_date") or begins + 31 * 24 * 3600)
        items = [{"price": calls.objects.get("prices", each["price"])["id"]} for each in phase["items"]]
        phases.append({"start_date": begins, "end_date": ends, "items": items})
    schedule |= {"phases": phases, "end_behavior": params.get("end_behavior", "release")}
    tell(calls, [("subscription_schedule.updated", schedule)])
    return schedule


@call("POST", "subscription_schedules/{}/release", "SubscriptionScheduleReleaseParams")
def release_schedule(calls: Calls, params: Params, id: str) -> Object:
    schedule = calls.objects.get("schedules", id)
    if schedule["status"] != "active":
        raise Refused(f"You cannot release a subscription schedule that is {schedule['status']}.")
    of = calls.objects.get("subscriptions", schedule["subscription"])
    of["schedule"] = None
    schedule |= {"status": "released", "subscription": None, "released_subscription": of["id"]}
    tell(calls, [("subscription_schedule.released", schedule)])
    return schedule


@call("GET", "invoices/{}", "InvoiceRetrieveParams")
def read_invoice(calls: Calls, params: Params, id: str) -> Object:
    return calls.objects.get("invoices", id)
