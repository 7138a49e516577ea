"""The regression set: questions whose answer was once wrong, and what a reader gets to them from now on.

A run asks them as a reader would, of what is published now and of the corrections in the database now, as far down the
ladder as no model is needed. It costs milliseconds a case, so a gate can run all of them.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import translation

from accounts.models import User
from chat import wording as sentences
from chat.contact import offers
from chat.contact.intents import classify
from chat.grounding import Indexes, ground, index_for, with_corrections
from chat.language import language_of
from chat.models import Correction, RegressionCase
from chat.verified import CorrectedPair
from chat.words import fold
from chat.words import wording as words_of
from compliance import audit
from inference.models import Rung

# What a run without a model can find: the answer of a person, a passage's own words, or that we do not know.
RUNGS = (Rung.VERIFIED, Rung.QUOTED, Rung.NONE)


@dataclass(frozen=True, slots=True)
class Case:
    """What a case asks of an answer; ``rung`` is one of RUNGS or empty for any."""

    question: str
    rung: str = ""
    must_say: tuple[str, ...] = ()
    must_not_say: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What a reader gets without a model. ``correction`` is the public id of the one that answered, if one did."""

    rung: str
    text: str
    correction: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """``wrong`` holds codes: rung, correction (another answer than its own), must_say, must_not_say."""

    case: uuid.UUID
    correction: uuid.UUID | None
    language: str
    rung: str
    wrong: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.wrong


def live(language: str | None = None) -> QuerySet[RegressionCase]:
    """Return the cases that count now: not withdrawn, and not of a correction that still waits for approval."""
    found = RegressionCase.objects.filter(Q(correction=None) | Q(correction__state=Correction.State.APPROVED))
    found = found.filter(withdrawn_at=None).select_related("correction").order_by("id")
    return found.filter(language=language) if language else found


def run(language: str | None = None) -> list[CaseResult]:
    """Return what came of each live case, oldest first."""
    corrections = list(Correction.objects.served())
    cases = list(live(language))
    indexes = {
        code: with_corrections(index_for(code), corrections)
        for code in {each.language for each in cases} & set(dict(settings.LANGUAGES))
    }
    return [_result(case, indexes) for case in cases]


def shown(question: str, language: str, indexes: Indexes) -> Shown:
    """Return what a reader gets to ``question``: an approved answer, the way to the team, a quote, or nothing known."""
    found = ground(question, language=language, index=indexes)
    if found.verified is not None:
        pair = found.verified
        return Shown(Rung.VERIFIED, pair.answer, pair.correction if isinstance(pair, CorrectedPair) else None)
    intent = classify(question, language)
    if intent or not found.answerable:
        with translation.override(language):
            text = offers.opening(intent.kind) if intent else sentences.abstention()
        return Shown(Rung.VERIFIED if intent else Rung.NONE, text)
    return Shown(Rung.QUOTED, found.sources[0].quote)


def add_cases(correction: Correction, cases: Sequence[Case], *, by: User) -> int:
    """Write a case for each phrasing of a correction and for each of ``cases`` besides; return how many."""
    said = {words_of(case.question): case for case in cases}
    mine = {words_of(one): one for one in correction.questions}
    wanted = [said.get(key, Case(question, Rung.VERIFIED)) for key, question in mine.items()]
    wanted += [case for key, case in said.items() if key not in mine]
    for case in wanted:
        RegressionCase.objects.create(
            language=correction.language,
            question=case.question,
            rung=Rung.VERIFIED if words_of(case.question) in mine else case.rung,
            must_say=list(case.must_say),
            must_not_say=list(case.must_not_say),
            correction=correction,
            author=by,
        )
    return len(wanted)


@transaction.atomic
def withdraw(case: RegressionCase, *, by: User, reason: str) -> bool:
    """Take a case out of the set; False where that was done before. ``reason`` as in ``corrections.withdraw``."""
    if not RegressionCase.objects.filter(pk=case.pk, withdrawn_at=None).update(withdrawn_at=Now()):
        return False
    case.refresh_from_db()
    audit.record(
        "regression-case.withdrawn", actor=by, object_kind="regression_case", object_id=case.public_id, reason=reason
    )
    return True


def _result(case: RegressionCase, indexes: dict[str, Indexes]) -> CaseResult:
    correction = case.correction
    # As the chat does: a question in the other language is answered in that language, by none of these.
    foreign = case.language not in indexes or language_of(case.question, case.language) != case.language
    got = Shown("", "") if foreign else shown(case.question, case.language, indexes[case.language])
    own = correction is not None and words_of(case.question) in map(words_of, correction.questions)
    tests = {
        "rung": bool(foreign or (case.rung and got.rung != case.rung)),
        "correction": bool(own and correction and got.correction != correction.public_id),
        "must_say": not all(_says(got.text, one) for one in case.must_say),
        "must_not_say": any(_says(got.text, one) for one in case.must_not_say),
    }
    wrong = tuple(code for code, failed in tests.items() if failed)
    return CaseResult(case.public_id, correction.public_id if correction else None, case.language, got.rung, wrong)


def _says(text: str, words: str) -> bool:
    """Whether the words stand in the text one after the other, whatever their case, accents and punctuation."""
    wanted = words_of(words) or fold(words).strip()
    return f" {wanted} " in f" {words_of(text)} " or (not words_of(words) and wanted in fold(text))
