"""What both doors, socket and HTTP, do before a question reaches the pipeline: origin, address, limit, id."""

import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser

from accounts.models import User
from chat import limits, presence, running
from chat.askers import Asker, Person
from chat.asks import Ask
from chat.errors import IdReused
from chat.events import Event
from chat.replies import reply
from chat.running import Followed
from compliance.addresses import address_name, client_address
from inference.admission import Priority
from inference.stopping import StopSignal


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is at the door: what the server's session grants, and how one question of theirs is counted."""

    asker: Asker
    take: Callable[[], Awaitable[None]]


def person_of(user: AbstractBaseUser | AnonymousUser, session_key: str | None) -> Person | None:
    """Return the person behind a session, None for a visitor."""
    if not isinstance(user, User) or not user.is_active or not session_key:
        return None
    return Person(user.public_id, signed_in=partial(presence.is_alive, session_key))


def caller(*, peer: str, forwarded_for: str = "", person: Person | None = None, takes_versions: bool = False) -> Caller:
    """Return who asks. A signed-in person is counted by account, a visitor by address."""
    if person is not None:
        asker = Asker(Priority.SIGNED_IN, person, takes_versions)
        return Caller(asker, partial(limits.take_for, person.public_id, settings.CHAT_RATE_LIMIT_SIGNED_IN))
    address = client_address(peer, forwarded_for)
    return Caller(Asker(), partial(limits.take, f"address:{address_name(address)}", settings.CHAT_RATE_LIMIT))


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
        await at.take()
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
