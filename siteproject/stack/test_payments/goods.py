"""Answers about what is sold and what was used: products, prices, meters, messages' addresses."""

import re
import time

from siteproject.stack.test_payments.calls import Calls, Params, Refused, call
from siteproject.stack.test_payments.objects import Object, listed, made

ONLY_THE_NEWEST_S = 35 * 24 * 3600


@call("GET", "products", "ProductListParams")
def list_products(calls: Calls, params: Params) -> Object:
    found = [each for each in calls.objects.all("products") if each["id"] in params.get("ids", ())]
    return listed(found, "/v1/products")


@call("POST", "products", "ProductCreateParams")
def make_product(calls: Calls, params: Params) -> Object:
    return calls.objects.add("products", made("product", "prod", active=True) | params)


@call("POST", "products/{}", "ProductUpdateParams")
def change_product(calls: Calls, params: Params, id: str) -> Object:
    found = calls.objects.get("products", id)
    found |= params
    return found


@call("GET", "prices", "PriceListParams")
def list_prices(calls: Calls, params: Params) -> Object:
    wanted = params.get("lookup_keys", ())
    found = [each for each in calls.objects.all("prices") if each["lookup_key"] in wanted and each["active"]]
    return listed(found, "/v1/prices")


@call("POST", "prices", "PriceCreateParams")
def make_price(calls: Calls, params: Params) -> Object:
    calls.objects.get("products", params["product"])
    if "meter" in params["recurring"]:
        calls.objects.get("meters", params["recurring"]["meter"])
    for each in calls.objects.all("prices"):
        if each["lookup_key"] == params["lookup_key"]:
            if params.get("transfer_lookup_key") != "true":
                raise Refused("A price already uses that lookup key.")
            each["lookup_key"] = None
    tiers = [
        {**tier, "up_to": None if tier["up_to"] == "inf" else int(tier["up_to"])} for tier in params.get("tiers", ())
    ]
    amount = int(params["unit_amount"]) if "unit_amount" in params else None
    return calls.objects.add(
        "prices", made("price", "price", active=True) | params | {"unit_amount": amount, "tiers": tiers or None}
    )


@call("POST", "prices/{}", "PriceUpdateParams")
def change_price(calls: Calls, params: Params, id: str) -> Object:
    found = calls.objects.get("prices", id)
    found["active"] = params.get("active", "true") == "true"
    return found


@call("GET", "webhook_endpoints", "WebhookEndpointListParams")
def list_endpoints(calls: Calls, params: Params) -> Object:
    return listed(calls.objects.all("endpoints"), "/v1/webhook_endpoints")


@call("POST", "webhook_endpoints", "WebhookEndpointCreateParams")
def make_endpoint(calls: Calls, params: Params) -> Object:
    found = made("webhook_endpoint", "we", status="enabled", secret=calls.messenger.secret)
    return calls.objects.add("endpoints", found | params)


# --- usage ---


@call("GET", "billing/meters", "billing.MeterListParams")
def list_meters(calls: Calls, params: Params) -> Object:
    return listed(calls.objects.all("meters"), "/v1/billing/meters")


@call("POST", "billing/meters", "billing.MeterCreateParams")
def make_meter(calls: Calls, params: Params) -> Object:
    return calls.objects.add("meters", made("billing.meter", "mtr", status="active", **params))


@call("POST", "billing/meter_events", "billing.MeterEventCreateParams")
def report_usage(calls: Calls, params: Params) -> Object:
    """Take one sum. An identifier that was there is refused in the provider's words, and without a code."""
    if params["event_name"] not in {meter["event_name"] for meter in calls.objects.all("meters")}:
        raise Refused(f"No active meter found with event name {params['event_name']}.", code="resource_missing")
    if any(each["identifier"] == params["identifier"] for each in calls.objects.all("meter_events")):
        raise Refused(f"An event already exists with identifier {params['identifier']}.")
    if not re.fullmatch(r"-?[0-9]+", params["payload"]["value"]):
        raise Refused("The value must be a whole number.", code="meter_event_invalid_value")
    age_s = time.time() - int(params["timestamp"])
    if age_s > ONLY_THE_NEWEST_S or age_s < -300:
        raise Refused("The timestamp must be within the past 35 days.", code="timestamp_too_far_in_past")
    found = made("billing.meter_event", "evm") | params | {"timestamp": int(params["timestamp"])}
    return calls.objects.add("meter_events", found)


@call("GET", "billing/meters/{}/event_summaries", "billing.MeterListEventSummariesParams")
def list_summaries(calls: Calls, params: Params, id: str) -> Object:
    meter = calls.objects.get("meters", id)
    begins, ends = int(params["start_time"]), int(params["end_time"])
    values = [
        int(each["payload"]["value"])
        for each in calls.objects.all("meter_events")
        if each["event_name"] == meter["event_name"]
        and each["payload"]["stripe_customer_id"] == params["customer"]
        and begins <= each["timestamp"] < ends
    ]
    found = made(
        "billing.meter_event_summary",
        "mtrusg",
        aggregated_value=sum(values),
        start_time=begins,
        end_time=ends,
        meter=id,
    )
    return listed([found], f"/v1/billing/meters/{id}/event_summaries")
