"""One answer of a run as it is written down: what a reader would have seen, and everything that is judged in it."""

import zlib
from collections.abc import Sequence

import msgspec

from chat.language import language_of
from chat.sentences import sentences
from chat.support import check
from chat.words import fold, terms
from factory.evaluate.suite import SILENT, Item

FACTS = frozenset({"number", "date", "name", "address"})  # reasons of the check that name a fact its passage lacks
SUPPORTED = 0.6  # share of a sentence's content words that one passage must have
LOOP_SHARE, LOOP_RATIO = 0.3, 4.0  # of repeated runs of four words; of a text's bytes to its compressed ones
FIDELITY_WORDS = 20  # below this the small words of a text are too few to tell a language for certain
REFUSAL = "impolite"
SHORT_WORDS = 6


class Answer(msgspec.Struct, frozen=True):
    """One line of the raw file. Times in ms, energy in thousandths of a joule (low, mid, high).

    ``rung``: verified, quoted, small, large, none, impolite (refused as rude), or failed, with the reason in
    ``finish``. ``text`` is what stands as the answer, ``begun`` the words of it that were put into the model's mouth.
    ``right_place``: where the right passage stands among the sources, 0 when it does not. ``contact``: the answer
    names how to reach people.
    """

    item: str
    kind: str
    language: str
    question: str
    answerable: bool
    previous: str | None = None
    rung: str = "none"
    contact: bool = False
    text: str = ""
    begun: str = ""
    quote: str = ""
    sources: tuple[str, ...] = ()
    cited: tuple[str, ...] = ()
    citations_valid: bool = True
    right_place: int = 0
    knows_facts: bool = False
    fact_shown: bool = False
    wrong_approved: bool = False
    reasons: tuple[str, ...] = ()
    sentences: int = 0
    supported: int = 0
    loops: bool = False
    words: int = 0
    in_language: bool = True
    in_other_language: bool = False
    finish: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    first_token_ms: int = 0
    duration_ms: int = 0
    energy_mj: tuple[int, int, int] = (0, 0, 0)

    @property
    def silent(self) -> bool:
        """Whether the site says that it does not know, or only how to reach people."""
        return self.rung == "none" or self.contact

    @property
    def answered(self) -> bool:
        return not self.silent and self.rung not in (REFUSAL, "failed")

    @property
    def by_model(self) -> bool:
        """Whether a model wrote it, or was to: one that failed counts."""
        return self.rung in ("small", "large", "failed")

    @property
    def wants_silence(self) -> bool:
        return self.kind in SILENT

    @property
    def grounded_and_right(self) -> bool:
        """Whether an answer is owed and is there, from the right passage, supported by it, with its fact if known."""
        from_it = self.answerable and self.answered and self.right_place > 0 and not self.wrong_approved
        return from_it and not self.reasons and (self.fact_shown or not self.knows_facts)


def judged(answer: Answer, item: Item, texts: Sequence[str]) -> Answer:
    """Return ``answer`` with what can be told from its text and the ``texts`` of the passages it was written from.

    A text that a person approved is not held against its passage: it may say the same in other words.
    """
    language = item.language
    own = answer.text[len(answer.begun) :] if answer.text.startswith(answer.begun) else answer.text
    held = [terms(sentence, language) for sentence in sentences(answer.text)] if answer.rung != "verified" else []
    held = [words for words in held if words]
    known = [frozenset(terms(text, language)) for text in texts]
    other = "fr" if language == "en" else "en"
    reasons = check(answer.text, texts, language).reasons if answer.rung != "verified" else ()
    return msgspec.structs.replace(
        answer,
        reasons=reasons,
        sentences=len(held),
        supported=sum(any(_share(words, one) >= SUPPORTED for one in known) for words in held),
        loops=loops(answer.text),
        words=len(answer.text.split()),
        # Where the signs point both ways, the first says no and the second too: each errs against the text.
        in_language=language_of(answer.text, other) == language,
        in_other_language=len(own.split()) >= SHORT_WORDS and language_of(own, language) != language,
    )


def loops(text: str) -> bool:
    """Return whether ``text`` repeats itself: runs of four words, or bytes that compress too well."""
    words = fold(text).split()
    runs = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    repeated = 1 - len(set(runs)) / len(runs) if runs else 0.0
    data = text.encode()
    return repeated > LOOP_SHARE or len(data) > LOOP_RATIO * len(zlib.compress(data, 9))


def states(facts: Sequence[str], text: str) -> bool:
    """Return whether one of ``facts`` stands in ``text``, however white space, capitals and apostrophes are."""
    plain = _plain(text)
    return any(_plain(fact) in plain for fact in facts)


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold().replace("’", "'")


def _share(words: Sequence[str], known: frozenset[str]) -> float:
    return sum(word in known for word in words) / len(words)
