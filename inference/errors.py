"""What can go wrong between a question and a model.

InferenceError
├── NoModel              nothing registered and switched on can serve this
├── QueueFull            try again in ``retry_after_s``
├── SwitchedOff          staff switched the model off while it answered
├── WakeRefused          the sleeping backend is not woken now (``reason``)
├── BudgetSpent          no GPU seconds or money left under one cap, until ``resets_at``
├── LimitTooHigh         more than any cap may be
├── LimitsDoNotAddUp     classes together could spend more than everybody may
└── BackendError
    ├── Unavailable      no connection, or an answer that says "not now"
    │   └── CircuitOpen  it failed too often just now to be asked
    │       └── Asleep   nobody woke it, or it went to sleep before our turn
    ├── TimedOut         no first token, no next token, or too long in all (``which``)
    ├── Cut              the stream ended without saying why
    ├── Garbled          not what the runtime promises to send
    └── Refused          the request is at fault, the backend says, so no other one fares better
        └── ContextTooLong   ``prompt_tokens`` do not fit into ``context_tokens``
"""

import datetime
from typing import Literal


class InferenceError(Exception):
    """Root of this app's errors. ``code`` is what a client may see."""

    code = "model_error"


class NoModel(InferenceError):
    code = "model_unavailable"


class QueueFull(InferenceError):
    code = "busy"

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class SwitchedOff(InferenceError):
    code = "model_switched_off"


class WakeRefused(InferenceError):
    """``reason``: *switched_off*, *cooling_down* after failures, or *sleeping* while it is being put to sleep."""

    code = "large_away"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class BudgetSpent(InferenceError):
    """``scope`` and ``window`` name the row of GpuLimit that has nothing left."""

    code = "budget_spent"

    def __init__(self, scope: str, window: str, resets_at: datetime.datetime) -> None:
        super().__init__(f"{scope}/{window}")
        self.scope = scope
        self.window = window
        self.resets_at = resets_at


class LimitTooHigh(InferenceError):
    code = "limit_too_high"


class LimitsDoNotAddUp(InferenceError):
    """By how much the three classes would be above the cap of everybody, in seconds and in cents."""

    code = "limits_do_not_add_up"

    def __init__(self, *, window: str, seconds: int, usd_cents: int) -> None:
        super().__init__(window)
        self.window = window
        self.seconds = seconds
        self.usd_cents = usd_cents


class BackendError(InferenceError):
    """The fault of one backend; another may do better."""


class Unavailable(BackendError):
    code = "model_unavailable"


class CircuitOpen(Unavailable):
    """Not asked at all."""


class Asleep(CircuitOpen):
    """Not asked at all, and not its fault."""


class TimedOut(BackendError):
    code = "model_timeout"

    def __init__(self, which: Literal["first_token", "idle", "total"]) -> None:
        super().__init__(which)
        self.which = which


class Cut(BackendError):
    code = "model_cut_off"


class Garbled(BackendError):
    code = "model_garbled"


class Refused(BackendError):
    code = "model_refused"


class ContextTooLong(Refused):
    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context_tokens: int) -> None:
        super().__init__(prompt_tokens, context_tokens)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens
