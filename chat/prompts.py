"""The prompt, laid out for the server's prompt cache.

Fixed text, then one passage, always in the same bytes: whoever asks about a passage that was used
before waits for the new tokens only (measured: 0.06 s to the first token instead of 0.38 s). Then a
random line, so that nothing after it is ever shared: nobody can learn, by speed or by a count of cached
tokens, what somebody else has asked. Then history, and the question last.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from chat.quotes import begin_with
from content.passages import Passage
from inference.backends.base import Request, Turn
from inference.backends.tokens import neutralise
from inference.registry import Served

SYSTEM = "You are {name}, the assistant of this site. Answer the question in one short sentence, using only the text."
SYSTEM_ROOMY = (
    "You are {name}, the assistant of this site. Answer the question in the language it is asked in, in a few plain"
    " sentences, using only the texts. If they do not answer it, say that you do not know."
)
BEGUN_WORDS = 8
SENTENCE_ENDS = (". ", ".\n", "! ", "? ", "\n")
ROOMY_TOKENS = 4096
ROOMY_PASSAGES = 3
PASSAGE_TOKENS = 200
CHARS_PER_TOKEN = 3.5  # English in the small models' tokenisers; a guess on the safe side


@dataclass(frozen=True, slots=True)
class Room:
    """What a model can take: how many passages, and whether its turn must be begun for it."""

    passages: int
    begun: bool


def room_for(served: Served) -> Room:
    """Return what to give a model: with a small window one passage and its first words, with a large one several."""
    if served.context_tokens >= ROOMY_TOKENS:
        return Room(ROOMY_PASSAGES, begun=False)
    return Room(1, begun=True)


def room_for_history(served: Served, cap: int) -> int:
    """Return the tokens left for earlier turns beside the answer, the passages and a question of ordinary length."""
    return max(0, served.context_tokens - cap - PASSAGE_TOKENS * room_for(served).passages - 250)


def fitting(history: tuple[Turn, ...], *, budget_tokens: int) -> tuple[Turn, ...]:
    """Return the latest question-and-answer pairs that fit, oldest first."""
    room = int(budget_tokens * CHARS_PER_TOKEN)
    kept = len(history)
    while kept >= 2 and room >= (needed := len(history[kept - 1].text) + len(history[kept - 2].text)):
        room -= needed
        kept -= 2
    return history[kept:]


def system_turn(name: str, *passages: Passage) -> str:
    """Return the public part of a prompt: what anyone could know, and all that is shared through the cache.

    Several passages stand in the order of their ids, so that the same ones give the same bytes.
    """
    if len(passages) == 1:
        return f"{SYSTEM.format(name=name)}\n\nText: {neutralise(passages[0].text)}"
    texts = "\n\n".join(f"Text: {neutralise(each.text)}" for each in sorted(passages, key=lambda one: one.id))
    return f"{SYSTEM_ROOMY.format(name=name)}\n\n{texts}"


def prompt(
    *,
    name: str,
    passages: Sequence[Passage],
    best_sentence: str,
    question: str,
    history: tuple[Turn, ...],
    max_tokens: int,
) -> Request:
    """Return the request for a grounded answer, begun with the first words of ``best_sentence`` if there is one.

    Eight words put the right fact into 45 of 70 answers, six into 40. Naming the sentence once more with six gave 47,
    but its 30 tokens are new for each question and would double the wait for the first word (docs/answers.md).
    """
    private = f"\nConversation {secrets.token_hex(4)}"
    return Request(
        turns=(
            Turn("system", system_turn(name, *passages) + private),
            *history,
            Turn("user", neutralise(question)),
        ),
        begun=begin_with(neutralise(best_sentence), words=BEGUN_WORDS) if best_sentence else "",
        max_tokens=max_tokens,
        # A turn that was begun is one sentence; a model that begins by itself says when it is done.
        stop=SENTENCE_ENDS if best_sentence else (),
    )


def warm_up(name: str, passage: Passage) -> Request:
    """Return a request that leaves the public part of a prompt in the server's cache."""
    return Request(turns=(Turn("system", system_turn(name, passage)),), max_tokens=1)
