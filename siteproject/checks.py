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
from inference.backends.embeddings import RUNTIMES as EMBEDDERS
from inference.drivers import DRIVERS
from inference.engine import RUNTIMES
from inference.tending import MISSED_BEATS

MIN_SECRET_CHARS = 40
LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
# The one spelling that browsers use in Origin and Host, which these settings are compared with. An IPv6 address in
# brackets is none of these: ALLOWED_HOSTS would refuse every request to it.
ADDRESS = re.compile(rf"(?P<scheme>https?)://(?P<host>{LABEL}(?:\.{LABEL})*)(?::(?P<port>[1-9][0-9]{{0,4}}))?")
BACKENDS = ("LLM_CPU", "LLM_GPU", "LLM_SLOW")
DRIVER_ADDRESSES = ("LLM_GPU_WAKE_URL", "LLM_GPU_SLEEP_URL", "LLM_GPU_STATE_URL")
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
    values = {name: getattr(settings, name) for name in ("SECRET_KEY", "SEAL_KEY", "PRIVACY_PEPPER")}
    values["API_KEY_PEPPER"] = next(iter(settings.API_KEY_PEPPERS.values())).decode()
    for name, value in values.items():
        hint = "bin/up writes it to var/env; elsewhere set the environment variable."
        if not value:
            found.append(Error(f"{name} is not set.", hint=hint, id="siteproject.E001"))
        elif len(value) < MIN_SECRET_CHARS:
            found.append(
                Error(f"{name} has fewer than {MIN_SECRET_CHARS} characters.", hint=hint, id="siteproject.E002")
            )
    given = [value for value in values.values() if value]
    if len(set(given)) < len(given):
        hint = "Losing one should not mean losing all: generate each on its own."
        found.append(Warning(f"{', '.join(values)} are not all different.", hint=hint, id="siteproject.W003"))
    return found


@register()
def check_addresses(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E004: an address is not scheme, host and port. E005: http beyond this machine. E006: a backend's is unusable.

    E016: a key in the clear.
    """
    found: list[CheckMessage] = []
    for name in ("SITE_URL", "CHAT_URL", "API_URL"):
        host = _host_of(getattr(settings, name))
        if not host:
            hint = "Such as https://www.example.org: lower case, a port only where it is not the scheme's own, no path."
            found.append(Error(f"{name} is not an http(s) address of a host.", hint=hint, id="siteproject.E004"))
        elif getattr(settings, name).startswith("http:") and not _loopback(host):
            hint = "Cookies and HSTS need https; plain http is for this machine only."
            found.append(Error(f"{name} is http on a host other than loopback.", hint=hint, id="siteproject.E005"))
    addresses = {f"{name}_URL": getattr(settings, name)["url"] for name in BACKENDS}
    addresses |= {name: getattr(settings, name) for name in DRIVER_ADDRESSES}
    addresses |= {"LLM_EMBED_URL": settings.LLM_EMBED["url"], "STRIPE_API_URL": settings.STRIPE_API_URL}
    for name, url in addresses.items():
        if url and (urlsplit(url).scheme not in ("http", "https") or urlsplit(url).username):
            found.append(Error(f"{name} must be http(s) without a user name in it.", id="siteproject.E006"))
    for name in (*BACKENDS, "LLM_EMBED"):
        backend = getattr(settings, name)
        if backend["key"] and _in_the_clear(backend["url"]):
            found.append(Error(f"{name}_URL would send {name}_KEY in the clear: use https.", id="siteproject.E016"))
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
    """E007: an unknown runtime. E008: a limit that cannot be read. E009: caps beyond the context window.

    E018: a tier or hardware we do not know.
    """
    found: list[CheckMessage] = []
    for name in BACKENDS:
        backend = getattr(settings, name)
        if backend["runtime"] not in RUNTIMES:
            hint = f"Known: {', '.join(sorted(RUNTIMES))}."
            found.append(Error(f"{name}_RUNTIME names no runtime we speak.", hint=hint, id="siteproject.E007"))
        if backend["max_output_tokens"] >= backend["context_tokens"]:
            found.append(Error(f"{name}_MAX_TOKENS must be below {name}_CONTEXT.", id="siteproject.E009"))
        if backend.get("hardware", "cpu") not in ("cpu", "gpu"):
            found.append(Error(f"{name}_HARDWARE is cpu or gpu.", id="siteproject.E018"))
        if backend.get("tier", "small") not in ("small", "large"):
            found.append(Error(f"{name}_TIER is small or large.", id="siteproject.E018"))
    if settings.LLM_EMBED["runtime"] not in EMBEDDERS:
        hint = f"Known: {', '.join(sorted(EMBEDDERS))}."
        found.append(Error("LLM_EMBED_RUNTIME names no runtime we speak.", hint=hint, id="siteproject.E007"))
    for name in ("CHAT_RATE_LIMIT", "CHAT_RATE_LIMIT_SIGNED_IN"):
        try:
            parse_limit(getattr(settings, name))
        except ValueError:
            found.append(Error(f"{name} is not a limit such as 20/15m.", id="siteproject.E008"))
    return found


@register()
def check_large_tier(*, app_configs: Sequence[AppConfig] | None = None, **_kwargs: Any) -> list[CheckMessage]:
    """E013: no such driver. E014: an address it needs is missing. E015: nobody would ever put the machine to sleep.

    E016: a token in the clear. E017: periods that do not fit each other.
    """
    driver, gpu = settings.LLM_GPU_DRIVER, settings.LLM_GPU
    if driver not in (*DRIVERS, "none"):
        hint = f"Known: {', '.join(sorted(DRIVERS))}, none."
        return [Error("LLM_GPU_DRIVER names no driver we have.", hint=hint, id="siteproject.E013")]
    if driver == "none" or not (gpu["url"] or driver != "on_demand"):
        return []
    found: list[CheckMessage] = []
    needed = ["LLM_GPU_WAKE_URL"] if driver == "wake_url" else ["LLM_GPU_WAKE_URL", "LLM_GPU_SLEEP_URL"]
    needed += ["LLM_GPU_STATE_URL"] if driver == "on_demand" else []
    missing = [name for name in needed if not getattr(settings, name)]
    missing += [] if gpu["url"] else ["LLM_GPU_URL"]
    if missing:
        found.append(Error(f"{', '.join(missing)}: the driver {driver} needs it.", id="siteproject.E014"))
    limit_s, most_s = settings.LLM_GPU_PROVIDER_LIMIT_S, settings.LLM_GPU_IDLE_S + settings.LLM_GPU_SWITCH_S
    if driver == "wake_url" and not 0 < limit_s <= most_s:
        hint = (
            f"Declare the provider's own idle limit: above 0, at most {most_s:g} (LLM_GPU_IDLE_S + LLM_GPU_SWITCH_S)."
        )
        found.append(
            Error("LLM_GPU_PROVIDER_LIMIT_S: this machine cannot be told to sleep.", hint=hint, id="siteproject.E015")
        )
    for name in DRIVER_ADDRESSES:
        if settings.LLM_GPU_WAKE_TOKEN and _in_the_clear(getattr(settings, name)):
            found.append(Error(f"{name} would send the token in the clear: use https.", id="siteproject.E016"))
    if settings.LLM_GPU_WAKE_METHOD not in ("GET", "POST"):
        found.append(Error("LLM_GPU_WAKE_METHOD is GET or POST.", id="siteproject.E013"))
    if settings.LLM_GPU_HEARTBEAT_S * MISSED_BEATS > settings.LLM_GPU_SWITCH_S:
        hint = "At most a third of LLM_GPU_SWITCH_S, so that another worker may take over before the switch acts."
        found.append(Error("LLM_GPU_HEARTBEAT_S is too long.", hint=hint, id="siteproject.E017"))
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


def _in_the_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not _loopback(parts.hostname or "")


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
