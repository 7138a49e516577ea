"""What somebody reads before a flag is sent: what goes, to whom, why and for how long. One text for both forms."""

from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat import consent
from chat.models import Flag
from chat.moderation import training_consent
from chat.moderation.drafts import MAX_WORDS
from content.site import page_address


def words(language: str, *, signed_in: bool, trains: bool) -> dict[str, str]:
    """Return the sentences of the form in the current language, which is ``language``."""
    return {
        "heading": _("Flag this answer"),
        "sent": _sent(signed_in=signed_in),
        "why": _(
            "People who look after this site read it and decide whether the answer was wrong. Nobody else gets it."
        ),
        "kept": kept(),
        "reason": _("What is wrong with it?"),
        "words": _("In your words, if you like"),
        "words_hint": ngettext("At most %(most)d character.", "At most %(most)d characters.", MAX_WORDS)
        % {"most": MAX_WORDS},
        "train": training_consent.wording(language),
        "trains": _("You have agreed in your account that questions you flag are used for training.") if trains else "",
        "notice": _("Privacy notice"),
        "notice_address": settings.SITE_URL + page_address(consent.NOTICE_PAGE, language),
        "send": _("Send the flag"),
        "sending": _("Sending."),
        "cancel": _("Do not send"),
        "choose": _("Please choose what is wrong with the answer."),
        "failed": _("The flag was not sent: the site cannot be reached from here. Please try again."),
        "done": _("The flag is sent."),
        "number": _("Your number:"),
        "number_hint": _(
            "Keep it: with it you see what was decided, and you can delete what you sent. It is shown this once."
        ),
        "copy": _("Copy the number"),
        "copied": _("Copied"),
        "outcome": _("See what was decided"),
        "outcome_address": settings.CHAT_URL + reverse("chat:flags", args=[language]),
    }


def _sent(*, signed_in: bool) -> str:
    what = _(
        "These are sent: your question, this answer, the names of its passages, its receipt and its seal, the reason"
        " and your words. Nothing else of the conversation is."
    )
    whose = _("The flag stands in your account.")
    return f"{what} {whose}" if signed_in else what


def kept() -> str:
    """Return how long the texts of a flag are there."""
    days, hours = settings.FLAG_RETENTION_DAYS, settings.FLAG_DECIDED_KEPT_HOURS
    after = ngettext(
        "The texts are deleted %(hours)d hour after the decision,",
        "The texts are deleted %(hours)d hours after the decision,",
        hours,
    )
    at_latest = ngettext("after %(days)d day at the latest.", "after %(days)d days at the latest.", days)
    return f"{after % {'hours': hours}} {at_latest % {'days': days}}"


def reasons() -> list[tuple[str, str]]:
    """Return each reason with its words, in the order in which they are offered."""
    return [(each.value, str(each.label)) for each in Flag.Reason]


def form(language: str, *, signed_in: bool, trains: bool) -> dict[str, Any]:
    """Return what a program needs to show the form."""
    return {
        "words": words(language, signed_in=signed_in, trains=trains),
        "reasons": [{"code": code, "label": label} for code, label in reasons()],
        "words_chars": MAX_WORDS,
        "kept_days": settings.FLAG_RETENTION_DAYS,
        "decided_kept_hours": settings.FLAG_DECIDED_KEPT_HOURS,
        "signed_in": signed_in,
        "trains": trains,
    }
