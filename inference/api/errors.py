"""Every refusal of the API, in the one shape that clients read.

``{"error": {"message", "type", "param", "code", ...}}`` with a status that tells a client whether asking again helps:
408, 409, 429 and 5xx are asked again by OpenAI's own, the others are not.
"""

import datetime
import math
from collections.abc import Mapping
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from billing.errors import CallKnown, LedgerAway, LimitReached, Suspended, UnknownKey
from inference.errors import (
    BudgetSpent,
    ContextTooLong,
    InferenceError,
    NoModel,
    QueueFull,
    Refused,
    SwitchedOff,
    TimedOut,
    Unavailable,
    WakeRefused,
)

INVALID = "invalid_request_error"
SERVER = "server_error"
MICROUSD, MS = 1_000_000, 1_000


class ApiError(Exception):
    """One refusal. ``message`` is put into the caller's language when it is written, and ``values`` into it then."""

    def __init__(
        self,
        status: int,
        code: str,
        message: Any,
        *,
        param: str | None = None,
        kind: str = INVALID,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.kind = kind
        self.headers = dict(headers or {})
        self.more = dict(more or {})
        self.values = values

    def as_dict(self, request_id: str) -> dict[str, Any]:
        """Return the body, in the language that is active."""
        return {
            "error": {
                "message": str(self.message) % self.values if self.values else str(self.message),
                "type": self.kind,
                "param": self.param,
                "code": self.code,
                "request_id": request_id,
                **self.more,
            }
        }


def invalid(param: str | None, message: Any, code: str = "invalid_value", **values: Any) -> ApiError:
    """A field that is missing, unknown or wrong."""
    return ApiError(400, code, message, param=param, values=values)


def unsupported(param: str, message: Any = None) -> ApiError:
    """A field that this model, or this API, has no way to honour."""
    text = message or _("This model does not support %(param)s.")
    return ApiError(400, "unsupported_parameter", text, param=param, values={"param": param})


def no_key() -> ApiError:
    return ApiError(
        401,
        "invalid_api_key",
        _("There is no working API key in this request. Send it as “Authorization: Bearer wag_…”."),
        headers={"WWW-Authenticate": "Bearer"},
    )


def not_permitted(message: Any) -> ApiError:
    return ApiError(403, "not_permitted", message, kind="permission_error")


def no_route() -> ApiError:
    text = _("There is no endpoint at this address. The API documentation lists them all.")
    return ApiError(404, "unknown_url", text)


def no_model(model: str) -> ApiError:
    text = _("The model “%(model)s” does not exist, or this key may not use it.")
    return ApiError(404, "model_not_found", text, param="model", values={"model": model[:80]})


def method_not_allowed(allowed: str) -> ApiError:
    text = _("This address takes %(allowed)s.")
    return ApiError(405, "method_not_allowed", text, headers={"Allow": allowed}, values={"allowed": allowed})


def too_large(limit_bytes: int) -> ApiError:
    text = _("The request is larger than %(kib)d KiB.")
    values = {"kib": limit_bytes // 1024}
    return ApiError(413, "request_too_large", text, headers={"Connection": "close"}, values=values)


def not_json() -> ApiError:
    return ApiError(415, "unsupported_media_type", _("Send the request as application/json."))


def too_many(which: str, wait_s: float, headers: Mapping[str, str]) -> ApiError:
    """A limit of the minute, or of calls at a time. ``wait_s`` are the real seconds until there is room."""
    words = {
        "requests": _("Too many requests in a minute for this key or account."),
        "tokens": _("Too many tokens in a minute for this key or account."),
        "parallel": _("Too many calls at a time for this key or account."),
    }
    retry = {"Retry-After": str(max(1, math.ceil(wait_s))), "retry-after-ms": str(max(1, math.ceil(wait_s * 1000)))}
    return ApiError(
        429,
        "rate_limit_exceeded",
        words[which],
        kind="rate_limit_error",
        headers={**headers, **retry},
        more={"limit": which},
    )


def never_fits(tokens: int, limit: int, headers: Mapping[str, str]) -> ApiError:
    """More tokens in one request than a minute allows at all: waiting does not help, and the client is told so."""
    text = _("This request may take %(tokens)d tokens; this key or account has %(limit)d in a minute.")
    return ApiError(
        429,
        "request_over_rate_limit",
        text,
        kind="rate_limit_error",
        headers={**headers, "x-should-retry": "false"},
        more={"limit": "tokens"},
        values={"tokens": tokens, "limit": limit},
    )


def away(retry_after_s: int, code: str = "temporarily_unavailable", message: Any = None) -> ApiError:
    text = message or _("This service cannot answer at the moment. Please ask again in %(seconds)d seconds.")
    values = {"seconds": retry_after_s}
    return ApiError(503, code, text, kind=SERVER, headers={"Retry-After": str(retry_after_s)}, values=values)


def unexpected() -> ApiError:
    return ApiError(500, "internal_error", _("Something went wrong on our side. It is in our log."), kind=SERVER)


def of_ledger(error: Exception) -> ApiError:
    """Return what an error of ``billing`` means to a client."""
    match error:
        case UnknownKey():
            return no_key()
        case Suspended():
            text = _("This account is suspended. Its billing page says why, and how to end it.")
            return ApiError(402, "account_suspended", text, kind="insufficient_quota")
        case LimitReached():
            return _limit(error)
        case CallKnown():
            return _known(error)
        case LedgerAway():
            return away(5)
    raise error


def _limit(error: LimitReached) -> ApiError:
    left_s = max(1, math.ceil((error.resets_at - timezone.now()).total_seconds()))
    values = {"spent": _amount(error.spent, error.unit), "limit": _amount(error.limit, error.unit)}
    words = {
        ("account", "day"): _("The account’s limit for today is reached: %(spent)s of %(limit)s."),
        ("account", "month"): _("The account’s limit for this month is reached: %(spent)s of %(limit)s."),
        ("key", "day"): _("This key’s limit for today is reached: %(spent)s of %(limit)s."),
        ("key", "month"): _("This key’s limit for this month is reached: %(spent)s of %(limit)s."),
    }
    return ApiError(
        402,
        "insufficient_quota",
        words[error.source, error.window],
        kind="insufficient_quota",
        values=values,
        more={
            "limit_source": f"{error.source}_{error.window}",
            "limit_unit": "usd" if error.unit == "microusd" else "gpu_s",
            "limit": _number(error.limit, error.unit),
            "used": _number(error.spent, error.unit),
            "reserved": _number(error.reserved, error.unit),
            "resets_at": _stamp(error.resets_at),
            "resets_in_s": left_s,
        },
    )


def _known(error: CallKnown) -> ApiError:
    first = {"first_request_id": error.request_id}
    match error.state:
        case "in_flight":
            text = _("The first call with this Idempotency-Key is still running.")
            return ApiError(409, "idempotency_in_flight", text, headers={"Retry-After": "1"}, more=first)
        case "other_body":
            text = _("This Idempotency-Key came with another request before. Use a new one for a new request.")
            return ApiError(422, "idempotency_key_reused", text, param="Idempotency-Key", more=first)
    total = error.prompt_tokens + error.completion_tokens
    usage = {
        "prompt_tokens": error.prompt_tokens,
        "completion_tokens": error.completion_tokens,
        "total_tokens": total,
    }
    text = _("The call with this Idempotency-Key was made and counted. Its answer is not kept.")
    more = {**first, "usage": usage, "outcome": error.outcome}
    return ApiError(409, "already_completed", text, headers={"x-should-retry": "false"}, more=more)


def _amount(value: int, unit: str) -> str:
    if unit == "microusd":
        dollars = f"{value / MICROUSD:.6f}"
        return f"{dollars.rstrip('0').rstrip('.')} USD"
    return f"{value / MS:g} s GPU"


def _number(value: int, unit: str) -> float:
    return value / (MICROUSD if unit == "microusd" else MS)


def _stamp(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def of_inference(error: InferenceError) -> ApiError:
    """Return what an error of the engine means to a client."""
    match error:
        case QueueFull():
            return away(error.retry_after_s, "busy", _("Every place in the queue is taken. Please ask again later."))
        case BudgetSpent():
            left_s = max(1, math.ceil((error.resets_at - timezone.now()).total_seconds()))
            return away(left_s, error.code, _("The operator’s budget for the large model is used up for now."))
        case WakeRefused():
            return away(60, "model_asleep", _("The large model is asleep and cannot be woken at the moment."))
        case ContextTooLong():
            return too_long(error.prompt_tokens, error.context_tokens)
        case Refused():
            text = _("This model cannot take this request: another order of its messages may help.")
            return ApiError(400, error.code, text, param="messages")
        case SwitchedOff():
            return away(60, error.code, _("This model was switched off."))
        case NoModel() | Unavailable():
            return away(10, "model_unavailable", _("This model cannot answer at the moment."))
        case TimedOut():
            text = _("The model did not answer in time.")
            return ApiError(504, error.code, text, kind=SERVER, headers={"Retry-After": "10"})
    text = _("The model’s answer broke off.")
    return ApiError(502, error.code, text, kind=SERVER, headers={"Retry-After": "5"})


def too_long(prompt_tokens: int, context_tokens: int, wanted: int = 0) -> ApiError:
    """A prompt, or a prompt with the answer that was asked for, that does not fit into the context."""
    values = {"prompt": prompt_tokens, "context": context_tokens, "wanted": wanted}
    if wanted:
        text = _(
            "This model’s context is %(context)d tokens. The messages take %(prompt)d and the answer may take"
            " %(wanted)d. Shorten one of them."
        )
    else:
        text = _("This model’s context is %(context)d tokens. The messages take %(prompt)d. Shorten them.")
    return ApiError(400, "context_length_exceeded", text, param="messages", values=values)
