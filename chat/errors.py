"""What can go wrong with a question.

ChatError
├── AskRefused      malformed or over a limit; ``field`` and ``problem`` say where and why
│   └── HoldsKey    there is an API key in it
├── Impolite        the profanity filter; the reader is asked to put it otherwise
├── RateLimited     too many questions; again in ``retry_after_s``
├── IdReused        this id carries another question
├── UnknownId       no answer under this id, or not for this secret
├── UnknownConversation  not this person's, or gone
├── StorageFull     a person has as much stored as anybody may
├── TooManyOpen     a socket follows enough answers already
├── SignedOut       the session ended before the large model was ready
├── LargeAway       no second version, for the reason in ``code``
├── Interrupted     the answer ended before its time
└── Draining        this process is about to end
"""


class ChatError(Exception):
    """Root of this app's errors. ``code`` is part of the protocol, ``status`` its HTTP twin."""

    code = "error"
    status = 500
    retry_after_s: int | None = None


class AskRefused(ChatError):
    code = "invalid"
    status = 400

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem


class HoldsKey(AskRefused):
    code = "holds_api_key"


class Impolite(ChatError):
    code = "impolite"
    status = 400


class RateLimited(ChatError):
    code = "rate_limited"
    status = 429

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class IdReused(ChatError):
    code = "id_reused"
    status = 409


class UnknownId(ChatError):
    code = "unknown_id"
    status = 404


class UnknownConversation(ChatError):
    code = "unknown_conversation"
    status = 404


class StorageFull(ChatError):
    code = "storage_full"
    status = 507


class TooManyOpen(ChatError):
    code = "too_many_open"
    status = 429
    retry_after_s = 5


class SignedOut(ChatError):
    code = "signed_out"
    status = 403


class LargeAway(ChatError):
    """``code``: *large_away* when it could not be woken, *budget_spent*, or *large_off* when staff switched it off."""

    status = 503

    def __init__(self, code: str = "large_away") -> None:
        super().__init__(code)
        self.code = code


class Interrupted(ChatError):
    code = "interrupted"
    status = 502


class Draining(ChatError):
    code = "restarting"
    status = 503
    retry_after_s = 5
