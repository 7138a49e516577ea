"""The mails about messages and flags: notices to the team without a word of what was sent, and answers by hand."""

from typing import Any

from django.conf import settings
from django.urls import reverse

from accounts import mailqueue
from accounts.mailqueue import Letter
from chat.contact import messages, thread
from chat.contact.deadlines import deadline
from chat.models import Flag, TeamMessage, TeamReply
from chat.moderation import flags


def register() -> None:
    mailqueue.team_template(messages.NOTICE, message_notice)
    mailqueue.team_template(flags.NOTICE, flag_notice)
    mailqueue.letter_template(thread.REPLY, reply_letter)


def message_notice(object_id: str) -> dict[str, Any] | None:
    """Say that messages of one kind wait for somebody to take them. None when somebody has, or they are gone."""
    kind, _colon, public_id = object_id.partition(":")
    waiting = TeamMessage.objects.kept().waiting().filter(kind=kind, state=TeamMessage.State.RECEIVED)
    first = waiting.first()
    if first is None:
        return None
    count = waiting.count()
    one = waiting.filter(public_id=public_id).first() if count == 1 else None
    path = reverse("admin:chat_teammessage_changelist") + f"?kind__exact={kind}"
    return {
        "kind": first.get_kind_display(),
        "count": count,
        "due_at": first.due_at,
        "reason": deadline(kind).reason,
        "url": settings.CHAT_URL + (reverse("admin:chat_teammessage_change", args=[one.pk]) if one else path),
    }


def flag_notice(object_id: str) -> dict[str, Any] | None:
    """Say that flags wait for a decision. None when there is none any more."""
    waiting = Flag.objects.open()
    first = waiting.order_by("expires_at").first()
    if first is None:
        return None
    # The list of flags is another module's; the address is where the admin puts it.
    url = f"{settings.CHAT_URL}{reverse('admin:index')}chat/flag/"
    return {"count": waiting.count(), "expires_at": first.expires_at, "url": url}


def reply_letter(object_id: str) -> Letter | None:
    """Return an answer as it goes to the address that was left. None when the message was deleted meanwhile."""
    reply = TeamReply.objects.select_related("message").filter(public_id=object_id).first()
    if reply is None or not reply.message.reply_to:
        return None
    message = reply.message
    values = {
        "text": reply.text,
        "kind": message.get_kind_display(),
        "received_at": message.received_at,
        "url": f"{settings.CHAT_URL}{reverse('chat:messages', args=[message.language])}",
    }
    return Letter(message.reply_to, message.language, values, by_hand=True)
