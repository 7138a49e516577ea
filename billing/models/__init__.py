"""Customers, what they may use, what they used, and what they pay.

``plans`` what is offered and at which price · ``customers`` who buys · ``keys`` how they identify themselves ·
``ledger`` what they used · ``payments`` what the payment provider told us and what we told it.

Money is counted in millionths of a US dollar (``microusd``), time on a GPU in milliseconds, windows in UTC.
"""

from billing.models.customers import Customer
from billing.models.keys import ApiKey
from billing.models.ledger import Quota, UsageRecord
from billing.models.payments import (
    CustomerRemoval,
    Invoice,
    MeterSend,
    Reconciliation,
    StripeEvent,
    Subscription,
)
from billing.models.plans import ModelPrice, Plan

__all__ = [
    "ApiKey",
    "Customer",
    "CustomerRemoval",
    "Invoice",
    "MeterSend",
    "ModelPrice",
    "Plan",
    "Quota",
    "Reconciliation",
    "StripeEvent",
    "Subscription",
    "UsageRecord",
]
