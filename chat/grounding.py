"""What our pages say about a question: the passages, the quotes, the approved answer, or that they say nothing."""

import json
import logging
import threading
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chat.contact import is_contact
from chat.quotes import quote
from chat.retrieval import Index, Scored, weighted_terms
from chat.verified import nearest_pair
from chat.words import wants_figure
from content.errors import ContentError
from content.library import content_digest
from content.passages import ApprovedPair, Passage, approved_pairs, passages, synonyms

logger = logging.getLogger(__name__)

CALIBRATION = Path(__file__).with_name("calibration.json")
MAX_SOURCES = 3
RECHECK_S = 5.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Written by ``python -m bench.answers --calibrate`` from a committed question set, never by feeling."""

    answerable: float
    verified_score: float
    verified_margin: float


@dataclass(frozen=True, slots=True)
class Source:
    """A passage that may answer; ``quote`` is at most two of its sentences, verbatim and in its order."""

    n: int
    passage: Passage
    score: float
    quote: str
    best_sentence: str


@dataclass(frozen=True, slots=True)
class Grounded:
    """``sources`` are best first and empty when not answerable; ``score`` and ``margin`` are what was decided by."""

    language: str
    sources: tuple[Source, ...]
    verified: ApprovedPair | None
    answerable: bool
    contact: bool
    score: float  # 0 to 1: how sure it is that our pages speak of it
    margin: float  # lead of the approved pair over the next one, 0 to 1


def ground(question: str, *, previous: str | None = None, language: str, index: Index | None = None) -> Grounded:
    """Return what our pages say about ``question``; ``previous`` is the question the visitor asked before it.

    Uses the current index of ``language`` unless one is given. No network, no database, nothing kept: a few
    milliseconds of one thread. Raises ContentError only when content/ was never once free of errors.
    """
    index = index or index_for(language)
    limits = thresholds(index.language)
    asked = weighted_terms(question, previous, index)
    ranked = index.rank(asked)
    score = answerable_score(ranked, unknown_share=index.unknown_share(asked))
    match = nearest_pair(question, index)
    clear = match and match.score >= limits.verified_score and match.margin >= limits.verified_margin
    verified = match.pair if match and clear else None
    answerable = verified is not None or score >= limits.answerable
    best = _proof_first(ranked, verified, index)[:MAX_SOURCES] if answerable else []
    figure = wants_figure(question, index.language)
    return Grounded(
        language=index.language,
        sources=tuple(_source(n, scored, asked, index, figure) for n, scored in enumerate(best, start=1)),
        verified=verified,
        answerable=answerable,
        contact=is_contact(question, index.language),
        score=score,
        margin=match.margin if match else 0.0,
    )


def answerable_score(ranked: list[Scored], *, unknown_share: float) -> float:
    """Return how sure it is that our pages speak of what was asked, 0 to 1.

    Three things that separated best on the committed questions, in equal parts but the last: how much of the question
    one of the three best passages has, how strongly the best has it, and, against it, what no passage has at all.
    """
    if not ranked:
        return 0.0
    coverage = max(scored.coverage for scored in ranked[:MAX_SOURCES])
    return min(1.0, max(0.0, (coverage + ranked[0].strength - unknown_share / 2) / 2))


@cache
def thresholds(language: str) -> Thresholds:
    """Return the calibrated thresholds; a language without its own is refused with a KeyError."""
    figures = json.loads(CALIBRATION.read_text(encoding="utf-8"))[language]
    return Thresholds(figures["answerable"], figures["verified_score"], figures["verified_margin"])


def build_index(language: str, *, without: str | None = None) -> Index:
    """Return a new index of the published knowledge, on request ``without`` one document."""
    return Index(
        [each for each in passages(language) if each.kind == "knowledge" and each.document != without],
        language=language,
        synonyms=synonyms(language),
        pairs=[pair for pair in approved_pairs(language) if pair.document != without],
    )


def index_for(language: str) -> Index:
    """Return the current index of ``language``, built anew when the files have changed (looked at every 5 s)."""
    return _indexes.get(language)


class _Indexes:
    """The indexes in use. A reader in another thread gets the old index or the new one, never one half built."""

    def __init__(self) -> None:
        self._building = threading.Lock()
        self._by_language: dict[str, Index] = {}
        self._digest = ""
        self._checked_at = float("-inf")

    def get(self, language: str) -> Index:
        found = self._by_language.get(language)
        if found and time.monotonic() - self._checked_at < RECHECK_S:
            return found
        # While one thread builds, the others go on with what there is.
        if not self._building.acquire(blocking=found is None):
            assert found is not None
            return found
        try:
            return self._current(language)
        finally:
            self._building.release()

    def _current(self, language: str) -> Index:
        found = self._by_language.get(language)
        try:
            digest = content_digest()
            if digest != self._digest:
                built = {each: build_index(each) for each in {language, *self._by_language}}
                self._by_language, self._digest = built, digest
            elif found is None:
                self._by_language = {**self._by_language, language: build_index(language)}
        except (ContentError, OSError) as error:
            # Somebody is editing: yesterday's passages are better than none. The error names a file, never a reader.
            if found is None:
                raise
            logger.error("content not taken over: %s", error)
        self._checked_at = time.monotonic()
        return self._by_language[language]


_indexes = _Indexes()


def _proof_first(ranked: list[Scored], verified: ApprovedPair | None, index: Index) -> list[Scored]:
    """Return the ranking with the passage that proves the approved answer in front, however it was ranked."""
    if verified is None:
        return ranked
    others = [scored for scored in ranked if scored.passage.id != verified.passage]
    proof = [scored for scored in ranked if scored.passage.id == verified.passage]
    unranked = [Scored(passage, 0.0, 0.0, 0.0) for passage in index.passages if passage.id == verified.passage]
    return [*(proof or unranked), *others]


def _source(n: int, scored: Scored, asked: dict[str, float], index: Index, figure: bool) -> Source:
    picked = quote(scored.passage.text, asked, index, wants_figure=figure)
    return Source(n, scored.passage, scored.score, picked.text, picked.best_sentence)
