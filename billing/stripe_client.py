"""Stripe, behind one seam: our words, our errors. Nothing else imports the SDK.

Every call names the version of the API that the SDK is made for and has ten seconds. Creating calls carry an
Idempotency-Key of our own, made of what they are about, so a repeated one makes nothing twice.
"""

import datetime
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

from billing.errors import BadWebhook, PaymentRefused, PaymentsAway, PaymentsOff

if TYPE_CHECKING:
    import stripe

API_VERSION = "2026-10-28.endive"
METER = "wagmi_usage_microusd"
TIMEOUT_S = 10.0
RETRIES = 2
TOLERANCE_S = 300
KNOWN_EVENT = "event already exists with identifier"


@dataclass(frozen=True, slots=True)
class Item:
    """One price of a subscription. ``plan`` is what ``stripe_setup`` wrote beside the price."""

    id: str
    price: str
    plan: str
    metered: bool


@dataclass(frozen=True, slots=True)
class SubscriptionRead:
    """A subscription as the provider described it. ``asked_at`` is when we asked, by the database's clock."""

    id: str
    customer: str
    status: str
    items: tuple[Item, ...]
    period_start: datetime.datetime | None
    period_end: datetime.datetime | None
    ends_then: bool
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    schedule: str
    next_prices: tuple[str, ...]
    asked_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class InvoiceRead:
    id: str
    customer: str
    subscription: str
    number: str
    status: str
    currency: str
    total_cents: int
    tax_cents: int
    page_url: str
    pdf_url: str
    issued_at: datetime.datetime | None
    period_start: datetime.datetime | None
    period_end: datetime.datetime | None
    asked_at: datetime.datetime


@dataclass(frozen=True, slots=True)
class Event:
    """A webhook whose signature is good. ``object_id`` is what is to be read again; nothing else of it is believed."""

    id: str
    kind: str
    object_id: str
    customer: str
    created_at: datetime.datetime | None


def enabled() -> bool:
    """Whether payments are on: without a key everything else works as it does with one."""
    return bool(settings.STRIPE_SECRET_KEY)


@contextmanager
def provider() -> "Iterator[stripe.StripeClient]":
    """Give the SDK's client; what it raises becomes PaymentsAway or PaymentRefused.

    Raises PaymentsOff without a key.
    """
    if not enabled():
        raise PaymentsOff
    client, sdk = _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_URL)
    try:
        yield client
    except (sdk.APIConnectionError, sdk.RateLimitError, sdk.AuthenticationError, sdk.PermissionError) as error:
        raise PaymentsAway(type(error).__name__) from error
    except sdk.StripeError as error:
        if (error.http_status or 500) >= 500 or error.http_status == 409:
            raise PaymentsAway(f"status_{error.http_status}") from error
        raise PaymentRefused(_reason(error), card=isinstance(error, sdk.CardError)) from error


@cache
def _client(key: str, address: str) -> "tuple[stripe.StripeClient, Any]":
    """Return the client and the SDK. Imported here: 30 MB that a site without payments need not carry."""
    import stripe

    # It would tell the provider how long our calls took, under a number it keeps in the home directory.
    stripe.enable_telemetry = False
    client = stripe.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": address, "meter_events": address} if address else None,
        http_client=stripe.HTTPXClient(timeout=TIMEOUT_S, allow_sync_methods=True),
        max_network_retries=RETRIES,
    )
    return client, stripe


def _reason(error: Any) -> str:
    if KNOWN_EVENT in str(error.user_message or error):
        return "known_event"
    code = getattr(error, "code", None) or type(error).__name__
    decline = getattr(getattr(error, "error", None), "decline_code", None)
    return str(decline or code)[:60]


def idempotency_key(what: str, *about: object) -> str:
    """Return a key made of what a creating call is about: the same call has the same key, another one never."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:40]
    return f"{what}-{digest}"


def now() -> datetime.datetime:
    """Return the time by the clock that all our processes share, the database's."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (found,) = cursor.fetchone()
    return found


# --- reading ---


def read_subscription(subscription_id: str) -> SubscriptionRead:
    """Return a subscription as it is now. Raises PaymentRefused(``resource_missing``) when there is none."""
    asked_at = now()
    with provider() as stripe:
        found = stripe.v1.subscriptions.retrieve(subscription_id, {"expand": ["schedule"]}).to_dict()
    return subscription_from(found, asked_at)


def subscription_from(found: dict[str, Any], asked_at: datetime.datetime) -> SubscriptionRead:
    """Return what we need of a subscription in the provider's words."""
    rows = found["items"]["data"]
    items = tuple(
        Item(
            row["id"],
            row["price"]["id"],
            (row["price"].get("metadata") or {}).get("plan", ""),
            ((row["price"].get("recurring") or {}).get("usage_type")) == "metered",
        )
        for row in rows
    )
    base = next((row for row, item in zip(rows, items, strict=True) if not item.metered), rows[0] if rows else {})
    schedule = found.get("schedule") or ""
    return SubscriptionRead(
        id=found["id"],
        customer=_id(found["customer"]),
        status=found["status"],
        items=items,
        period_start=_time(base.get("current_period_start")),
        period_end=_time(base.get("current_period_end")),
        ends_then=bool(found.get("cancel_at_period_end") or found.get("cancel_at")),
        started_at=_time(found.get("start_date") or found["created"]) or asked_at,
        ended_at=_time(found.get("ended_at")),
        schedule=_id(schedule),
        next_prices=_next_prices(schedule, base.get("current_period_end")),
        asked_at=asked_at,
    )


def _next_prices(schedule: Any, period_end: int | None) -> tuple[str, ...]:
    """Return the prices of the phase that begins when the paid period ends."""
    if not isinstance(schedule, dict) or schedule.get("status") not in ("active", "not_started") or not period_end:
        return ()
    following = [phase for phase in schedule.get("phases", ()) if phase["start_date"] >= period_end]
    return tuple(_id(item["price"]) for item in following[0]["items"]) if following else ()


def read_invoice(invoice_id: str) -> InvoiceRead:
    """Return an invoice as it is now."""
    asked_at = now()
    with provider() as stripe:
        found = stripe.v1.invoices.retrieve(invoice_id).to_dict()
    parent = (found.get("parent") or {}).get("subscription_details") or {}
    times = found.get("status_transitions") or {}
    return InvoiceRead(
        id=found["id"],
        customer=_id(found.get("customer") or ""),
        subscription=_id(parent.get("subscription") or ""),
        number=found.get("number") or "",
        status=found.get("status") or "draft",
        currency=found["currency"],
        total_cents=found["total"],
        tax_cents=sum(tax["amount"] for tax in found.get("total_taxes") or ()),
        page_url=found.get("hosted_invoice_url") or "",
        pdf_url=found.get("invoice_pdf") or "",
        issued_at=_time(times.get("finalized_at") or found.get("created")),
        period_start=_time(found.get("period_start")),
        period_end=_time(found.get("period_end")),
        asked_at=asked_at,
    )


def read_event(payload: bytes, signature: str) -> Event:
    """Return a webhook that is signed with one of our secrets and not older than five minutes. Raises BadWebhook."""
    client, sdk = _client(settings.STRIPE_SECRET_KEY, settings.STRIPE_API_URL)
    for secret in settings.STRIPE_WEBHOOK_SECRETS:
        try:
            found = client.construct_event(payload, signature, secret, TOLERANCE_S).to_dict()
            about = found["data"]["object"]
            return Event(
                id=str(found["id"])[:80],
                kind=str(found["type"])[:80],
                object_id=_to_be_read(about)[:80],
                customer=_id(about.get("customer") or "")[:80],
                created_at=_time(found.get("created")),
            )
        except sdk.SignatureVerificationError:
            continue
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BadWebhook("form") from error
    raise BadWebhook("signature")


def _to_be_read(about: dict[str, Any]) -> str:
    """Return the subscription that a checkout or a schedule is about, else the object's own id."""
    if about.get("object") in ("checkout.session", "subscription_schedule"):
        return _id(about.get("subscription") or about.get("released_subscription") or "")
    return str(about.get("id") or "")


def _id(found: Any) -> str:
    """Return the id of what the provider gives either as an id or, expanded, as the object."""
    return str(found["id"] if isinstance(found, dict) else found)


def _time(seconds: int | None) -> datetime.datetime | None:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC) if seconds else None
