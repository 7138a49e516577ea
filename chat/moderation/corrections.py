"""Corrections: answers that staff write because of a flag, given by the chat from their approval to their withdrawal.

They serve the chat alone, on the website and through the API's grounding. Nothing that a page, a feed, an export or a
file for machines is made from reads them. What a correction says is not changed any more: a better one is written and
the old one withdrawn.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts.models import User
from chat import grounding
from chat.models import Correction, Flag
from chat.moderation import regression
from chat.moderation.regression import Case
from chat.moderation.soundness import Problem, passage_of, problems, tidy, unsupported
from chat.tree import Node, tree
from chat.verified import MIN_INDEXED_WORDS, CorrectedPair, indexed_words
from compliance import audit
from content.passages import ApprovedPair, Passage, passages


class CorrectionRefused(Exception):
    """A correction is not as it must be, or not in a state for what was asked; ``problems`` say why, in sentences."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(", ".join(problem.field for problem in problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Phrasing:
    """One phrasing of a correction that is being written.

    ``today`` is what readers get to it now, as far as no model is needed; ``rung`` is verified, quoted or none.
    """

    question: str
    exact_only: bool  # too short to be found by anything but these very words
    rung: str
    today: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What readers would get, and what staff should know before they get it. ``tree`` is as the page builds it."""

    problems: tuple[Problem, ...]
    cautions: tuple[str, ...]
    phrasings: tuple[Phrasing, ...]
    answer: str
    tree: list[Node]
    source: Passage | None
    replaces: tuple[ApprovedPair, ...]  # pairs of files whose readers get this answer instead


def preview(language: str, questions: Sequence[str], answer: str, passage: str) -> Preview:
    """Return what a correction would be like; nothing is written. ``questions`` need not be tidy."""
    asked = tidy(questions)
    found = problems(language, asked, answer, passage)
    offered = language in dict(settings.LANGUAGES)
    proof = passage_of(passage, language) if offered else None
    cautions = unsupported(answer, proof) if proof and answer.strip() else []
    replaces: tuple[ApprovedPair, ...] = ()
    if proof and asked:
        wanted = Correction(language=language, questions=list(asked), answer=answer, passage=passage)
        indexes = grounding.with_corrections(grounding.index_for(language), [wanted])
        replaces = tuple(indexes.corrected.replaced) if indexes.corrected else ()
        cautions += _collisions(language, asked, replaces)
    return Preview(
        problems=tuple(found),
        cautions=tuple(cautions),
        phrasings=tuple(_phrasing(one, language) for one in asked) if offered else (),
        answer=answer,
        tree=tree(answer),
        source=proof,
        replaces=replaces,
    )


@transaction.atomic
def write(
    *,
    flag: Flag | None,
    language: str,
    questions: Sequence[str],
    answer: str,
    passage: str,
    by: User,
    group: uuid.UUID | None = None,
    cases: Sequence[Case] = (),
) -> Correction:
    """Return a new correction that waits for approval, with a regression case for each phrasing.

    ``group`` joins it to the same correction in another language. A case in ``cases`` with the words of a phrasing
    takes that phrasing's place; any other is added. Raises CorrectionRefused. Whether it goes to readers is
    ``approve``'s, which the author may call where ``CORRECTIONS_NEED_TWO`` is off.
    """
    asked = tidy(questions)
    found = problems(language, asked, answer, passage)
    if found:
        raise CorrectionRefused(found)
    try:
        with transaction.atomic():
            correction = Correction.objects.create(
                group=group or uuid.uuid4(),
                language=language,
                questions=list(asked),
                answer=answer.strip(),
                passage=passage,
                flag=flag,
                author=by,
            )
    except IntegrityError as error:
        raise CorrectionRefused([Problem("language", _("There is a correction in this language already."))]) from error
    count = regression.add_cases(correction, cases, by=by)
    audit.record(
        "correction.written",
        actor=by,
        object_kind="correction",
        object_id=correction.public_id,
        after={"state": Correction.State.DRAFT, "language": language, "questions": len(asked), "cases": count},
        flag=str(flag.public_id) if flag else None,
        group=str(correction.group),
    )
    return correction


@transaction.atomic
def approve(correction: Correction, *, by: User) -> Correction:
    """Give a correction to readers: in every process within ``CORRECTIONS_RENEW_S`` and a few seconds.

    Where ``CORRECTIONS_NEED_TWO`` is on, ``by`` is not its author. One that is approved already stays as it is. Raises
    CorrectionRefused, also where its passage is gone meanwhile.
    """
    if passage_of(correction.passage, correction.language) is None:
        raise CorrectionRefused([Problem("passage", _("The passage that proves it is not published any more."))])
    waiting = Correction.objects.filter(pk=correction.pk, state=Correction.State.DRAFT)
    if settings.CORRECTIONS_NEED_TWO:
        waiting = waiting.exclude(author=by)
    changed = waiting.update(state=Correction.State.APPROVED, approver=by, approved_at=Now(), changed_at=Now())
    correction.refresh_from_db()
    if not changed:
        if correction.state == Correction.State.APPROVED:
            return correction
        if correction.state == Correction.State.DRAFT:
            raise CorrectionRefused([Problem("", _("Somebody else than its author approves a correction."))])
        raise CorrectionRefused([Problem("", _("This correction was withdrawn."))])
    audit.record(
        "correction.approved",
        actor=by,
        object_kind="correction",
        object_id=correction.public_id,
        before={"state": Correction.State.DRAFT},
        after={"state": Correction.State.APPROVED, "language": correction.language},
    )
    return correction


@transaction.atomic
def withdraw(correction: Correction, *, by: User, reason: str) -> Correction:
    """Take a correction from readers, or a draft off the list, and its regression cases with it.

    ``reason`` goes to the audit log: at most 80 characters, nobody's words or address, else NotForTheLog. Raises
    CorrectionRefused for one that was withdrawn before.
    """
    before = Correction.objects.select_for_update(no_key=True).get(pk=correction.pk).state
    if before == Correction.State.WITHDRAWN:
        raise CorrectionRefused([Problem("", _("This correction was withdrawn."))])
    Correction.objects.filter(pk=correction.pk).update(
        state=Correction.State.WITHDRAWN, withdrawn_at=Now(), changed_at=Now()
    )
    cases = correction.cases.filter(withdrawn_at=None).update(withdrawn_at=Now())
    correction.refresh_from_db()
    audit.record(
        "correction.withdrawn",
        actor=by,
        object_kind="correction",
        object_id=correction.public_id,
        before={"state": before},
        after={"state": Correction.State.WITHDRAWN, "cases": cases},
        reason=reason,
    )
    return correction


def missing_languages(group: uuid.UUID) -> list[str]:
    """Return the languages the site promises in which a group has no correction yet, neither a draft nor approved.

    Their readers get what the site says without it: nothing is translated by a machine.
    """
    there = set(Correction.objects.filter(group=group).exclude(state="withdrawn").values_list("language", flat=True))
    return [language for language in settings.COMPLETE_LANGUAGES if language not in there]


def without_passage() -> list[Correction]:
    """Return the approved corrections that nobody gets, because the passage that proves them is not published."""
    approved = list(Correction.objects.served())
    published = {
        (language, passage.id)
        for language in {each.language for each in approved} & set(dict(settings.LANGUAGES))
        for passage in passages(language)
    }
    return [each for each in approved if (each.language, each.passage) not in published]


def _phrasing(question: str, language: str) -> Phrasing:
    indexes = grounding.index_for(language)
    got = regression.shown(question, language, indexes)
    few = indexed_words(question, indexes.knowledge, indexes.pages) < MIN_INDEXED_WORDS
    return Phrasing(question, exact_only=few, rung=got.rung, today=got.text)


def _collisions(language: str, asked: Sequence[str], replaces: Sequence[ApprovedPair]) -> list[str]:
    """Return a sentence for each answer that readers get to one of these questions today and that is not replaced."""
    indexes = grounding.with_corrections(grounding.index_for(language), list(Correction.objects.served()))
    found = [grounding.ground(one, language=language, index=indexes).verified for one in asked]
    given = dict.fromkeys(pair for pair in found if pair and pair not in replaces)
    return [
        _("A correction is given for such a question today: %(id)s. The newer one wins in its own words only.")
        % {"id": pair.correction}
        if isinstance(pair, CorrectedPair)
        else _("“%(question)s” is answered by a file and keeps its answer. To replace it, add it as a phrasing.")
        % {"question": pair.questions[0]}
        for pair in given
    ]
