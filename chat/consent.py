"""Keeping chats: what a person is told, their yes, their no, and what holds at this moment.

Nothing remembers the answer: ``chat.storing`` asks again inside each transaction that writes, so a withdrawal holds
from the moment it is committed, in every process.
"""

import hashlib

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils import translation
from django.utils.translation import ngettext

from accounts import export
from accounts.models import User
from chat.access import lock_person
from chat.models import Conversation, Message
from compliance import consents
from compliance.consents import Notice
from compliance.models import ConsentEvent, Purpose
from content.library import library

PURPOSE = Purpose.KEEP_CHATS
NOTICE_PAGE = "privacy"


def wording(language: str) -> str:
    """Return the sentence beside the box, in one language."""
    with translation.override(language):
        return ngettext(
            "Keep my conversations in my account for %(days)d day, then delete them. I can withdraw this at any time;"
            " what is kept is then deleted at once.",
            "Keep my conversations in my account for %(days)d days, then delete them. I can withdraw this at any time;"
            " what is kept is then deleted at once.",
            settings.RETENTION_DAYS,
        ) % {"days": settings.RETENTION_DAYS}


def notice(language: str) -> Notice:
    """Return what a person who ticks the box has seen. Raises LookupError without a privacy page."""
    return notice_with(wording(language), language)


def notice_with(words: str, language: str) -> Notice:
    """Return a notice of these words beside a box, and of the privacy page as it is now.

    A language without that page gets the one in the site's first language. Raises LookupError without any.
    """
    pages = library()
    document = pages.find("pages", NOTICE_PAGE, language) or pages.find("pages", NOTICE_PAGE, settings.LANGUAGE_CODE)
    if document is None:
        raise LookupError("no privacy page is published")
    source = (pages.root.parent / document.file).read_bytes()
    return Notice(document.meta.version, hashlib.sha256(source).hexdigest(), words, language)


def keeps_chats(user: User) -> bool:
    """Whether this person's conversations are kept, by what the database says now. One query."""
    return consents.given(user.public_id, PURPOSE) is not None


@transaction.atomic
def give(user: User, language: str, channel: str) -> ConsentEvent:
    """Record a yes to what is shown in ``language``. A second yes to the same words is the first one."""
    lock_person(user)
    shown = notice(language)
    held = consents.given(user.public_id, PURPOSE)
    if held and (held.notice_sha256, held.wording) == (shown.sha256, shown.wording):
        return held
    return consents.record(user.public_id, PURPOSE, ConsentEvent.Action.GIVEN, shown, channel=channel)


@transaction.atomic
def withdraw(user: User, channel: str) -> ConsentEvent | None:
    """Record a no and let everything that is stored expire at once. None, and no event, where no yes holds.

    The event names the notice that the yes was given to: that is what ends here.
    """
    lock_person(user)
    export.start_again([user.pk])
    expired = {"expires_at": Now()}
    Message.objects.filter(conversation__user=user).update(**expired)
    Conversation.objects.of(user).update(**expired)
    held = consents.given(user.public_id, PURPOSE)
    if held is None:
        return None
    ended = Notice(held.notice_version, held.notice_sha256, held.wording, held.language)
    return consents.record(user.public_id, PURPOSE, ConsentEvent.Action.WITHDRAWN, ended, channel=channel)
