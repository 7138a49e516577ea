"""What contact holds about a person: a part of their export, and its end with the account."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import export, signals
from accounts.models import User
from chat import retention
from chat.models import TeamMessage

LABELS: dict[str, str | Promise] = {
    "kind": _("About"),
    "text": _("Message"),
    "reply_to": _("Address for the answer"),
    "state": _("State"),
    "received_at": _("Received"),
    "due_at": _("Due"),
    "expires_at": _("Deleted on"),
    "answers": _("Answers"),
    "answer": _("Answer"),
    "written_at": _("Written"),
}


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    from chat.contact import alarms, mails  # noqa: F401 - alarms register when loaded

    mails.register()
    export.part(
        "messages",
        exported,
        title=_("Messages to the team"),
        labels=LABELS,
        words=dict(TeamMessage.Kind.choices) | dict(TeamMessage.State.choices),
    )
    signals.account_closing.connect(on_account_closing, dispatch_uid="chat.contact")


def exported(user: User) -> list[dict[str, Any]]:
    """Return a person's messages to the team that have not expired, with the answers to them."""
    return [
        {
            "kind": each.kind,
            "text": each.text,
            "reply_to": each.reply_to,
            "state": each.state,
            "received_at": each.received_at,
            "due_at": each.due_at,
            "expires_at": each.expires_at,
            "answers": [{"answer": reply.text, "written_at": reply.written_at} for reply in each.replies.all()],
        }
        for each in TeamMessage.objects.kept().filter(user=user).prefetch_related("replies").order_by("id")
    ]


def on_account_closing(sender: type[User], *, user: User, **_kwargs: Any) -> dict[str, int]:
    """Receive ``accounts.signals.account_closing``: delete what the person wrote to the team. The log has the count."""
    return {"team_messages": retention.delete_team_messages_of(user).team_messages}
