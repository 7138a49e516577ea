"""What of a conversation goes back into the prompt: the last sealed turns that fit."""

from collections.abc import Sequence
from itertools import pairwise

from chat.asks import Message
from chat.seals import holds
from inference.backends.base import Turn
from inference.backends.tokens import neutralise

CHARS_PER_TOKEN = 3.5  # English in the small models' tokenisers; a guess on the safe side


def previous_question(messages: Sequence[Message]) -> str | None:
    """Return the question before the last one, for follow-ups that lean on it."""
    earlier = [message.content for message in messages[:-1] if message.role == "user"]
    return earlier[-1] if earlier else None


def kept_turns(messages: Sequence[Message], *, budget_tokens: int) -> tuple[Turn, ...]:
    """Return the latest question-and-answer pairs that are ours and fit, oldest first.

    An answer counts only when its seal was made for it and for the question right before it, so a
    client cannot put words into the assistant's mouth.
    """
    turns: list[Turn] = []
    room = int(budget_tokens * CHARS_PER_TOKEN)
    earlier = list(messages[:-1])
    for asked, answered in reversed(list(pairwise(earlier))):
        if asked.role != "user" or answered.role != "assistant":
            continue
        if not holds(answered.seal, question=asked.content, text=answered.content):
            continue
        room -= len(asked.content) + len(answered.content)
        if room < 0:
            break
        turns[:0] = [Turn("user", neutralise(asked.content)), Turn("assistant", neutralise(answered.content))]
    return tuple(turns)
