"""The words of the way to the team, for every door: the answer that opens it, and what is told before sending.

In the language that is active when they are asked for.
"""

from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from chat.contact.deadlines import deadline
from chat.models import TeamMessage


def offer(kind: str) -> dict[str, Any]:
    """Return what the ``done`` event of an answer says of the way to the team; ``label`` is the button's."""
    return {
        "kind": str(kind),
        "due_hours": deadline(kind).hours,
        "kept_days": settings.CONTACT_RETENTION_DAYS,
        "label": _("Write to the team"),
    }


def opening(kind: str) -> str:
    """Return the answer to somebody who has something to say to people: who gets it, and by when they answer."""
    said = {
        TeamMessage.Kind.INCIDENT: _("This sounds like an incident. The team of %(site)s wants to know of it at once."),
        TeamMessage.Kind.PRIVACY: _(
            "This sounds like a request about your data. The team of %(site)s takes care of it."
        ),
        TeamMessage.Kind.PRESS: _("The team of %(site)s answers questions from the press."),
        TeamMessage.Kind.SALES: _("The team of %(site)s answers questions about offers and contracts."),
        TeamMessage.Kind.SUPPORT: _("The team of %(site)s can look into this."),
        TeamMessage.Kind.OTHER: _("You can write to the team of %(site)s, here in the chat."),
    }
    sentences = [
        said[TeamMessage.Kind(kind)] % {"site": settings.SITE_NAME},
        _("A person answers %(within)s.") % {"within": deadline(kind).words},
        _("“%(label)s” below shows what is sent; nothing goes before you press Send.")
        % {"label": _("Write to the team")},
    ]
    return " ".join(sentences)


def told_before(*, signed_in: bool) -> list[tuple[str, str]]:
    """Return what somebody knows before they press Send: a few words in front, and the sentence."""
    what = _(
        "Your words, what they are about, the language of this page and the time; an address only if you give one. "
        "Nothing of the conversation."
    )
    if signed_in:
        what += " " + _("You are signed in, so it is noted that the message is yours.")
    if settings.TEAM_EMAIL:
        whom = _(
            "To the team of %(site)s. A mail without your words tells them; they read your message in the "
            "administration of this site."
        )
    else:
        whom = _("To the team of %(site)s. They read your message in the administration of this site.")
    return [
        (_("What is sent"), what),
        (_("To whom"), whom % {"site": settings.SITE_NAME}),
        (
            _("How long it is kept"),
            _(
                "Until %(days)d days after the matter is closed. You get a number with which you can delete it at "
                "any time."
            )
            % {"days": settings.CONTACT_RETENTION_DAYS},
        ),
        (
            _("Your address"),
            _("Only a person writes to it, and only to answer you. No automatic mail goes there."),
        ),
    ]


def address_wanted() -> str:
    """Return what is missing where an answer is wanted and no address was given."""
    return _("Write the address for the answer, or say that you want none.")


def kinds() -> list[dict[str, str]]:
    """Return what a message may be about, each with by when it is answered."""
    return [
        {"kind": kind.value, "label": str(kind.label), "within": str(deadline(kind).words)} for kind in TeamMessage.Kind
    ]


def form_words() -> dict[str, str]:
    """Return the words of the form that the script builds, so that no page carries them before they are asked for."""
    return {
        "title": _("Write to the team"),
        "kind": _("What is it about?"),
        "within": _("A person answers {within}."),
        "text": _("Your message"),
        "text_hint": _("Your question stands here already. Change it as you like."),
        "left": _("{left} characters left"),
        "over": _("{over} characters too many"),
        "wants_answer": _("I want an answer"),
        "address": _("E-mail address for the answer"),
        "own_address": _("This is the address of your account; you may write another one."),
        "send": _("Send"),
        "cancel": _("Do not send"),
        "sending": _("Sending"),
        "sent": _("Your message is with the team."),
        "number": _("Its number"),
        "number_hint": _("Keep this number: it is shown once. With it you see how your message stands, or delete it."),
        "copy": _("Copy"),
        "copied": _("Copied"),
        "look": _("See how it stands"),
        "address_wanted": address_wanted(),
        "empty": _("Write something first."),
        "unreachable": _("The site cannot be reached from here. Check your connection, then send again."),
        "unknown": _("Something went wrong. Nothing was sent. Please try again."),
    }
