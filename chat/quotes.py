"""Picks the sentences of a passage that answer a question: shown as they stand, before any model has begun."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from chat.retrieval import SYNONYM_WEIGHT, Index
from chat.sentences import sentences
from chat.words import terms

# How far a long sentence is discounted (b of BM25) and how soon a repeated word stops counting (k1).
_LENGTH_WEIGHT = 0.3
_SATURATION = 1.2

# What figures are worth where the question wants one: about a word of middling rarity.
_FIGURE = 1.5


@dataclass(frozen=True, slots=True)
class Quote:
    """``text`` is verbatim: one or two sentences in the passage's order, ' … ' where something between is left out."""

    text: str
    best_sentence: str


def quote(text: str, question: Mapping[str, float], index: Index, *, wants_figure: bool = False) -> Quote:
    """Return the two sentences of ``text`` that share the most with ``question`` (term to weight).

    ``wants_figure``: the question is one for an amount or a time, so a sentence with figures is worth a word more.
    """
    found = sentences(text)
    if not found:
        return Quote("", "")
    scores = _scores(found, question, index)
    if wants_figure:
        scores = [score + _FIGURE * bool(re.search(r"\d", text)) for score, text in zip(scores, found, strict=True)]
    order = sorted(range(len(found)), key=lambda at: (-scores[at], at))
    first, *rest = sorted(order[:2])
    if not rest:
        return Quote(found[first], found[first])
    joint = " " if rest[0] == first + 1 else " … "
    return Quote(f"{found[first]}{joint}{found[rest[0]]}", found[order[0]])


def begin_with(sentence: str, words: int = 6) -> str:
    """Return the first words of ``sentence`` for the small model to go on from: at most half of it, no cut number.

    Six words measured best for a 135M model; the whole sentence would leave it nothing to say. Empty for one word.
    """
    spans = [match.span() for match in re.finditer(r"\S+", sentence)]
    count = min(words, len(spans) - 2 if len(spans) > 3 else len(spans) - 1)
    while count > 0 and _inside_number(sentence, spans, count):
        count -= 1
    return sentence[: spans[count - 1][1]] if count > 0 else ""


def _inside_number(sentence: str, spans: list[tuple[int, int]], count: int) -> bool:
    """Return whether the cut after ``count`` words falls between the figures of one number ("17 000")."""
    last = sentence[slice(*spans[count - 1])]
    after = sentence[slice(*spans[count])]
    return last[-1].isdigit() and after[0].isdigit()


def _scores(found: list[str], question: Mapping[str, float], index: Index) -> list[float]:
    bags = [terms(sentence, index.language) for sentence in found]
    average = sum(map(len, bags)) / len(bags) or 1.0
    return [_score(bag, question, index, length=len(bag) / average) for bag in bags]


def _score(bag: list[str], question: Mapping[str, float], index: Index, *, length: float) -> float:
    damping = _SATURATION * (1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * length)
    total = 0.0
    for term, weight in question.items():
        others = index.alike(term)
        count = bag.count(term) + SYNONYM_WEIGHT * sum(1 for word in bag if word in others)
        total += weight * index.idf(term) * count * (1 + _SATURATION) / (count + damping)
    return total
