"""What our pages say about a question: the passages, the quotes, the approved answer, or that they say nothing."""

import json
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from django.conf import settings
from django.db import Error

from chat.contact.wishes import is_contact
from chat.models import Correction
from chat.quotes import quote
from chat.retrieval import Index, Scored, weighted_terms
from chat.verified import Corrected, nearest_pair
from chat.words import wants_figure
from content.library import content_digest
from content.passages import ApprovedPair, Passage, approved_pairs, passages, synonyms

logger = logging.getLogger(__name__)
CALIBRATION = Path(__file__).with_name("calibration.json")
MAX_SOURCES = 3

# How much higher a page or post must score to go before knowledge that answers: the least lead, in steps of 0.05, with
# which no calibration question loses its knowledge.
PAGES_LEAD = 0.3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Written by ``python -m bench.answers --calibrate`` from a committed question set, never by feeling."""

    answerable: float  # by knowledge
    pages_answerable: float  # by pages and posts, which nobody wrote as answers
    verified_score: float
    verified_margin: float


@dataclass(frozen=True, slots=True)
class Indexes:
    """What one language is answered from.

    Apart, because the scores of an index follow from all of its passages: in one, pages displace the knowledge that was
    written to answer (docs/answers.md).
    """

    knowledge: Index
    pages: Index  # posts too
    corrected: Corrected | None = None  # what staff wrote beside the files


@dataclass(frozen=True, slots=True)
class Ranked:
    """One index's passages for a question, best first; ``asked`` are the question's terms, weighted for that index."""

    index: Index
    asked: dict[str, float]
    passages: list[Scored]
    score: float  # 0 to 1: how sure it is that the index speaks of what was asked


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


def ground(question: str, *, previous: str | None = None, language: str, index: Indexes | None = None) -> Grounded:
    """Return what our pages say about ``question``; ``previous`` is the question the visitor asked before it.

    Uses the current index of ``language`` unless one is given. No network, no database, nothing kept: a few
    milliseconds of one thread.
    """
    index = index or index_for(language)
    language = index.knowledge.language
    limits = thresholds(language)
    known = rank(question, previous, index.knowledge)
    match = nearest_pair(question, index.knowledge, index.corrected)
    clear = match and match.score >= limits.verified_score and match.margin >= limits.verified_margin
    verified = match.pair if match and clear else None
    found = known if verified else _answering(known, rank(question, previous, index.pages), limits)
    return Grounded(
        language=language,
        sources=_sources(found, verified, index, figure=wants_figure(question, language)) if found else (),
        verified=verified,
        answerable=found is not None,
        contact=is_contact(question, language),
        score=(found or known).score,
        margin=match.margin if match else 0.0,
    )


def rank(question: str, previous: str | None, index: Index) -> Ranked:
    """Return the passages of ``index`` for ``question``, and how sure it is that they answer."""
    asked = weighted_terms(question, previous, index)
    passages = index.rank(asked)
    return Ranked(index, asked, passages, answerable_score(passages, unknown_share=index.unknown_share(asked)))


def _answering(known: Ranked, pages: Ranked, limits: Thresholds) -> Ranked | None:
    """Return what answers: knowledge first, unless a page or post has much more of the question; None for neither."""
    knows = known.score >= limits.answerable
    if pages.score >= limits.pages_answerable and not (knows and pages.score < known.score + PAGES_LEAD):
        return pages
    return known if knows else None


def answerable_score(ranked: list[Scored], *, unknown_share: float) -> float:
    """Return how sure it is that our pages speak of what was asked, 0 to 1.

    Three things that separated best on the committed questions, in equal parts but the last: how much of the question
    one of the three best passages has, how strongly the best has it, and, against it, what no passage has at all.
    """
    if not ranked:
        return 0.0
    coverage = max(scored.coverage for scored in ranked[:MAX_SOURCES])
    return min(1.0, max(0.0, (coverage + ranked[0].strength - unknown_share / 2) / 2))


def is_calibrated(language: str) -> bool:
    """Return whether somebody has measured the thresholds of ``language``."""
    return language in json.loads(CALIBRATION.read_text(encoding="utf-8"))


@cache
def thresholds(language: str) -> Thresholds:
    """Return the calibrated thresholds; those of a language without its own are the strictest of the others."""
    calibrated = json.loads(CALIBRATION.read_text(encoding="utf-8"))
    measured = [calibrated[language]] if language in calibrated else list(calibrated.values())
    names = ("answerable", "pages_answerable", "verified_score", "verified_margin")
    return Thresholds(*(max(figures[name] for figures in measured) for name in names))


def build_index(language: str, *, omit: Callable[[Passage], bool] | None = None) -> Indexes:
    """Return a new index of everything published, without the passages that ``omit`` is true of."""
    found = [passage for passage in passages(language) if omit is None or not omit(passage)]
    words = synonyms(language)
    return Indexes(
        Index(
            [passage for passage in found if passage.kind == "knowledge"],
            language=language,
            synonyms=words,
            pairs=approved_pairs(language),
        ),
        Index([passage for passage in found if passage.kind != "knowledge"], language=language, synonyms=words),
    )


def with_corrections(indexes: Indexes, corrections: Sequence[Correction]) -> Indexes:
    """Return ``indexes`` with those of ``corrections`` that are in their language, and no others."""
    language = indexes.knowledge.language
    mine = [each for each in corrections if each.language == language]
    if not mine:
        return replace(indexes, corrected=None)
    return replace(indexes, corrected=Corrected(mine, knowledge=indexes.knowledge, pages=indexes.pages))


def index_for(language: str) -> Indexes:
    """Return the index of ``language`` in use; the first call builds it, ``renew`` keeps it current.

    It has the corrections that ``renew_corrections`` saw last in this process; none where nobody called it.
    """
    return _in_use.get(language)


def renew() -> None:
    """Build the indexes in use anew if the content has changed: seconds for thousands of texts, nobody waits for it."""
    _in_use.renew()


def renew_corrections(*, at_once: bool = False) -> None:
    """Take over the corrections that staff approved or withdrew since, in this process.

    Asks the database at most every ``CORRECTIONS_RENEW_S``, or ``at_once``. While it is away, what is known stays.
    """
    _in_use.renew_corrections(0.0 if at_once else settings.CORRECTIONS_RENEW_S)


class _InUse:
    """The indexes in use. A reader in another thread gets the old ones or the new, never some half built."""

    def __init__(self) -> None:
        self._building = threading.Lock()
        self._by_language: dict[str, Indexes] = {}
        self._digest = ""
        self._corrections: list[Correction] = []
        self._looked_at = float("-inf")

    def get(self, language: str) -> Indexes:
        found = self._by_language.get(language)
        if found is None:
            with self._building:
                self._digest = self._digest or content_digest()
                found = self._by_language.get(language) or self._built(language)
                self._by_language = {**self._by_language, language: found}
        return found

    def renew(self) -> None:
        with self._building:
            digest = content_digest()
            if digest != self._digest:
                self._by_language = {language: self._built(language) for language in self._by_language}
                self._digest = digest

    def renew_corrections(self, every_s: float) -> None:
        now = time.monotonic()
        if now - self._looked_at < every_s:
            return
        self._looked_at = now
        try:
            served = self._read()
        except Error as error:
            logger.warning("corrections not read (%s): what is known stays", type(error).__name__)
            return
        if served is None:
            return
        with self._building:
            self._corrections = served
            self._by_language = {
                language: with_corrections(indexes, served) for language, indexes in self._by_language.items()
            }
        logger.info("%d corrections in use", len(served))

    def _read(self) -> list[Correction] | None:
        """Return the corrections that readers get; None where they are those already known: one small query then."""
        known = {(each.pk, each.changed_at) for each in self._corrections}
        if set(Correction.objects.served().values_list("pk", "changed_at")) == known:
            return None
        return list(Correction.objects.served())

    def _built(self, language: str) -> Indexes:
        return with_corrections(build_index(language), self._corrections)


_in_use = _InUse()


def _sources(found: Ranked, verified: ApprovedPair | None, index: Indexes, *, figure: bool) -> tuple[Source, ...]:
    """Return the best passages with their quotes; ``figure``: the question wants one."""
    sources = []
    for n, scored in enumerate(_proof_first(found, verified, index)[:MAX_SOURCES], start=1):
        picked = quote(scored.passage.text, found.asked, found.index, wants_figure=figure)
        sources.append(Source(n, scored.passage, scored.score, picked.text, picked.best_sentence))
    return tuple(sources)


def _proof_first(found: Ranked, verified: ApprovedPair | None, index: Indexes) -> list[Scored]:
    """Return the ranking with the passage that proves the approved answer in front, however it was ranked."""
    if verified is None:
        return found.passages
    others = [scored for scored in found.passages if scored.passage.id != verified.passage]
    proof = [scored for scored in found.passages if scored.passage.id == verified.passage]
    everything = (*index.knowledge.passages, *index.pages.passages)  # a correction may rest on a page or a post
    unranked = [Scored(passage, 0.0, 0.0, 0.0) for passage in everything if passage.id == verified.passage]
    return [*(proof or unranked), *others]
