"""Every deletion of text, whoever asks for it, each with its count.

What has expired is invisible already (``chat.models``); here it goes: conversations in this file, what people handed
to us in ``chat.handed_over``. Batches are short transactions that skip rows
somebody holds, so any number of sweeps may run, be killed or come late: the next one finds what is left. Each batch
writes its count in the transaction that deletes, and the evidence sums the counts up.
"""

import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Exists, ExpressionWrapper, F, Min, OuterRef, Sum
from django.db.models.fields import DurationField
from django.db.models.functions import Now
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import export
from accounts.models import User
from chat import handed_over
from chat.access import lock_person
from chat.deleted import Deleted
from chat.deleted import counted as _counted
from chat.handed_over import delete_flag, delete_team_message, delete_team_messages_of
from chat.models import Conversation, DeletedBatch, Message
from compliance import audit, evidence
from compliance.alarms import alarm
from compliance.models import EvidenceRecord

__all__ = [
    "BATCH",
    "KIND",
    "Deleted",
    "delete_all_of",
    "delete_conversation",
    "delete_expired",
    "delete_flag",
    "delete_team_message",
    "delete_team_messages_of",
    "oldest",
    "on_account_closing",
    "overdue",
    "record_evidence",
]

KIND = "retention"
BATCH = 500
EVIDENCE_EVERY = datetime.timedelta(minutes=15)
EVIDENCE_AT_LEAST_EVERY = datetime.timedelta(days=1)
# What is still there so long after its time is somebody's business.
LATE = datetime.timedelta(hours=1)
RECORDING_LOCK = 7_302_001  # an advisory lock, any number nobody else in this database uses


def delete_expired(batch: int = BATCH) -> Deleted:
    """Delete all that has expired, ``batch`` rows at a time: messages, then conversations, then expired titles.

    Then the texts of flags, and closed messages to the team.
    """
    total = Deleted()
    while done := _delete_messages(batch):
        total += done
    while done := _delete_conversations(batch):
        total += done
    while _empty_titles(batch):
        pass
    return total + handed_over.delete_expired(batch)


@transaction.atomic
def delete_conversation(user: User, conversation: Conversation) -> Deleted:
    """Delete one conversation of a person with all that is in it."""
    lock_person(user)
    done = _delete(Conversation.everything.filter(pk=conversation.pk, user=user))
    if done:
        audit.record(
            "conversation.deleted",
            actor=user,
            object_kind="conversation",
            object_id=conversation.public_id,
            messages=done.messages,
        )
    return done


@transaction.atomic
def delete_all_of(user: User) -> Deleted:
    """Delete everything that is stored of a person, what has expired included."""
    lock_person(user)
    done = _delete(Conversation.everything.filter(user=user))
    if done:
        audit.record(
            "conversation.all-deleted",
            actor=user,
            object_kind="user",
            object_id=user.public_id,
            messages=done.messages,
            conversations=done.conversations,
        )
    return done


def on_account_closing(sender: type[User], *, user: User, **_kwargs: Any) -> dict[str, int]:
    """Receive ``accounts.signals.account_closing``: delete everything, and say how much. The erasure is in the log."""
    lock_person(user)
    handed_over.lock_all_of(user)
    done = _delete(Conversation.everything.filter(user=user))
    return {"conversations": done.conversations, "messages": done.messages}


def oldest() -> datetime.timedelta | None:
    """Return the age of the oldest stored message by the database's clock, None where nothing is stored."""
    age = ExpressionWrapper(Now() - F("first"), output_field=DurationField())
    found: datetime.timedelta | None = Message.everything.aggregate(first=Min("created_at"), age=age)["age"]
    return found


def overdue() -> bool:
    """Whether something is there that should be gone for an hour: older than the days we promise, or expired."""
    too_old = Now() - (datetime.timedelta(days=settings.RETENTION_DAYS) + LATE)
    return (
        Message.everything.filter(created_at__lt=too_old).exists()
        or Message.everything.filter(expires_at__lt=Now() - LATE).exists()
        or Conversation.everything.filter(expires_at__lt=Now() - LATE).exists()
        or Conversation.everything.filter(title_expires_at__lt=Now() - LATE).exists()
        or handed_over.overdue(LATE)
    )


@alarm("chat.retention")
def _overdue_alarm() -> list[str | Promise]:
    if not overdue():
        return []
    return [_("Texts are still stored an hour after they should have been deleted. Is the worker running?")]


@transaction.atomic
def record_evidence() -> EvidenceRecord | None:
    """Put on record how much was deleted since the last record, and how old the oldest is that remains.

    At most every 15 minutes, and only when something was deleted or nothing was recorded for a day; else None.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s), now()", [RECORDING_LOCK])
        mine, now = cursor.fetchone()
    last = evidence.latest(KIND)
    since = now - last.at if last else EVIDENCE_AT_LEAST_EVERY
    if not mine or since < EVIDENCE_EVERY:
        return None
    # What a batch counts while we look is for the next record.
    batches = DeletedBatch.objects.filter(pk__in=list(DeletedBatch.objects.values_list("pk", flat=True)))
    sums = batches.aggregate(
        batches=Count("pk"),
        messages=Sum("messages"),
        conversations=Sum("conversations"),
        flags=Sum("flags"),
        team_messages=Sum("team_messages"),
    )
    if not sums["batches"] and since < EVIDENCE_AT_LEAST_EVERY:
        return None
    batches.delete()
    age = oldest()
    return evidence.record(
        KIND,
        {
            "deleted_messages": sums["messages"] or 0,
            "deleted_conversations": sums["conversations"] or 0,
            "deleted_flag_texts": sums["flags"] or 0,
            "deleted_team_messages": sums["team_messages"] or 0,
            "oldest_remaining_s": None if age is None else int(age.total_seconds()),
        },
    )


@transaction.atomic
def _delete_messages(batch: int) -> Deleted:
    expired = Message.everything.filter(expires_at__lte=Now()).order_by("expires_at")
    keys = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    if keys:
        export.start_again(User.objects.filter(conversations__messages__in=keys))
    count, _kinds = Message.everything.filter(pk__in=keys).delete()
    return _counted(Deleted(messages=count))


@transaction.atomic
def _delete_conversations(batch: int) -> Deleted:
    """Delete expired conversations that are empty: one whose messages somebody holds waits for the next sweep."""
    left = Exists(Message.everything.filter(conversation=OuterRef("pk")))
    expired = Conversation.everything.filter(~left, expires_at__lte=Now()).order_by("expires_at")
    keys = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    return _delete(Conversation.everything.filter(pk__in=keys))


@transaction.atomic
def _empty_titles(batch: int) -> int:
    expired = Conversation.everything.filter(title_expires_at__lte=Now()).order_by("pk")
    keys = list(expired.select_for_update(skip_locked=True).values_list("pk", flat=True)[:batch])
    return Conversation.everything.filter(pk__in=keys).update(title="", title_expires_at=None)


def _delete(conversations: Any) -> Deleted:
    """Delete conversations with their messages, and count them.

    Rows are locked in the order of the sweep, conversations, messages, exports, so that neither waits for the other.
    """
    keys = list(conversations.select_for_update().order_by("pk").values_list("pk", flat=True))
    list(Message.everything.filter(conversation__in=keys).select_for_update().order_by("pk").values_list("pk"))
    if keys:
        export.start_again(User.objects.filter(conversations__in=keys))
    messages, _kinds = Message.everything.filter(conversation__in=keys).delete()
    count, _kinds = Conversation.everything.filter(pk__in=keys).delete()
    return _counted(Deleted(messages, count))
