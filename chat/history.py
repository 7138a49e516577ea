"""What of a conversation goes back into the prompt: turns that are ours, under seal or from the store."""

from collections.abc import Sequence
from itertools import pairwise

from chat.asks import Message
from chat.seals import holds
from inference.backends.base import Turn
from inference.backends.tokens import neutralise


def previous_question(messages: Sequence[Message]) -> str | None:
    """Return the question before the last one, for follow-ups that lean on it."""
    earlier = [message.content for message in messages[:-1] if message.role == "user"]
    return earlier[-1] if earlier else None


def sealed_turns(messages: Sequence[Message]) -> tuple[Turn, ...]:
    """Return the question-and-answer pairs that are ours, oldest first.

    An answer counts only when its seal was made for it and for the question right before it, so a
    client cannot put words into the assistant's mouth.
    """
    turns: list[Turn] = []
    for asked, answered in pairwise(messages[:-1]):
        if asked.role != "user" or answered.role != "assistant":
            continue
        if holds(answered.seal, question=asked.content, text=answered.content):
            turns += [Turn("user", neutralise(asked.content)), Turn("assistant", neutralise(answered.content))]
    return tuple(turns)


def stored_turns(pairs: Sequence[tuple[str, str]]) -> tuple[Turn, ...]:
    """Return the turns of a stored conversation from its (question, answer) pairs."""
    turns = ((Turn("user", neutralise(asked)), Turn("assistant", neutralise(answered))) for asked, answered in pairs)
    return tuple(turn for pair in turns for turn in pair)
