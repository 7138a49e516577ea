"""Training with what somebody flags: a purpose and a consent of its own.

``subject`` is the public id of a person, or a random id that one visitor's flag carries and nothing else.
"""

import uuid

from django.db import transaction
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import User
from chat import consent
from chat.access import lock_person
from chat.models import Flag
from chat.moderation import training
from compliance import consents
from compliance.consents import Notice
from compliance.models import ConsentEvent, Purpose

PURPOSE = Purpose.TRAIN_ON_FLAGS


def wording(language: str) -> str:
    """Return the sentence beside the box, in one language."""
    with translation.override(language):
        return _(
            "A question that I flag may be used to train the model, together with the answer that staff write to it."
            " Patterns of personal data are masked before. I can withdraw this at any time; what was taken up then"
            " leaves the training set."
        )


def notice(language: str) -> Notice:
    """Return what a person who ticks the box has seen. Raises LookupError without a privacy page."""
    return consent.notice_with(wording(language), language)


def holds(subject: uuid.UUID) -> bool:
    """Whether a yes holds at this moment. One query."""
    return consents.given(subject, PURPOSE) is not None


def give(subject: uuid.UUID, language: str, channel: str) -> ConsentEvent:
    """Record a yes, as the last statement of a transaction. A second yes to the same words is the first one."""
    shown = notice(language)
    held = consents.given(subject, PURPOSE)
    if held and (held.notice_sha256, held.wording) == (shown.sha256, shown.wording):
        return held
    return consents.record(subject, PURPOSE, ConsentEvent.Action.GIVEN, shown, channel=channel)


@transaction.atomic
def give_in_account(user: User, language: str, channel: str) -> ConsentEvent:
    """Record a person's yes to training with what they flag from now on."""
    lock_person(user)
    return give(user.public_id, language, channel)


@transaction.atomic
def withdraw(subject: uuid.UUID, channel: str) -> ConsentEvent | None:
    """Record a no and take what rests on the yes out of the training set. None, and no event, where no yes holds.

    The flags themselves stay flagged; they only lose what says that they may be trained with.
    """
    User.objects.select_for_update(no_key=True).filter(public_id=subject).first()  # as ``lock_person`` does
    Flag.objects.filter(training_subject=subject).update(training_subject=None)
    training.forget(subject, reason=training.WITHDRAWN)
    held = consents.given(subject, PURPOSE)
    if held is None:
        return None
    ended = Notice(held.notice_version, held.notice_sha256, held.wording, held.language)
    return consents.record(subject, PURPOSE, ConsentEvent.Action.WITHDRAWN, ended, channel=channel)
