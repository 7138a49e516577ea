"""System checks of sign-in."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

FILES = "django.core.mail.backends.filebased.EmailBackend"


@register()
def check_mail(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """W001: a public site whose sign-in codes go into files. W002: passkeys at an address that has none."""
    found: list[CheckMessage] = []
    if settings.HTTPS and settings.EMAIL_BACKEND == FILES:
        hint = "Nobody can sign in before mail is sent: EMAIL_URL=smtp+tls://user:password@host:587"
        found.append(Warning("EMAIL_URL is not set; mail is written into files.", hint=hint, id="accounts.W001"))
    host = urlsplit(settings.CHAT_URL).hostname or ""
    if not settings.HTTPS and host != "localhost" and not host.endswith(".localhost"):
        hint = "Browsers make passkeys for https and for http://localhost only."
        found.append(Warning("No passkeys at this SITE_URL or CHAT_URL.", hint=hint, id="accounts.W002"))
    return found
