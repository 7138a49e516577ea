"""What can stand between a key and an answer.

BillingError
├── UnknownKey        nobody's key, or one that was revoked or has expired
├── Suspended         the customer is, for an unpaid invoice or by staff
├── LimitReached      one limit has no room for the call (``source``, ``window``, ``unit``)
├── CallKnown         the same idempotency key came before (``state``)
├── LedgerAway        the database does not answer, so nothing can be counted
├── PaymentsOff       no payment provider is configured
├── PaymentsAway      the provider does not answer, or not now
│   └── PaymentRefused    the provider answers no, and would again (``reason``)
├── BadWebhook        what came was not signed with a secret of ours, is too old, or is no event
└── NotAllowed        a wish that the rules of a plan or key exclude (``reason``)
"""

import datetime
from typing import Literal


class BillingError(Exception):
    """Root of this app's errors. ``code`` is what a client may see."""

    code = "billing_error"


class UnknownKey(BillingError):
    code = "invalid_api_key"


class Suspended(BillingError):
    code = "account_suspended"


class LimitReached(BillingError):
    """``limit``, ``spent``, ``reserved`` are millionths of a dollar or milliseconds of a GPU, as ``unit`` says."""

    code = "insufficient_quota"

    def __init__(
        self,
        *,
        source: Literal["account", "key"],
        window: Literal["day", "month"],
        unit: Literal["microusd", "gpu_ms"],
        limit: int,
        spent: int,
        reserved: int,
        resets_at: datetime.datetime,
    ) -> None:
        super().__init__(f"{source}_{window}")
        self.source = source
        self.window = window
        self.unit = unit
        self.limit = limit
        self.spent = spent
        self.reserved = reserved
        self.resets_at = resets_at


class CallKnown(BillingError):
    """``request_id`` is the first call's. ``completed`` has its tokens."""

    code = "already_known"

    def __init__(
        self,
        state: Literal["in_flight", "other_body", "completed"],
        *,
        request_id: str,
        prompt_tokens: int,
        completion_tokens: int,
        outcome: str,
    ) -> None:
        super().__init__(state)
        self.state = state
        self.request_id = request_id
        self.prompt_tokens = prompt_tokens
        self.completion_tokens = completion_tokens
        self.outcome = outcome


class LedgerAway(BillingError):
    code = "ledger_away"


class LedgerBusy(LedgerAway):
    """Somebody else holds the customer's row: an erasure of many lines, staff's shell."""

    code = "ledger_busy"


class PaymentsOff(BillingError):
    code = "payments_off"


class PaymentsAway(BillingError):
    code = "payments_away"

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class PaymentRefused(PaymentsAway):
    """``reason`` is the provider's own word for it, such as ``card_declined``; ``card``: it is about a card."""

    code = "payment_refused"

    def __init__(self, reason: str = "", *, card: bool = False) -> None:
        super().__init__(reason)
        self.card = card


class BadWebhook(BillingError):
    code = "bad_webhook"


class NotAllowed(BillingError):
    code = "not_allowed"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
