"""The canned objects, in the provider's words. Kept in a file where one is given, so that a restart forgets nothing."""

import json
import secrets
import time
from pathlib import Path
from typing import Any

Object = dict[str, Any]
MONTH_S = 30 * 24 * 3600
KINDS = (
    "customers",
    "sessions",
    "subscriptions",
    "schedules",
    "invoices",
    "products",
    "prices",
    "meters",
    "meter_events",
    "configurations",
    "endpoints",
)


class Missing(Exception):
    """No such object."""


class Objects:
    """Everything the stand-in holds, by kind and id."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._held: dict[str, dict[str, Object]] = {kind: {} for kind in KINDS}
        if path is not None and path.exists():
            self._held |= json.loads(path.read_text())

    def get(self, kind: str, id: str) -> Object:
        """Return an object; changes to it are kept by ``save``. Raises Missing."""
        try:
            return self._held[kind][id]
        except KeyError:
            raise Missing(f"No such {kind.rstrip('s')}: '{id}'") from None

    def all(self, kind: str) -> list[Object]:
        return list(self._held[kind].values())

    def add(self, kind: str, found: Object) -> Object:
        self._held[kind][found["id"]] = found
        self.save()
        return found

    def drop(self, kind: str, id: str) -> None:
        self.get(kind, id)
        del self._held[kind][id]
        self.save()

    def save(self) -> None:
        """Write everything to the file, if there is one."""
        if self._path is not None:
            unfinished = self._path.with_suffix(".new")
            unfinished.touch(mode=0o600)
            unfinished.write_text(json.dumps(self._held))
            unfinished.replace(self._path)


def new_id(prefix: str) -> str:
    return f"{prefix}_test_{secrets.token_hex(8)}"


def listed(found: list[Object], url: str) -> Object:
    return {"object": "list", "data": found, "has_more": False, "url": url}


def made(kind: str, prefix: str, **fields: Any) -> Object:
    """Return a new object with what every object has."""
    return {
        "id": new_id(prefix),
        "object": kind,
        "created": int(time.time()),
        "livemode": False,
        "metadata": {},
        **fields,
    }


def subscription(customer: str, prices: list[Object], metadata: Object) -> Object:
    """Return a subscription that has just been paid."""
    now = int(time.time())
    found = made(
        "subscription",
        "sub",
        customer=customer,
        status="active",
        currency="usd",
        collection_method="charge_automatically",
        billing_mode={"type": "flexible"},
        start_date=now,
        ended_at=None,
        cancel_at=None,
        canceled_at=None,
        cancel_at_period_end=False,
        schedule=None,
        latest_invoice=None,
    )
    found["metadata"] = metadata
    found["items"] = listed([item(found["id"], price, now) for price in prices], "/v1/subscription_items")
    return found


def item(subscription_id: str, price: Object, begins: int) -> Object:
    metered = price["recurring"]["usage_type"] == "metered"
    return made(
        "subscription_item",
        "si",
        subscription=subscription_id,
        price=price,
        current_period_start=begins,
        current_period_end=begins + MONTH_S,
    ) | ({} if metered else {"quantity": 1})


def invoice(of: Object, *, status: str) -> Object:
    """Return an invoice over the canned price of the month: nothing is worked out, and there is no tax."""
    number = f"TEST-{secrets.token_hex(3).upper()}"
    first = of["items"]["data"][0]
    total = first["price"]["unit_amount"] or 0
    return made(
        "invoice",
        "in",
        customer=of["customer"],
        status=status,
        number=number,
        currency="usd",
        total=total,
        amount_due=total,
        total_taxes=[],
        parent={"type": "subscription_details", "subscription_details": {"subscription": of["id"], "metadata": {}}},
        status_transitions={"finalized_at": int(time.time())},
        hosted_invoice_url="",
        invoice_pdf="",
        period_start=first["current_period_start"],
        period_end=first["current_period_end"],
    )
