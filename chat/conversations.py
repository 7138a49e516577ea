"""What a person sees of their stored conversations: the list, the turns, and how long each is still there."""

import datetime
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import User
from chat.models import NAME_CHARS, Conversation, ConversationQuerySet, Message, expiry
from chat.tree import tree


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A question and every version of its answer, oldest first."""

    ask: uuid.UUID
    question: str
    asked_at: datetime.datetime
    expires_at: datetime.datetime
    versions: list[Message] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {"ask": str(self.ask), "question": self.question, "versions": [_as_json(each) for each in self.versions]}


def listed(user: User) -> ConversationQuerySet:
    """Return the person's conversations, the one last used first, each with ``name`` and ``left``."""
    return Conversation.objects.of(user).named()


def turns(conversation: Conversation, *, last: int | None = None) -> list[StoredTurn]:
    """Return what is left of a conversation, oldest first; at most the ``last`` turns. Two queries."""
    questions = Message.objects.filter(conversation=conversation, role=Message.Role.USER).order_by("-id")[:last]
    found = {
        asked.ask: StoredTurn(asked.ask, asked.text, asked.created_at, asked.expires_at)
        for asked in reversed(list(questions))
    }
    answers = Message.objects.filter(conversation=conversation, role=Message.Role.ASSISTANT, ask__in=found)
    for answer in answers.order_by("id"):
        found[answer.ask].versions.append(answer)
    return list(found.values())


def rename(conversation: Conversation, title: str) -> None:
    """Give a conversation a name, on one line; an empty one brings the oldest question back.

    The name expires like a message written now.
    """
    shown = " ".join(title.replace("\x00", " ").split())[:NAME_CHARS]
    fields = {"title": shown, "title_expires_at": expiry() if shown else None}
    Conversation.objects.filter(pk=conversation.pk).update(**fields)


def countdown(left: datetime.timedelta) -> str:
    """Return in words when something goes that has this long left."""
    minutes = max(0, int(left.total_seconds() // 60))
    hours, days = minutes // 60, minutes // (24 * 60)
    if days:
        return ngettext("gone in %(n)d day", "gone in %(n)d days", days) % {"n": days}
    if hours:
        return ngettext("gone in %(n)d hour", "gone in %(n)d hours", hours) % {"n": hours}
    if minutes:
        return ngettext("gone in %(n)d minute", "gone in %(n)d minutes", minutes) % {"n": minutes}
    return _("gone within a minute")


def _as_json(answer: Message) -> dict[str, Any]:
    return {
        "answer": str(answer.public_id),
        "text": answer.text,
        "tree": tree(answer.text),
        "language": answer.language,
        "rung": answer.rung,
        "finish_reason": answer.finish_reason,
        "sources": answer.sources,
        "receipt": answer.receipt,
        "seal": answer.seal,
        "upgrades": str(answer.upgrades) if answer.upgrades else None,
        "kept_until": answer.expires_at.isoformat(),
    }
