"""What both doors, socket and HTTP, do before a question reaches the pipeline: origin, address, limit, id."""

import ipaddress
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass

from django.conf import settings

from chat import limits, running
from chat.asks import Ask
from chat.errors import IdReused
from chat.replies import Asker, Event, reply
from chat.running import Followed
from inference.admission import Priority
from inference.stopping import StopSignal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the door: a name for limits and what the server's session grants."""

    name: str
    limit: str
    asker: Asker


def client_address(peer: str, forwarded_for: str) -> str:
    """Return the client's address: the peer, or what the outermost of our own proxies saw.

    Each of ``TRUSTED_PROXY_COUNT`` proxies appends the address it saw, so only that many entries from
    the right are ours; whatever stands left of them is the client's own invention.
    """
    count = settings.TRUSTED_PROXY_COUNT
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    found = _without_port(hops[-count]) if count and len(hops) >= count else ""
    return found or peer


def _without_port(hop: str) -> str:
    """Return the address in a hop, which some proxies write with a port; empty when there is none."""
    for text in (hop, hop.rpartition(":")[0]):
        try:
            return str(ipaddress.ip_address(text.strip("[]")))
        except ValueError:
            continue
    return ""


def caller(*, peer: str, forwarded_for: str = "", user_id: str | None = None) -> Caller:
    """Return who asks. A signed-in person is counted by account, a visitor by address."""
    if user_id:
        return Caller(f"user:{user_id}", settings.CHAT_RATE_LIMIT_SIGNED_IN, Asker(priority=Priority.SIGNED_IN))
    address = client_address(peer, forwarded_for)
    return Caller(f"address:{limits.address_name(address)}", settings.CHAT_RATE_LIMIT, Asker())


def origin_allowed(headers: Mapping[str, str], *, has_cookie: bool) -> bool:
    """Whether a request without Django's token may ask: from a page of ours, or from no browser with a cookie."""
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site")
    if origin is None:
        return not has_cookie and site in (None, "same-origin", "none")
    allowed = origin.rstrip("/") in settings.ALLOWED_ORIGINS
    return allowed and site in (None, "same-origin", "same-site")


async def open_reply(ask: Ask, at: Caller, *, may_attach: bool, request_id: str | None = None) -> Followed:
    """Return the running answer to ``ask``: a new one, or the one its owner comes back to.

    Only a new question counts against the limit. Raises RateLimited, IdReused, UnknownId, Draining.
    """
    if await running.known(ask.id) is None:
        await limits.take(at.name, at.limit)
        name = request_id or uuid.uuid4().hex

        def pipeline(stop: StopSignal) -> AsyncGenerator[Event, None]:
            return reply(ask, at.asker, stop=stop, request_id=name)

        started = await running.start(ask, pipeline, request_id=name)
        if started is not None:
            return started
    if not may_attach:
        raise IdReused
    return await running.attach(ask.id, ask.secret, body_digest=ask.digest())


def header_map(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return ASGI headers as text, the last of a repeated name winning but for x-forwarded-for, which is joined."""
    found: dict[str, str] = {}
    for name, value in headers:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        found[key] = f"{found[key]},{text}" if key == "x-forwarded-for" and key in found else text
    return found
