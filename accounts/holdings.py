"""What this app itself holds about a person: its pages, its parts of an export, its mails."""

from typing import Any

from django.conf import settings
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts import alarms, export, mailqueue, pages, sessions  # noqa: F401 - alarms register when loaded
from accounts.models import DataExport, QueuedMail, User
from compliance import consents
from compliance.models import AuditEntry, ConsentEvent, Purpose


def register() -> None:
    """Tell the registries. Called once, when the apps are ready."""
    pages.section(_("Overview"), "account:overview", order=0)
    pages.section(_("Profile"), "account:profile", order=10, summary=_("Your address and the language of your pages."))
    pages.section(_("Sessions"), "account:sessions", order=20, summary=_("Where you are signed in, and how to end it."))
    pages.section(
        _("Consents"), "account:consents", order=40, summary=_("What you allowed, when, and how to withdraw it.")
    )
    pages.section(_("Export"), "account:export", order=80, summary=_("Everything we hold about you, in one file."))
    pages.section(_("Erase"), "account:erase", order=90, summary=_("Delete this account and everything that is yours."))

    export.part("profile", profile, title=_("Profile"), labels=PROFILE)
    export.part("consents", consent_events, title=_("Consents"), labels=CONSENTS, words=CONSENT_WORDS)
    export.part("sessions", signed_in, title=_("Sessions"), labels=SESSIONS)
    export.part(
        "mail", mails, title=_("Mail to you, without code mails"), labels=MAILS, words=dict(QueuedMail.State.choices)
    )
    export.part("exports", exports, title=_("Exports"), labels=EXPORTS, words=dict(DataExport.State.choices))
    export.part(
        "audit",
        audit_entries,
        title=_("What the audit log says about you"),
        labels=AUDIT,
        words={"you": _("you"), "staff": _("staff")},
    )

    mailqueue.template("export-ready", export_ready)


PROFILE = {
    "id": _("random id"),
    "email": _("e-mail address"),
    "language": _("language"),
    "joined": _("joined"),
    "last_sign_in": _("last sign-in"),
    "staff": _("staff"),
}
CONSENTS = {
    "purpose": _("purpose"),
    "action": _("action"),
    "at": _("at"),
    "notice_version": _("version of the notice"),
    "notice_sha256": _("sha256 of the notice"),
    "wording": _("words beside the box"),
    "language": _("language"),
    "where": _("where"),
}
CONSENT_WORDS = dict(ConsentEvent.Action.choices) | dict(Purpose.choices)
SESSIONS = {"browser": _("browser"), "started": _("started"), "last_seen": _("last seen")}
MAILS = {"mail": _("mail"), "state": _("state"), "queued": _("queued"), "about": _("about")}
EXPORTS = {"id": _("random id"), "state": _("state"), "requested": _("requested"), "expires": _("expires")}
AUDIT = {
    "number": _("number"),
    "at": _("at"),
    "actor": _("actor"),
    "action": _("action"),
    "object": _("object"),
    "changes": _("changes"),
}


def profile(user: User) -> dict[str, Any]:
    return {
        "id": user.public_id,
        "email": user.email,
        "language": user.language,
        "joined": user.date_joined,
        "last_sign_in": user.last_login,
        "staff": user.is_staff,
    }


def consent_events(user: User) -> list[dict[str, Any]]:
    return [
        {
            "purpose": event.purpose,
            "action": event.action,
            "at": event.at,
            "notice_version": event.notice_version,
            "notice_sha256": event.notice_sha256,
            "wording": event.wording,
            "language": event.language,
            "where": event.channel,
        }
        for event in consents.history(user.public_id)
    ]


def signed_in(user: User) -> list[dict[str, Any]]:
    return [
        {"browser": session.browser, "started": session.started_at, "last_seen": session.seen_at}
        for session in sessions.of(user)
    ]


def mails(user: User) -> list[dict[str, Any]]:
    return [
        {"mail": queued.template, "state": queued.state, "queued": queued.created_at, "about": queued.object_id}
        for queued in user.mails.order_by("created_at")
    ]


def exports(user: User) -> list[dict[str, Any]]:
    return [
        {
            "id": each.public_id,
            "state": each.state,
            "requested": each.requested_at,
            "expires": each.expires_at,
        }
        for each in user.exports.order_by("requested_at")
    ]


def audit_entries(user: User) -> list[dict[str, Any]]:
    """Return the entries by and about a person; an act of staff on them names the staff member only as such."""
    me = f"user:{user.public_id}"
    theirs = AuditEntry.objects.filter(Q(actor=me) | Q(object_id=str(user.public_id))).order_by("number")
    return [
        {
            "number": entry.number,
            "at": entry.at,
            "actor": _role(entry.actor, me),
            "action": entry.action,
            "object": f"{entry.object_kind} {entry.object_id}".strip(),
            "changes": entry.changes,
        }
        for entry in theirs
    ]


def export_ready(user: User, object_id: str) -> dict[str, Any] | None:
    """Return what the mail about a finished export says; None when it was fetched or is too old."""
    ready = user.exports.filter(public_id=object_id, state=DataExport.State.READY, expires_at__gt=timezone.now())
    made = ready.first()
    if made is None:
        return None
    path = reverse("account:export-file", args=[export.link_token(made)])
    return {"url": f"{settings.CHAT_URL}{path}", "hours": round(settings.EXPORT_KEPT_S / 3600)}


def _role(actor: str, me: str) -> str:
    if actor == me:
        return "you"
    return "staff" if actor.startswith("user:") else actor
