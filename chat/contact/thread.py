"""What staff do with a message: take it, answer it by hand, close it, open it again, say what it really is.

Each act is one guarded UPDATE, so two people who press at once do not undo each other, and one line in the audit log
with ids and names of ours. Raises ThreadRefused where the message does not allow it.
"""

import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from accounts import mailqueue
from accounts.models import QueuedMail, User
from chat.asks import CONTROL
from chat.contact import messages
from chat.contact.deadlines import deadline
from chat.contact.errors import ThreadRefused
from chat.models import TeamMessage, TeamReply
from compliance import audit, incidents
from compliance.models import Incident

REPLY = "reply"
MAX_REPLY_CHARS = 10_000
State, Kind = TeamMessage.State, TeamMessage.Kind


@transaction.atomic
def take(message: TeamMessage, *, by: User) -> None:
    """Make a person the owner of an open message, in place of whoever had it."""
    row = _open(message)
    before = _owner(row)
    row.owner = by
    if row.state == State.RECEIVED:
        row.state = State.TAKEN
    row.save(update_fields=["owner", "state"])
    _record("contact.message-taken", row, by, before={"owner": before}, after={"owner": _owner(row)})


@transaction.atomic
def answer(message: TeamMessage, text: str, *, by: User, seen: int | None = None) -> TeamReply:
    """Send an answer that a person wrote to the address that was left for it; the first one answers the message.

    ``seen`` is how many answers stood before the writer's eyes. Where there are more by now, nothing is sent: two
    people wrote at once, or one pressed twice.
    """
    row = _open(message)
    words = text.replace("\r\n", "\n").strip()
    if not row.reply_to:
        raise ThreadRefused(_("No address was left, so no answer can be sent."))
    if not words or len(words) > MAX_REPLY_CHARS or CONTROL.search(words):
        limit = {"limit": MAX_REPLY_CHARS}
        raise ThreadRefused(_("Write an answer of at most %(limit)d characters of plain text.") % limit)
    if seen is not None and row.replies.count() != seen:
        raise ThreadRefused(
            _("Another answer went out meanwhile: it stands here now. Look whether yours is still needed.")
        )
    reply = TeamReply.objects.create(message=row, author=by, text=words)
    before = row.state
    row.state = State.ANSWERED
    TeamMessage.objects.filter(pk=row.pk, answered_at=None).update(answered_at=Now())
    row.owner = row.owner or by
    row.save(update_fields=["state", "owner"])
    mailqueue.queue_letter(REPLY, str(reply.public_id))
    _record(
        "contact.message-answered",
        row,
        by,
        before={"state": before},
        after={"state": row.state},
        reply=str(reply.public_id),
    )
    return reply


@transaction.atomic
def close(message: TeamMessage, *, by: User) -> None:
    """Close a message: from now on its end is known, ``CONTACT_RETENTION_DAYS`` from here."""
    row = _open(message)
    before = row.state
    TeamMessage.objects.filter(pk=row.pk).update(
        state=State.CLOSED,
        closed_at=Now(),
        expires_at=Now() + datetime.timedelta(days=settings.CONTACT_RETENTION_DAYS),
    )
    _record("contact.message-closed", row, by, before={"state": before}, after={"state": State.CLOSED.value})


@transaction.atomic
def reopen(message: TeamMessage, *, by: User) -> None:
    """Open a closed message again. What it was due by stays."""
    row = _locked(message)
    if row.state != State.CLOSED:
        raise ThreadRefused(_("This message is open."))
    if row.answered_at is not None:
        row.state = State.ANSWERED
    else:
        row.state = State.TAKEN if row.owner_id else State.RECEIVED
    row.closed_at = row.expires_at = None
    row.save(update_fields=["state", "closed_at", "expires_at"])
    _record("contact.message-reopened", row, by, before={"state": State.CLOSED.value}, after={"state": row.state})


@transaction.atomic
def change_kind(message: TeamMessage, kind: str, *, by: User) -> None:
    """Say what a message really is. Its time runs from when it was received, as the new kind has it."""
    row = _open(message)
    if kind not in Kind.values:
        raise ThreadRefused(_("Choose one of the kinds."))
    before = row.kind
    if kind == before:
        return
    row.kind = kind
    row.due_at = row.received_at + deadline(kind).within
    row.save(update_fields=["kind", "due_at"])
    if row.state == State.RECEIVED:
        messages.notify(row)
    _record("contact.message-kind", row, by, before={"kind": before}, after={"kind": kind})


@transaction.atomic
def make_incident(message: TeamMessage, *, kind: str, severity: str, by: User) -> None:
    """Open an incident because of a message; one message makes one incident. No word of it goes there."""
    row = _open(message)
    if kind not in Incident.Kind.values or severity not in Incident.Severity.values:
        raise ThreadRefused(_("Choose what kind of incident it is, and how bad."))
    if row.incident is not None:
        raise ThreadRefused(_("There is an incident for this message already."))
    incident = incidents.open_incident(kind=kind, severity=severity, source=Incident.Source.CONTACT, by=by)
    row.incident = incident.public_id
    row.save(update_fields=["incident"])
    _record("contact.message-incident", row, by, after={"incident": str(incident.public_id)})


def mail_state(reply: TeamReply) -> str:
    """Return how the mail with an answer stands, in words; empty once it is forgotten."""
    row = QueuedMail.objects.filter(template=REPLY, object_id=str(reply.public_id)).order_by("-pk").first()
    return str(row.get_state_display()) if row else ""


def _locked(message: TeamMessage) -> TeamMessage:
    row = TeamMessage.objects.kept().select_for_update(of=("self",)).filter(pk=message.pk).first()
    if row is None:
        raise ThreadRefused(_("This message is no longer there."))
    return row


def _open(message: TeamMessage) -> TeamMessage:
    row = _locked(message)
    if row.state == State.CLOSED:
        raise ThreadRefused(_("This message is closed. Open it again first."))
    return row


def _owner(row: TeamMessage) -> str | None:
    return str(row.owner.public_id) if row.owner else None


def _record(action: str, row: TeamMessage, by: User, **changes: Any) -> None:
    audit.record(action, actor=by, object_kind="team_message", object_id=row.public_id, **changes)
