"""What moderation holds about a person: a part of their export, a consent of its own, its end with the account."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts import export, pages, signals
from accounts.models import User
from chat import handed_over
from chat.moderation import flags, training_consent

LABELS: dict[str, str | Promise] = {
    "flag": _("Flag"),
    "flagged_at": _("Flagged"),
    "reason": _("Reason"),
    "words": _("Your words"),
    "question": _("Question"),
    "answer": _("Answer"),
    "state": _("State"),
    "finding": _("Finding"),
    "note": _("Note of the staff"),
    "texts_expire_at": _("Texts deleted on"),
    "trains": _("Used for training"),
}


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    pages.section(_("Flags"), "chat:own-flags", summary=_("Answers you flagged, and what was decided."), order=35)
    pages.consent(
        training_consent.PURPOSE,
        give="chat:training-give",
        withdraw="chat:training-withdraw",
        wording=training_consent.wording,
    )
    export.part("flags", exported, title=_("Flags"), labels=LABELS)
    signals.account_closing.connect(handed_over.on_account_closing, dispatch_uid="chat.handed_over")


def exported(user: User) -> list[dict[str, Any]]:
    """Return a person's flags, with the texts that have not expired."""
    found = []
    for each in flags.of(user):
        texts = {"question": each.question, "answer": each.text, "words": each.words, "note": each.note}
        found.append(
            {
                "flag": str(each.public_id),
                "flagged_at": each.created_at,
                "reason": each.get_reason_display(),
                "state": each.get_state_display(),
                "finding": each.get_finding_display(),
                "trains": each.training_subject is not None,
                "texts_expire_at": each.expires_at,
                **(texts if each.has_texts else {}),  # type: ignore[attr-defined]  # annotated
            }
        )
    return found
