"""Flags from their sender's side: handed in under a seal, looked up by number, deleted at once.

What staff do about them is in ``chat.moderation.review``; every deletion of their texts in ``chat.retention``.
"""

import datetime
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Case, F, Q, When
from django.db.models.functions import Coalesce, Least, Now

from accounts import mailqueue
from accounts.models import User
from chat import consent
from chat.access import lock_person
from chat.models import Flag
from chat.models.flags import FlagQuerySet
from chat.moderation import training_consent
from chat.moderation.drafts import FlagDraft, SealedAnswer
from chat.moderation.errors import AlreadyFlagged, FlagUnknown, SealRefused
from chat.seals import Claim, open_seal
from compliance import receipt_numbers

NUMBER_PREFIX = "F"
NOTICE = "team-flag"  # the mail that tells the team, without a word of what was sent
NOTICE_EVERY = datetime.timedelta(hours=1)
CHANNEL = "flag"
# What waits longest does harm soonest: a danger or a person's data goes before an insult, that before a mistake.
WEIGHTS = {Flag.Reason.HARMFUL: 3, Flag.Reason.PRIVATE: 3, Flag.Reason.OFFENSIVE: 2}


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the sender keeps. ``number`` is shown once: the database has its digest only."""

    number: str
    public_id: uuid.UUID
    expires_at: datetime.datetime


@transaction.atomic
def hand_in(draft: FlagDraft, *, user: User | None = None) -> Receipt:
    """Take a flag whose draft was checked, and the consent to training where its box was ticked.

    Raises SealRefused for an answer that is not as we gave it, AlreadyFlagged for one that somebody flagged before.
    """
    claim = opened(draft)
    if user is not None:
        lock_person(user)
    shown = consent.notice_with("", draft.language)
    subject = _training_subject(draft, user)
    number = receipt_numbers.new(NUMBER_PREFIX)
    flag = Flag(
        number_sha256=receipt_numbers.digest(number),
        answer=claim.answer,
        answer_until=claim.good_until,
        user=user,
        language=draft.receipt.language,
        reason=draft.reason,
        words=draft.own_words,
        question=_storable(draft.question),
        text=_storable(draft.text),
        passages=draft.passages,
        receipt=draft.receipt.as_dict(),
        rung=draft.receipt.rung,
        model=draft.receipt.model or "",
        notice_version=shown.version,
        notice_sha256=shown.sha256,
        training_subject=subject,
        weight=WEIGHTS.get(Flag.Reason(draft.reason), 1),
        expires_at=Now() + datetime.timedelta(days=settings.FLAG_RETENTION_DAYS),
    )
    try:
        with transaction.atomic():
            flag.save()
    except IntegrityError as error:
        if is_flagged(claim.answer):
            raise AlreadyFlagged from error
        raise
    flag.refresh_from_db(fields=["expires_at"])
    mailqueue.queue_to_team(NOTICE, str(flag.public_id), once_within=NOTICE_EVERY)
    if draft.train and subject is not None:
        training_consent.give(subject, draft.language, CHANNEL)  # the audit log comes last
    return Receipt(number, flag.public_id, flag.expires_at)


def opened(answer: SealedAnswer) -> Claim:
    """Return what the seal says of an answer that came back. Raises SealRefused."""
    claim = open_seal(
        answer.seal,
        question=answer.question,
        text=answer.text,
        passages=answer.passages,
        receipt=answer.receipt,
    )
    if claim is None:
        raise SealRefused
    return claim


def is_flagged(answer: uuid.UUID) -> bool:
    return Flag.objects.filter(answer=answer).exists()


def by_number(number: str) -> Flag:
    """Return the flag with this receipt number, however it was typed, with ``has_texts``. Raises FlagUnknown."""
    found = _read().filter(number_sha256=receipt_numbers.digest(number)).first()
    if found is None:
        raise FlagUnknown
    return found


def flag_of(user: User, public_id: uuid.UUID) -> Flag:
    """Return a flag of this person. Raises FlagUnknown alike for one that never was and one that is somebody else's."""
    found = of(user).filter(public_id=public_id).first()
    if found is None:
        raise FlagUnknown
    return found


def of(user: User) -> FlagQuerySet:
    """Return a person's flags, newest first, each with ``has_texts``."""
    return _read().filter(user=user).order_by("-id")


def shorten(flag: Flag) -> None:
    """Let the texts of a flag that was decided go soon, never later than before. Call it where it is decided."""
    kept = datetime.timedelta(hours=settings.FLAG_DECIDED_KEPT_HOURS)
    decided = Coalesce(F("decided_at"), Now()) + kept
    Flag.objects.filter(pk=flag.pk).update(expires_at=Least(F("expires_at"), decided))
    flag.refresh_from_db(fields=["expires_at"])


def _read() -> FlagQuerySet:
    """Return flags with ``has_texts``: what has expired is gone for its reader, however late the sweep is."""
    there = Q(emptied_at=None, expires_at__gt=Now())
    return Flag.objects.annotate(has_texts=Case(When(there, then=True), default=False))


def _training_subject(draft: FlagDraft, user: User | None) -> uuid.UUID | None:
    """Return the id under which training with this flag is allowed, None where it is not.

    A visitor gets one that stands for this flag alone; of a person, a yes in their account counts like a tick here.
    """
    if user is None:
        return uuid.uuid4() if draft.train else None
    return user.public_id if draft.train or training_consent.holds(user.public_id) else None


def _storable(text: str) -> str:
    """Return ``text`` without what PostgreSQL cannot hold: a model may have written a NUL."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
