"""What can go wrong with a message to the team.

ChatError
├── AskRefused        what was written cannot be taken; ``field`` and ``problem`` say where and why
├── TooManyMessages   again in ``retry_after_s``
├── SentAlready       a message with this id has been sent
└── UnknownNumber     no message is known under this number

ThreadRefused         staff asked for what this message does not allow; ``str`` of it says why
"""

from chat.errors import ChatError, RateLimited


class TooManyMessages(RateLimited):
    code = "too_many_messages"


class SentAlready(ChatError):
    code = "sent_already"
    status = 409


class UnknownNumber(ChatError):
    code = "unknown_number"
    status = 404


class ThreadRefused(Exception):
    """Its text is a sentence for the member of staff."""
