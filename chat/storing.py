"""Writes an exchange down: only with consent at that very moment, whole or not at all, with its end already set."""

import datetime
import uuid
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from accounts.models import User
from chat import consent, conversations
from chat.access import conversation_of
from chat.errors import StorageFull, UnknownConversation
from chat.models import Conversation, Message, expiry
from compliance import consents

HISTORY_TURNS = 32  # the most pairs an ask may bring itself; a prompt holds fewer


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """One version of an answer as it was sent. ``upgrades`` is the version it was written beside."""

    answer: uuid.UUID
    text: str
    language: str
    rung: str
    finish_reason: str
    sources: list[dict[str, Any]]
    receipt: dict[str, Any]
    seal: str
    upgrades: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """Where an exchange is kept, and until when."""

    conversation: uuid.UUID
    kept_until: datetime.datetime


def store(
    *,
    subject: uuid.UUID,
    ask: uuid.UUID,
    question: str,
    language: str,
    version: StoredVersion,
    conversation: uuid.UUID | None = None,
) -> Stored | None:
    """Write a question with its answer, or a later version beside it; doing it twice changes nothing.

    ``subject`` is the public id of the person. None, and nothing written, without their consent at this moment, for a
    closed account, and for a later version whose question was deleted meanwhile. Raises UnknownConversation when
    ``conversation`` is not theirs or has expired, StorageFull when the person would have more than
    ``STORED_MESSAGES_MAX`` messages.
    """
    try:
        with transaction.atomic():
            return _write(subject, ask, question, language, version, conversation)
    except IntegrityError:
        # The ask is somebody else's, or one of our own that has expired and is about to be deleted.
        return None


def history(subject: uuid.UUID, conversation: uuid.UUID) -> list[tuple[str, str]]:
    """Return the last pairs of question and newest answer, oldest first. Raises UnknownConversation."""
    found = conversation_of(subject, conversation)
    turns = conversations.turns(found, last=HISTORY_TURNS)
    return [(turn.question, turn.versions[-1].text) for turn in turns if turn.versions]


def _write(
    subject: uuid.UUID,
    ask: uuid.UUID,
    question: str,
    language: str,
    version: StoredVersion,
    conversation: uuid.UUID | None,
) -> Stored | None:
    # The person's row is locked before their consent is read: a withdrawal, an erasure and this follow each other.
    person = User.objects.select_for_update(no_key=True).filter(public_id=subject, is_active=True)
    found = person.values_list("pk", expiry()).first()
    if found is None or consents.given(subject, consent.PURPOSE) is None:
        return None
    user_id, kept_until = found
    mine = Message.objects.filter(conversation__user=user_id).select_related("conversation")
    asked = mine.filter(ask=ask, role=Message.Role.USER).first()
    if asked is None:
        if version.upgrades is not None:
            return None
        _check_room(user_id, 2)
        home = _home(user_id, language, conversation, kept_until)
        asked = Message.everything.create(
            conversation=home,
            ask=ask,
            role=Message.Role.USER,
            text=_storable(question),
            language=language,
            expires_at=kept_until,
        )
    else:
        home = asked.conversation
        if not mine.filter(public_id=version.answer).exists():
            _check_room(user_id, 1)
    Message.everything.get_or_create(
        public_id=version.answer,
        defaults={
            "conversation": home,
            "ask": ask,
            "role": Message.Role.ASSISTANT,
            "text": _storable(version.text),
            "language": version.language,
            "rung": version.rung,
            "finish_reason": version.finish_reason,
            "sources": version.sources,
            "receipt": version.receipt,
            "seal": version.seal,
            "upgrades": version.upgrades,
            # No version outlives the question it answers.
            "expires_at": asked.expires_at,
        },
    )
    return Stored(home.public_id, asked.expires_at)


def _home(user_id: int, language: str, conversation: uuid.UUID | None, kept_until: datetime.datetime) -> Conversation:
    """Return the conversation to write into, a new one or theirs, which lasts as long as its newest message."""
    if conversation is None:
        return Conversation.everything.create(user_id=user_id, language=language, expires_at=kept_until)
    theirs = Conversation.objects.select_for_update().filter(user=user_id, public_id=conversation).first()
    if theirs is None:
        raise UnknownConversation
    Conversation.everything.filter(pk=theirs.pk).update(expires_at=kept_until, updated_at=Now())
    return theirs


def _check_room(user_id: int, more: int) -> None:
    # What has expired and is not deleted yet takes its place, too: it is about storage, not about what is shown.
    if Message.everything.filter(conversation__user=user_id).count() + more > settings.STORED_MESSAGES_MAX:
        raise StorageFull


def _storable(text: str) -> str:
    """Return ``text`` without what PostgreSQL cannot hold: a model may write a NUL or half a surrogate pair."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
