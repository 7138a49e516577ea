"""Checks a finished answer against the passages it was written from: finds what they do not say.

It sees false figures, dates, names and addresses, foreign words, loops and the wrong language. It cannot see true words
joined into a false sentence, which is why the quote always stands above the answer.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chat.language import language_of
from chat.numbers import date_spans, is_number_word, numbers
from chat.words import fold, terms

# Measured on a 135M model: of the answers that keep both bounds none was wrong.
MIN_SHARE_OF_WORDS = 0.85
MAX_SHARE_REPEATED = 0.3

_ADDRESS = re.compile(
    r"https?://[^\s<>\"')\]]+|[\w.+-]+@[\w-]+(?:\.[\w-]+)+|(?<![\w.])(?:[a-z0-9-]+\.)+[a-z]{2,}(?:/[^\s<>\"')\]]*)?",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_SENTENCE_START = re.compile(r"(?:^|[.!?…:\n]\s+|[\"“«(\[]\s?|^[-*]\s+)$")


@dataclass(frozen=True, slots=True)
class Check:
    """The result; ``reasons`` are codes in this order: number, date, name, address, words, loop, language."""

    passed: bool
    reasons: tuple[str, ...]


def check(text: str, passages: Sequence[str], language: str) -> Check:
    """Return whether ``text`` says only what ``passages`` say; an empty text does not pass.

    The question vouches for nothing: "Is it 90 days?" must not make "It is 90 days" pass.
    """
    source = "\n".join(passages)
    # Each thing is judged once: a false date is no false number, name and word besides.
    plain = _ADDRESS.sub(" ", _without_dates(text, language))
    tests = {
        "number": not numbers(plain, language) <= numbers(source, language),
        "date": not _dates(text, language) <= _dates(source, language),
        "name": _has_new_name(plain, source),
        "address": not _addresses(text) <= _addresses(source),
        "words": _share_of_words(text, plain, passages, language) < MIN_SHARE_OF_WORDS,
        "loop": _share_repeated(text) > MAX_SHARE_REPEATED,
        "language": language_of(text, language) != language,
    }
    reasons = tuple(code for code, failed in tests.items() if failed)
    return Check(passed=not reasons, reasons=reasons)


def _dates(text: str, language: str) -> set[tuple[int, ...]]:
    return {date for _span, date in date_spans(text, language)}


def _without_dates(text: str, language: str) -> str:
    for (start, end), _date in date_spans(text, language):
        text = text[:start] + " " * (end - start) + text[end:]
    return text


def _addresses(text: str) -> set[str]:
    return {found.rstrip(".,;:!?").casefold() for found in _ADDRESS.findall(text)}


def _has_new_name(text: str, source: str) -> bool:
    known = {part for word in _WORD.findall(source) for part in _name_parts(word)}
    return any(part not in known for name in _names(text) for part in _name_parts(name))


def _names(text: str) -> Iterator[str]:
    """Yield words written as names: a capital inside a sentence, or capitals and figures within the word anywhere."""
    for match in _WORD.finditer(text):
        word = re.sub(r"^[A-Za-z]{1,2}['’](?=\w)", "", match[0])
        if len(word) < 2 or word.startswith(("I'", "I’")):
            continue
        # Only the few characters before: looking at all of them for every word is quadratic.
        begins = bool(_SENTENCE_START.search(text, max(0, match.start() - 12), match.start()))
        if any(letter.isupper() for letter in word[1:]) or (word[0].isupper() and not begins):
            yield word


def _name_parts(word: str) -> list[str]:
    return [part.removesuffix("s") for part in re.findall(r"[^\W_]+", fold(word)) if len(part) > 1]


def _share_of_words(text: str, plain: str, passages: Sequence[str], language: str) -> float:
    """Return the share of content words that stand in a passage; 0 for a text that has nothing to hold against it.

    Figures, dates and addresses have tests of their own and count as neither.
    """
    written = [word for word in terms(plain, language) if not word.isdigit() and not is_number_word(word, language)]
    allowed = set(terms("\n".join(passages), language))
    if not written:
        return 1.0 if plain.strip() != text.strip() or numbers(plain, language) else 0.0
    return sum(word in allowed for word in written) / len(written)


def _share_repeated(text: str) -> float:
    """Return which share of the runs of four words came before in the same text."""
    words = fold(text).split()
    runs = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    return 1 - len(set(runs)) / len(runs) if runs else 0.0
