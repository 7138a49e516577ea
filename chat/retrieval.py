"""Ranks passages for a question with BM25: the only file that knows rank_bm25 and numpy."""

import itertools
import math
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

# Of ten thousand passages most share a word with a question; nobody reads the ranking further down than this.
MAX_RANKED = 100

# What a synonym is worth where the word itself would be worth 1.
SYNONYM_WEIGHT = 0.5

# What a phrasing in just the question's words adds, as a share of the most that BM25 could give for those words.
PHRASING_WEIGHT = 0.5


@dataclass(frozen=True, slots=True)
class Scored:
    """A passage for one question. ``score`` is BM25 with a part for phrasings: comparable within one call only."""

    passage: Passage
    score: float
    coverage: float  # 0 to 1: how much of the question's weight the passage has, or how near one of its phrasings is
    strength: float  # 0 to 1: the score as a share of what the question's words could reach


@dataclass(frozen=True, slots=True)
class Asked:
    """An approved pair, ready for matching: its phrasings as they sound and as terms, and their kinds of question.

    A pair without phrasings is found by its very words alone. ``turns`` are the words that turn the sense of its
    phrasings around, None where they do not count: nobody has measured yet what they cost the pairs of the files.
    """

    pair: ApprovedPair
    wordings: frozenset[str]
    phrasings: tuple[frozenset[str], ...]
    kinds: frozenset[str]
    turns: frozenset[frozenset[str]] | None = None

    @classmethod
    def of(cls, pair: ApprovedPair) -> "Asked":
        return cls(
            pair,
            frozenset(wording(ask) for ask in pair.questions),
            tuple(frozenset(terms(ask, pair.language)) for ask in pair.questions),
            frozenset(kind_of_question(ask, pair.language) for ask in pair.questions),
        )


class _Phrasings:
    """The visitors' wordings of all passages, each found by its words (document expansion, Nogueira et al., 2019).

    They are kept apart from the texts: one that asks what the visitor asks counts, many that share a word do not.
    """

    def __init__(self, passages: Sequence[Passage], language: str) -> None:
        found = [
            (at, frozenset(terms(one, language))) for at, passage in enumerate(passages) for one in passage.phrasings
        ]
        self.bags = [bag for _at, bag in found if bag]
        self._passage_of = np.array([at for at, bag in found if bag], dtype=int)
        self._passages = len(passages)
        holders: dict[str, list[int]] = {}
        for number, bag in enumerate(self.bags):
            for term in bag:
                holders.setdefault(term, []).append(number)
        self._holders = {term: np.array(numbers) for term, numbers in holders.items()}
        self._weights = np.ones(len(self.bags))

    def idf(self) -> dict[str, float]:
        """Return how rare each word is among the passages, by their phrasings alone."""
        counts = {term: len(set(self._passage_of[numbers])) for term, numbers in self._holders.items()}
        return {term: math.log((self._passages - n + 0.5) / (n + 0.5)) for term, n in counts.items()}

    def weigh(self, idf: Mapping[str, float]) -> None:
        """Take over how much each word weighs."""
        self._weights = np.array([sum(idf[term] for term in bag) for bag in self.bags])

    def overlaps(self, asked: Sequence[tuple[str, float, float, frozenset[str]]]) -> np.ndarray:
        """Return for each passage how near its nearest phrasing is to the question, 0 to 1.

        ``asked``: term, its weight, its rarity, and what may stand for it. Near is the harmonic mean of two shares: how
        much of the question the phrasing has, and how much of the phrasing the question has.
        """
        forth, back = np.zeros(len(self.bags)), np.zeros(len(self.bags))
        for term, weight, idf, alike in asked:
            hit = np.zeros(len(self.bags))
            for other in alike & self._holders.keys():
                hit[self._holders[other]] = SYNONYM_WEIGHT
            if term in self._holders:
                hit[self._holders[term]] = 1.0
            forth += weight * idf * hit
            back += idf * hit
        forth /= sum(weight * idf for _term, weight, idf, _alike in asked)
        back = np.minimum(1.0, back / self._weights)
        nearest = np.zeros(self._passages)
        both = np.maximum(forth + back, 1e-9)  # nothing in common is 0, not a division by it
        np.maximum.at(nearest, self._passage_of, 2 * forth * back / both)
        return nearest


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

    A passage is indexed with its heading once and its title twice: measured best on the committed questions. Its
    phrasings are matched one by one beside the text. Those of the approved questions are not among them: with them
    fewer passages stood first.
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
        self.asked = tuple(Asked.of(pair) for pair in self.pairs)
        self.thesaurus = Thesaurus(synonyms, language)
        texts = [f"{each.title} {each.title} {each.heading} {each.text}" for each in self.passages]
        corpus = [terms(text, language) for text in texts]
        self._bm25 = BM25Okapi(corpus) if any(corpus) else None
        self._postings = _postings(self._bm25) if self._bm25 else {}
        # A word in half of the passages would weigh nothing at all, and a question of such words could not be judged.
        self._phrasings = _Phrasings(self.passages, language)
        # The texts say how rare a word is; the phrasings only where no text has it.
        rarity = self._phrasings.idf() | (self._bm25.idf if self._bm25 else {})
        self._idf = {term: max(float(idf), LEAST_IDF) for term, idf in rarity.items()}
        self._phrasings.weigh(self._idf)
        self._highest_idf = max(self._idf.values(), default=1.0)
        self._vocabulary = sorted(self._idf)
        self._sentences = [[frozenset(terms(one, language)) for one in sentences(each.text)] for each in self.passages]

    def knows(self, term: str) -> bool:
        """Return whether a passage or a phrasing of it has the term or one that is like it."""
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
        """Return the passages that share a term with ``question`` (term to weight), best first, ``MAX_RANKED`` at most.

        What a passage scores is BM25 of its text, more where words meet in one sentence, and a part for its nearest
        phrasing.
        """
        if self._bm25 is None or not question:
            return []
        score = np.zeros(len(self.passages))
        covered = np.zeros(len(self.passages))
        rarity = {term: self.idf(term) for term in question}
        heaviest = sorted(question, key=lambda term: -question[term] * rarity[term])[:MAX_TERMS]
        asked = [(term, question[term], rarity[term], self.alike(term)) for term in heaviest]
        whole = sum(weight * idf for _term, weight, idf, _alike in asked)
        for term, weight, idf, _alike in asked:
            row, hit = self._row(term)
            score += weight * row
            covered += weight * idf * hit
        # Words of the question that meet in one sentence say more than the same words strewn over the passage.
        weights = [(term, weight * idf, alike) for term, weight, idf, alike in asked]
        for at in np.argsort(-score, kind="stable")[:JOINT_CANDIDATES]:
            score[at] *= 1 + self._joint_share(at, weights) / whole
        nearest = self._phrasings.overlaps(asked)
        most = whole * (self._bm25.k1 + 1)
        score += PHRASING_WEIGHT * nearest * most
        coverage = np.maximum(covered / whole, nearest)
        strength = score / (2 * most)
        return [
            Scored(self.passages[at], float(score[at]), float(coverage[at]), float(strength[at]))
            for at in np.argsort(-score, kind="stable")[:MAX_RANKED]
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
        """Return each passage's BM25 for one term."""
        row = np.zeros(len(self.passages))
        if term in self._postings:
            holders, scores = self._postings[term]
            row[holders] = scores
        return row


def _postings(bm25: BM25Okapi) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each term the places of the passages that have it, and what each scores for it.

    The library's own ``get_scores`` walks through every passage for every word that is asked.
    """
    norms = bm25.k1 * (1 - bm25.b + bm25.b * np.array(bm25.doc_len) / bm25.avgdl)
    found: dict[str, tuple[list[int], list[int]]] = {}
    for at, frequencies in enumerate(bm25.doc_freqs):
        for term, count in frequencies.items():
            holders, counts = found.setdefault(term, ([], []))
            holders.append(at)
            counts.append(count)
    postings = {term: (np.array(holders), np.array(counts)) for term, (holders, counts) in found.items()}
    return {
        term: (holders, bm25.idf[term] * counts * (bm25.k1 + 1) / (counts + norms[holders]))
        for term, (holders, counts) in postings.items()
    }


def weighted_terms(question: str, previous: str | None, index: Index) -> dict[str, float]:
    """Return the question's terms with weight 1; too few, and the terms of the question before join at half weight."""
    found = dict.fromkeys(terms(question, index.language), 1.0)
    if previous and sum(index.knows(term) for term in found) < 3:
        for term in terms(previous, index.language):
            found.setdefault(term, 0.5)
    return found
