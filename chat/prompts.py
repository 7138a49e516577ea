"""The prompt, laid out for the server's prompt cache.

Fixed text, then one passage, always in the same bytes: whoever asks about a passage that was used
before waits for the new tokens only (measured: 0.06 s to the first token instead of 0.38 s). Then a
random line, so that nothing after it is ever shared: nobody can learn, by speed or by a count of cached
tokens, what somebody else has asked. Then the passage's best sentence once more, history, and the
question last.
"""

import secrets

from chat.quotes import begin_with
from content.passages import Passage
from inference.backends.base import Request, Turn
from inference.backends.tokens import neutralise

SYSTEM = "You are {name}, the assistant of this site. Answer the question in one short sentence, using only the text."
SENTENCE_ENDS = (". ", ".\n", "! ", "? ", "\n")


def system_turn(name: str, passage: Passage) -> str:
    """Return the public part of a prompt: what anyone could know, and all that is shared through the cache."""
    return f"{SYSTEM.format(name=name)}\n\nText: {neutralise(passage.text)}"


def prompt(
    *,
    name: str,
    passage: Passage,
    best_sentence: str,
    question: str,
    history: tuple[Turn, ...],
    max_tokens: int,
) -> Request:
    """Return the request for a grounded answer, begun with the first words of the passage's best sentence.

    Naming that sentence once more put the right fact into 47 of 70 answers instead of 40 (docs/answers.md). Which it
    is depends on the question, so it stands after the random line.
    """
    best = neutralise(best_sentence)
    private = f"\nConversation {secrets.token_hex(4)}\nMost useful: {best}"
    return Request(
        turns=(
            Turn("system", system_turn(name, passage) + private),
            *history,
            Turn("user", neutralise(question)),
        ),
        begun=begin_with(best),
        max_tokens=max_tokens,
        stop=SENTENCE_ENDS,
    )


def warm_up(name: str, passage: Passage) -> Request:
    """Return a request that leaves the public part of a prompt in the server's cache."""
    return Request(turns=(Turn("system", system_turn(name, passage)),), max_tokens=1)
