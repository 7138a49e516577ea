"""What sign-in holds about a person, for their export. Secrets stay out: they would open the account."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.utils.translation import gettext_lazy as _

from accounts import export
from accounts.models import KnownBrowser, User

FACTORS = {"kind": _("kind"), "name": _("name"), "added": _("added"), "last_used": _("last used")}
BROWSERS = {"first_seen": _("first seen"), "last_seen": _("last seen")}
KINDS = {"webauthn": _("passkey"), "totp": _("authenticator app"), "recovery_codes": _("recovery codes")}


def register() -> None:
    """Tell the registry. Called once, when the apps are ready."""
    export.part("factors", factors, title=_("Passkeys and second factor"), labels=FACTORS, words=KINDS)
    export.part("browsers", browsers, title=_("Browsers in which you have signed in"), labels=BROWSERS)


def factors(user: User) -> list[dict[str, Any]]:
    """Return what there is, without what it is made of."""
    return [
        {
            "kind": row.type,
            "name": row.wrap().name if row.type == Authenticator.Type.WEBAUTHN else "",
            "added": row.created_at,
            "last_used": row.last_used_at,
        }
        for row in Authenticator.objects.filter(user=user).order_by("created_at")
    ]


def browsers(user: User) -> list[dict[str, Any]]:
    """Return when each known browser was seen; of the browser itself only a digest is kept."""
    rows = KnownBrowser.objects.filter(user=user).order_by("first_seen_at")
    return [{"first_seen": row.first_seen_at, "last_seen": row.last_seen_at} for row in rows]
