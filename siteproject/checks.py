"""System checks: what settings must agree on. They name variables, never values."""

import ipaddress
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from chat.limits import parse_limit
from inference.engine import RUNTIMES

MIN_SECRET_CHARS = 40
LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
# The one spelling that browsers use in Origin and Host, which these settings are compared with. An IPv6 address in
# brackets is none of these: ALLOWED_HOSTS would refuse every request to it.
ADDRESS = re.compile(rf"(?P<scheme>https?)://(?P<host>{LABEL}(?:\.{LABEL})*)(?::(?P<port>[1-9][0-9]{{0,4}}))?")
DEFAULT_PORTS = {"http": 80, "https": 443}
MOST_PORTS = 65_535
FILLED_IN_BY_THE_OPERATOR = (
    "IMPRINT_NAME",
    "IMPRINT_ADDRESS",
    "IMPRINT_RESPONSIBLE",
    "IMPRINT_HOST",
    "CONTACT_EMAIL",
    "PRIVACY_AUTHORITY",
    "GOVERNING_LAW",
)


@register()
def check_secrets(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E001: a secret is missing. E002: a secret is short. E003: one secret serves two purposes."""
    if settings.DEBUG:
        return []
    found: list[CheckMessage] = []
    names = ("SECRET_KEY", "SEAL_KEY", "PRIVACY_PEPPER")
    for name in names:
        value = getattr(settings, name)
        hint = "bin/up writes it to var/env; elsewhere set the environment variable."
        if not value:
            found.append(Error(f"{name} is not set.", hint=hint, id="siteproject.E001"))
        elif len(value) < MIN_SECRET_CHARS:
            found.append(
                Error(f"{name} has fewer than {MIN_SECRET_CHARS} characters.", hint=hint, id="siteproject.E002")
            )
    values = [getattr(settings, name) for name in names if getattr(settings, name)]
    if len(set(values)) < len(values):
        hint = "Losing one should not mean losing all: generate each on its own."
        found.append(Warning(f"{', '.join(names)} are not all different.", hint=hint, id="siteproject.W003"))
    return found


@register()
def check_addresses(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E004: an address is not scheme, host and port. E005: http beyond this machine. E006: a backend's is unusable."""
    found: list[CheckMessage] = []
    for name in ("SITE_URL", "CHAT_URL", "API_URL"):
        host = _host_of(getattr(settings, name))
        if not host:
            hint = "Such as https://www.example.org: lower case, a port only where it is not the scheme's own, no path."
            found.append(Error(f"{name} is not an http(s) address of a host.", hint=hint, id="siteproject.E004"))
        elif getattr(settings, name).startswith("http:") and not _loopback(host):
            hint = "Cookies and HSTS need https; plain http is for this machine only."
            found.append(Error(f"{name} is http on a host other than loopback.", hint=hint, id="siteproject.E005"))
    url = settings.LLM_CPU["url"]
    if url and (urlsplit(url).scheme not in ("http", "https") or urlsplit(url).username):
        found.append(Error("LLM_CPU_URL must be http(s) without a user name in it.", id="siteproject.E006"))
    return found


@register()
def check_debug(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E011: DEBUG where others can reach it. W012: believing proxies while listening to everybody."""
    found: list[CheckMessage] = []
    public = not _loopback(urlsplit(settings.SITE_URL).hostname or "") or not _loopback(settings.BIND)
    if settings.DEBUG and public:
        hint = "It shows settings and code to whoever causes an error."
        found.append(Error("DEBUG is on for an address beyond this machine.", hint=hint, id="siteproject.E011"))
    if settings.TRUSTED_PROXY_COUNT and not _loopback(settings.BIND):
        hint = "Whoever reaches the server past the proxy can invent an address; let only the proxy reach it."
        found.append(Warning("TRUSTED_PROXY_COUNT is set and BIND is not loopback.", hint=hint, id="siteproject.W012"))
    return found


@register()
def check_choices(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E007: an unknown runtime. E008: a limit that cannot be read. E009: caps beyond the context window."""
    found: list[CheckMessage] = []
    if settings.LLM_CPU["runtime"] not in RUNTIMES:
        hint = f"Known: {', '.join(sorted(RUNTIMES))}."
        found.append(Error("LLM_CPU_RUNTIME names no runtime we speak.", hint=hint, id="siteproject.E007"))
    for name in ("CHAT_RATE_LIMIT", "CHAT_RATE_LIMIT_SIGNED_IN"):
        try:
            parse_limit(getattr(settings, name))
        except ValueError:
            found.append(Error(f"{name} is not a limit such as 20/15m.", id="siteproject.E008"))
    if settings.LLM_CPU["max_output_tokens"] >= settings.LLM_CPU["context_tokens"]:
        found.append(Error("LLM_CPU_MAX_TOKENS must be below LLM_CPU_CONTEXT.", id="siteproject.E009"))
    return found


@register()
def check_imprint(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """W010: a public site whose imprint, privacy page or terms have gaps that only its operator can fill."""
    missing = [name for name in FILLED_IN_BY_THE_OPERATOR if not getattr(settings, name)]
    if not settings.HTTPS or not missing:
        return []
    hint = "The imprint, the privacy page and the terms show where each is missing."
    return [Warning(f"{', '.join(missing)} not set.", hint=hint, id="siteproject.W010")]


def _host_of(address: str) -> str:
    """Return the host of ``scheme://host[:port]``, "" for anything else."""
    found = ADDRESS.fullmatch(address)
    if not found:
        return ""
    port = int(found["port"] or 0)
    return "" if port > MOST_PORTS or port == DEFAULT_PORTS[found["scheme"]] else str(found["host"])


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
