"""Client addresses: whose is believed, and the daily name that stands for one without telling it."""

import datetime
import hashlib
import hmac
import ipaddress

from django.conf import settings
from django.http import HttpRequest


def address_name(address: str) -> str:
    """Return a name for an address that changes daily and tells nobody the address: IPv6 by /64, keyed digest."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        parsed = ipaddress.ip_address("0.0.0.0")  # noqa: S104 - a value, nothing is bound to it
    if parsed.version == 6:
        mapped = parsed.ipv4_mapped
        parsed = mapped or ipaddress.ip_network((parsed, 64), strict=False).network_address
    day = datetime.datetime.now(datetime.UTC).date().isoformat()
    return hmac.new(settings.PRIVACY_PEPPER.encode(), f"{day}:{parsed}".encode(), hashlib.sha256).hexdigest()[:24]


def client_address(peer: str, forwarded_for: str) -> str:
    """Return the client's address: the peer, or what the outermost of our own proxies saw.

    Each of ``TRUSTED_PROXY_COUNT`` proxies appends the address it saw, so only that many entries from
    the right are ours; whatever stands left of them is the client's own invention.
    """
    count = settings.TRUSTED_PROXY_COUNT
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    found = _without_port(hops[-count]) if count and len(hops) >= count else ""
    return found or peer


def request_address(request: HttpRequest) -> str:
    """Return the address a request of Django's came from."""
    return client_address(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))


def _without_port(hop: str) -> str:
    """Return the address in a hop, which some proxies write with a port; empty when there is none."""
    for text in (hop, hop.rpartition(":")[0]):
        try:
            return str(ipaddress.ip_address(text.strip("[]")))
        except ValueError:
            continue
    return ""
