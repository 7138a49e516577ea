"""Who else handles data for this site, from one file, held against the hosts that the settings send data to."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from django.conf import settings

from compliance import tables
from compliance.tables import TableError, Words

SMTP = "django.core.mail.backends.smtp.EmailBackend"
STRIPE_HOST = "api.stripe.com"


class Processor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A company or person that handles data for the operator.

    ``contract`` is the day of the contract for processing (GDPR 28(3)), ``transfer`` the basis on which data leave the
    European Economic Area or Switzerland (GDPR 45, 46), ``country`` where it processes, in ISO 3166.
    """

    id: str
    name: str
    hosts: list[str]
    country: str
    transfer: Literal["none", "adequacy", "clauses"]
    contract: datetime.date | None = None
    purpose: Words
    data: Words


class Processors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. Empty: the operator's own machine does everything."""

    version: str
    processor: list[Processor] = []


@dataclass(frozen=True, slots=True)
class Outbound:
    """A setting that makes this site send data to another machine, and to which."""

    setting: str
    host: str


def listed() -> Processors:
    """Return the operator's file, or the one that ships. Raises TableError."""
    path = Path(settings.PROCESSORS_FILE) if settings.PROCESSORS_FILE else tables.FOLDER / "processors.toml"
    found = tables.read(path, Processors)
    for one in found.processor:
        if tables.incomplete(one.purpose) or tables.incomplete(one.data):
            raise TableError(f"{path.name}: {one.id} does not say purpose and data in every language of the site")
    return found


def outbound() -> list[Outbound]:
    """Return every host beyond this machine that the settings name, with the setting that does."""
    addresses = {
        "LLM_CPU_URL": settings.LLM_CPU["url"],
        "LLM_SLOW_URL": settings.LLM_SLOW["url"],
        "LLM_GPU_URL": settings.LLM_GPU["url"],
        "LLM_GPU_WAKE_URL": settings.LLM_GPU_WAKE_URL,
        "LLM_GPU_SLEEP_URL": settings.LLM_GPU_SLEEP_URL,
        "LLM_GPU_STATE_URL": settings.LLM_GPU_STATE_URL,
        "LLM_EMBED_URL": settings.LLM_EMBED["url"],
        "REDIS_URL": settings.REDIS_URL,
    }
    hosts = {name: _host_of(url) for name, url in addresses.items()}
    hosts["DATABASE_URL"] = str(settings.DATABASES["default"].get("HOST") or "")
    if settings.EMAIL_BACKEND == SMTP:
        hosts["EMAIL_URL"] = settings.EMAIL_HOST
    if settings.STRIPE_SECRET_KEY:
        name = "STRIPE_API_URL" if settings.STRIPE_API_URL else "STRIPE_SECRET_KEY"
        hosts[name] = _host_of(settings.STRIPE_API_URL) or STRIPE_HOST
    return [Outbound(name, host.lower()) for name, host in sorted(hosts.items()) if not _is_here(host)]


def unlisted() -> list[Outbound]:
    """Return the hosts that get data and that nobody is named for. Raises TableError."""
    known = [host.lower() for one in listed().processor for host in one.hosts]
    return [each for each in outbound() if not any(_covers(host, each.host) for host in known)]


def _covers(pattern: str, host: str) -> bool:
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def _is_here(host: str) -> bool:
    """Whether nothing leaves the machine: no host, the folder of a socket, or loopback."""
    if not host or host.startswith("/") or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
