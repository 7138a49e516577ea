"""What can go wrong between a question and a model.

InferenceError
├── NoModel              nothing registered and switched on can serve this
├── QueueFull            try again in ``retry_after_s``
├── SwitchedOff          staff switched the model off while it answered
└── BackendError
    ├── Unavailable      no connection, or an answer that says "not now"
    │   └── CircuitOpen  it failed too often just now to be asked
    ├── TimedOut         no first token, no next token, or too long in all (``which``)
    ├── Cut              the stream ended without saying why
    ├── Garbled          not what the runtime promises to send
    └── ContextTooLong   ``prompt_tokens`` do not fit into ``context_tokens``
"""

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


class BackendError(InferenceError):
    """The fault of one backend; another may do better."""


class Unavailable(BackendError):
    code = "model_unavailable"


class CircuitOpen(Unavailable):
    """Not asked at all."""


class TimedOut(BackendError):
    code = "model_timeout"

    def __init__(self, which: Literal["first_token", "idle", "total"]) -> None:
        super().__init__(which)
        self.which = which


class Cut(BackendError):
    code = "model_cut_off"


class Garbled(BackendError):
    code = "model_garbled"


class ContextTooLong(BackendError):
    code = "context_length_exceeded"

    def __init__(self, prompt_tokens: int, context_tokens: int) -> None:
        super().__init__(prompt_tokens, context_tokens)
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens
