"""A person's conversations in the export of their data, which never outlives what is in it."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy

from accounts.models import User
from chat.conversations import listed, turns

# What the export calls its parts where people read them.
LABELS: dict[str, str | Promise] = {
    "conversation": gettext_lazy("Conversation"),
    "title": gettext_lazy("Title"),
    "created_at": gettext_lazy("Begun"),
    "expires_at": gettext_lazy("Deleted on"),
    "turns": gettext_lazy("Questions and answers"),
    "question": gettext_lazy("Question"),
    "asked_at": gettext_lazy("Asked"),
    "answers": gettext_lazy("Answers"),
    "text": gettext_lazy("Text"),
    "rung": gettext_lazy("Rung"),
    "model": gettext_lazy("Model"),
    "sources": gettext_lazy("Sources"),
    "written_at": gettext_lazy("Written"),
}


def exported(user: User) -> list[dict[str, Any]]:
    """Return everything that is stored of a person and has not expired, for their export."""
    return [
        {
            "conversation": str(each.public_id),
            "title": each.name,  # type: ignore[attr-defined]  # annotated
            "created_at": each.created_at,
            "expires_at": each.expires_at,
            "turns": [
                {
                    "question": turn.question,
                    "asked_at": turn.asked_at,
                    "answers": [
                        {
                            "text": answer.text,
                            "rung": answer.rung,
                            "model": answer.receipt.get("model_name"),
                            "sources": [source.get("url") for source in answer.sources],
                            "written_at": answer.created_at,
                        }
                        for answer in turn.versions
                    ],
                }
                for turn in turns(each)
            ],
        }
        for each in listed(user)
    ]
