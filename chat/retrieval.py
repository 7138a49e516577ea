"""Ranks passages for a question with BM25: the only file that knows rank_bm25 and numpy."""

import itertools
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from rank_bm25 import BM25Okapi

from chat.sentences import sentences
from chat.words import fold, kind_of_question, stem, terms, wording
from content.passages import ApprovedPair, Passage

# A question may be 16 KiB; the words beyond these add time, not meaning.
MAX_TERMS = 64

# A word of fewer letters has no family: "import" must not stand for "impossible".
MIN_FAMILY_LETTERS = 6

LEAST_IDF = 0.05

# Only the first by BM25 are looked at sentence by sentence.
JOINT_CANDIDATES = 20

# What a synonym is worth where the word itself would be worth 1.
SYNONYM_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Scored:
    """A passage for one question. ``score`` is BM25: no unit, comparable within one call only."""

    passage: Passage
    score: float
    coverage: float  # 0 to 1: how much of the question's weight the passage has
    strength: float  # 0 to 1: the score as a share of what the question's words could reach


@dataclass(frozen=True, slots=True)
class _Asked:
    """An approved pair, ready for matching: its phrasings as they sound and as terms, and their kinds of question."""

    pair: ApprovedPair
    wordings: frozenset[str]
    phrasings: tuple[frozenset[str], ...]
    kinds: frozenset[str]

    @classmethod
    def of(cls, pair: ApprovedPair) -> "_Asked":
        return cls(
            pair,
            frozenset(wording(ask) for ask in pair.questions),
            tuple(frozenset(terms(ask, pair.language)) for ask in pair.questions),
            frozenset(kind_of_question(ask, pair.language) for ask in pair.questions),
        )


class Thesaurus:
    """The curated synonyms of one language, by stem."""

    def __init__(self, groups: Iterable[Sequence[str]], language: str) -> None:
        self._others: dict[str, set[str]] = {}
        for group in groups:
            stems = {stem(fold(word), language) for word in group}
            for one in stems:
                self._others.setdefault(one, set()).update(stems - {one})

    def others(self, term: str) -> frozenset[str]:
        """Return the stems that may stand for ``term``, without it."""
        return frozenset(self._others.get(term, ()))


class Index:
    """BM25 (Robertson and Zaragoza, 2009) over the passages of one language, with synonyms. Threads may share it.

    A passage is indexed with its heading once and its title twice: measured best on the committed questions (adding the
    phrasings of the approved questions placed fewer passages right).
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        *,
        language: str,
        synonyms: Iterable[Sequence[str]] = (),
        pairs: Sequence[ApprovedPair] = (),
    ) -> None:
        self.language = language
        self.passages = tuple(passages)
        known = {passage.id for passage in passages}
        self.pairs = tuple(pair for pair in pairs if pair.passage in known)
        self.asked = tuple(_Asked.of(pair) for pair in self.pairs)
        self.thesaurus = Thesaurus(synonyms, language)
        texts = [f"{each.title} {each.title} {each.heading} {each.text}" for each in self.passages]
        corpus = [terms(text, language) for text in texts]
        self._bm25 = BM25Okapi(corpus) if any(corpus) else None
        # A word in half of the passages would weigh nothing at all, and a question of such words could not be judged.
        self._idf = {term: max(float(idf), LEAST_IDF) for term, idf in self._bm25.idf.items()} if self._bm25 else {}
        self._highest_idf = max(self._idf.values(), default=1.0)
        self._vocabulary = sorted(self._idf)
        self._rows: dict[str, np.ndarray] = {}
        self._sentences = [[frozenset(terms(one, language)) for one in sentences(each.text)] for each in self.passages]

    def knows(self, term: str) -> bool:
        """Return whether a passage has the term or one that is like it."""
        return term in self._idf or any(other in self._idf for other in self.alike(term))

    def idf(self, term: str) -> float:
        """Return how rare a term is; a word that no passage has counts as the rarest."""
        if term in self._idf:
            return self._idf[term]
        return max((self._idf[other] for other in self.alike(term) if other in self._idf), default=self._highest_idf)

    def alike(self, term: str) -> frozenset[str]:
        """Return the terms that may stand for ``term``: synonyms, and for one that no passage has, its relatives.

        Relatives share all but the ending, which a stemmer leaves on some families of words (available, availability).
        """
        others = self.thesaurus.others(term)
        if term in self._idf or len(term) < MIN_FAMILY_LETTERS:
            return others
        root = term[: max(MIN_FAMILY_LETTERS - 1, len(term) - 3)]
        first = bisect_left(self._vocabulary, root)
        family = itertools.takewhile(lambda word: word.startswith(root), self._vocabulary[first:])
        return others | frozenset(word for word in family if abs(len(word) - len(term)) <= 4)

    def rank(self, question: Mapping[str, float]) -> list[Scored]:
        """Return every passage that shares a term with ``question`` (term to weight), best first."""
        if self._bm25 is None or not question:
            return []
        score = np.zeros(len(self.passages))
        covered = np.zeros(len(self.passages))
        whole = 0.0
        heaviest = sorted(question, key=lambda term: -question[term] * self.idf(term))[:MAX_TERMS]
        for term in heaviest:
            row, hit = self._row(term)
            weight = question[term]
            score += weight * row
            covered += weight * self.idf(term) * hit
            whole += weight * self.idf(term)
        # Words of the question that meet in one sentence say more than the same words strewn over the passage.
        weights = [(term, question[term] * self.idf(term), self.alike(term)) for term in heaviest]
        for at in np.argsort(-score, kind="stable")[:JOINT_CANDIDATES]:
            score[at] *= 1 + self._joint_share(at, weights) / whole
        reachable = 2 * whole * (self._bm25.k1 + 1)
        return [
            Scored(self.passages[at], float(score[at]), float(covered[at] / whole), float(score[at] / reachable))
            for at in np.argsort(-score, kind="stable")
            if score[at] > 0
        ]

    def _joint_share(self, at: int, weights: list[tuple[str, float, frozenset[str]]]) -> float:
        """Return the largest part of the question's weight that stands in one sentence of passage ``at``."""
        shares = (
            sum(
                weight if term in words else SYNONYM_WEIGHT * weight
                for term, weight, alike in weights
                if term in words or alike & words
            )
            for words in self._sentences[at]
        )
        return max(shares, default=0.0)

    def unknown_share(self, question: Mapping[str, float]) -> float:
        """Return the share of the question's weight that lies on words no passage has, 0 to 1."""
        whole = sum(weight * self.idf(term) for term, weight in question.items())
        unknown = sum(weight * self.idf(term) for term, weight in question.items() if not self.knows(term))
        return unknown / whole if whole else 0.0

    def _row(self, term: str) -> tuple[np.ndarray, np.ndarray]:
        """Return each passage's BM25 for the term or its best synonym, and how far it has the term (0 to 1)."""
        best = self._scores(term)
        hit = (best > 0).astype(float)
        for other in self.alike(term):
            row = self._scores(other)
            best = np.maximum(best, SYNONYM_WEIGHT * row)
            hit = np.maximum(hit, SYNONYM_WEIGHT * (row > 0))
        return best, hit

    def _scores(self, term: str) -> np.ndarray:
        """Return each passage's BM25 for one term; kept for the words of the passages, never for a visitor's own."""
        if self._bm25 is None or term not in self._idf:
            return np.zeros(len(self.passages))
        if term not in self._rows:
            self._rows[term] = self._bm25.get_scores([term])
        return self._rows[term]


def weighted_terms(question: str, previous: str | None, index: Index) -> dict[str, float]:
    """Return the question's terms with weight 1; too few, and the terms of the question before join at half weight."""
    found = dict.fromkeys(terms(question, index.language), 1.0)
    if previous and sum(index.knows(term) for term in found) < 3:
        for term in terms(previous, index.language):
            found.setdefault(term, 0.5)
    return found
