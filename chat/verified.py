"""Finds the approved pair that asks what the visitor asks, or nothing: no answer is better than a wrong one."""

from dataclasses import dataclass

from chat.retrieval import SYNONYM_WEIGHT, Index
from chat.words import kind_of_question, terms, wording
from content.passages import ApprovedPair

# What is left of the score where the question is of a kind that no phrasing of the pair has.
OTHER_KIND = 0.7


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest pair. ``score`` is 0 to 1 (1: the same content words), ``margin`` its lead over the next pair."""

    pair: ApprovedPair
    score: float
    margin: float


def nearest_pair(question: str, index: Index) -> Match | None:
    """Return the approved pair nearest to ``question``; None where no pair shares a content word with it.

    A question in the very words of a phrasing is that question. Otherwise the score of a phrasing is the harmonic mean
    of two shares, weighted by how rare words are: how much of the question the phrasing has, and how much of the
    phrasing the question has. So a word too many counts as much as a word too few ("How long do you keep my chats in
    Redis?" is another question), and "how big" is not "what is".
    """
    exact = wording(question)
    for each in index.asked:
        if exact in each.wordings:
            return Match(each.pair, 1.0, 1.0)
    asked = frozenset(terms(question, index.language))
    kind = kind_of_question(question, index.language)
    scores = [
        (
            max(_overlap(asked, phrasing, index) for phrasing in each.phrasings)
            * (1.0 if not kind or kind in each.kinds else OTHER_KIND),
            each.pair,
        )
        for each in index.asked
    ]
    scores.sort(key=lambda item: -item[0])
    if not scores or scores[0][0] == 0:
        return None
    second = scores[1][0] if len(scores) > 1 else 0.0
    return Match(scores[0][1], scores[0][0], scores[0][0] - second)


def _overlap(asked: frozenset[str], wanted: frozenset[str], index: Index) -> float:
    forth, back = _share(asked, wanted, index), _share(wanted, asked, index)
    return 2 * forth * back / (forth + back) if forth + back else 0.0


def _share(these: frozenset[str], those: frozenset[str], index: Index) -> float:
    """Return the share of the weight of ``these`` that ``those`` contain, synonyms counting less."""
    whole = sum(index.idf(term) for term in these)
    found = 0.0
    for term in these:
        if term in those:
            found += index.idf(term)
        elif index.thesaurus.others(term) & those:
            found += SYNONYM_WEIGHT * index.idf(term)
    return found / whole if whole else 0.0
