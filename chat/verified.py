"""Finds the approved pair that asks what the visitor asks, or nothing: no answer is better than a wrong one.

Pairs come from two places: the files of the knowledge, and corrections that staff wrote because of a flag. Where a
correction asks what a file's pair asks, it replaces it.
"""

import math
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from chat.models import Correction
from chat.retrieval import SYNONYM_WEIGHT, Asked, Index
from chat.words import kind_of_question, terms, turns_of, wording
from content.passages import ApprovedPair, Passage

# What is left of the score where the question is of a kind that no phrasing of the pair has, or turned around.
OTHER_KIND = 0.7

# A phrasing of fewer indexed words is found by its very words alone: near to one or two words is nearly everything.
MIN_INDEXED_WORDS = 3


@dataclass(frozen=True, slots=True)
class CorrectedPair(ApprovedPair):
    """A correction as a pair. ``document`` and ``url`` are those of the passage that proves it."""

    correction: uuid.UUID


@dataclass(frozen=True, slots=True)
class Match:
    """The nearest pair. ``score`` is 0 to 1 (1: the same content words), ``margin`` its lead over the next pair."""

    pair: ApprovedPair
    score: float
    margin: float


class Corrected:
    """The corrections of one language beside the pairs of the files. Threads may share it.

    A file's pair is replaced by the newest correction that has one of its phrasings, in other small words at most: from
    then on all of its wordings lead to the correction. One that is merely near keeps its answer and its rivalry.
    """

    def __init__(self, corrections: Sequence[Correction], *, knowledge: Index, pages: Index | None = None) -> None:
        proofs = {passage.id: passage for index in (pages, knowledge) if index for passage in index.passages}
        newest = sorted(corrections, key=lambda each: each.pk or math.inf, reverse=True)
        self.asked = tuple(
            _asked(each, proofs[each.passage], knowledge, pages) for each in newest if each.passage in proofs
        )
        self.replaced: dict[ApprovedPair, ApprovedPair] = {}
        for theirs in knowledge.asked:
            mine = next((each for each in self.asked if _asks_the_same(each, theirs)), None)
            if mine is not None:
                self.replaced[theirs.pair] = mine.pair

    def instead_of(self, pair: ApprovedPair) -> ApprovedPair:
        """Return the correction that replaces ``pair``; ``pair`` itself where none does."""
        return self.replaced.get(pair, pair)


def _asks_the_same(mine: Asked, theirs: Asked) -> bool:
    """Whether two pairs share a wording, or the content words of a phrasing, a kind of question and what turns it."""
    if mine.wordings & theirs.wordings:
        return True
    turns = {turns_of(ask, theirs.pair.language) for ask in theirs.pair.questions}
    return bool(
        set(mine.phrasings) & set(theirs.phrasings) and mine.kinds & theirs.kinds and (mine.turns or set()) & turns
    )


def _asked(correction: Correction, proof: Passage, knowledge: Index, pages: Index | None) -> Asked:
    """Return a correction ready for matching; what is too short to be near to anything stays among its wordings."""
    questions = tuple(correction.questions)
    pair = CorrectedPair(
        questions=questions,
        answer=correction.answer,
        passage=proof.id,
        url=proof.url,
        document=proof.document,
        language=proof.language,
        correction=correction.public_id,
    )
    long_enough = [ask for ask in questions if indexed_words(ask, knowledge, pages) >= MIN_INDEXED_WORDS]
    return Asked(
        pair,
        frozenset(wording(ask) for ask in questions),
        tuple(frozenset(terms(ask, proof.language)) for ask in long_enough),
        frozenset(kind_of_question(ask, proof.language) for ask in long_enough),
        frozenset(turns_of(ask, proof.language) for ask in long_enough),
    )


def indexed_words(question: str, *indexes: Index | None) -> int:
    """Return how many different words of ``question`` some index knows."""
    known = [index for index in indexes if index]
    return sum(any(index.knows(term) for index in known) for term in set(terms(question, known[0].language)))


def nearest_pair(question: str, index: Index, corrected: Corrected | None = None) -> Match | None:
    """Return the approved pair nearest to ``question``; None where no pair shares a content word with it.

    A question in the very words of a phrasing is that question, that of a correction before that of a file. Otherwise
    the score of a phrasing is the harmonic mean of two shares, weighted by how rare words are: how much of the question
    the phrasing has, and how much of the phrasing the question has. So a word too many counts as much as a word too few
    ("How long do you keep my chats in Redis?" is another question), and "how big" is not "what is". To a correction,
    "without" is not "with" either.
    """
    corrections = corrected.asked if corrected else ()
    exact = wording(question)
    for each in (*corrections, *index.asked):
        if exact in each.wordings:
            return Match(corrected.instead_of(each.pair) if corrected else each.pair, 1.0, 1.0)
    asked, kind = _taken_apart(question, index)
    turns = turns_of(question, index.language)
    scores: dict[ApprovedPair, float] = {}
    for each in (*corrections, *index.asked):
        pair = corrected.instead_of(each.pair) if corrected else each.pair
        scores[pair] = max(scores.get(pair, 0.0), _score(asked, kind, each, index, turns=turns))
    # Of two that are as near, the one that stands first: corrections before files.
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    if not ranked or ranked[0][1] == 0:
        return None
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    return Match(ranked[0][0], ranked[0][1], ranked[0][1] - second)


def _taken_apart(question: str, index: Index) -> tuple[frozenset[str], str]:
    """Return the content words of a question and its kind."""
    return frozenset(terms(question, index.language)), kind_of_question(question, index.language)


def _score(asked: frozenset[str], kind: str, each: Asked, index: Index, *, turns: frozenset[str]) -> float:
    """Return how near a question is to the nearest phrasing of a pair, 0 to 1."""
    nearest = max((_overlap(asked, phrasing, index) for phrasing in each.phrasings), default=0.0)
    other = (kind and kind not in each.kinds) or (each.turns is not None and turns not in each.turns)
    return nearest * (OTHER_KIND if other else 1.0)


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
