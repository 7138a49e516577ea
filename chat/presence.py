"""Which sockets belong to which signed-in session: when a session ends, wherever that happened, its sockets close.

One query for all sockets of this process every ``LOOK_S``; a database that is away ends nobody's session.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from django.contrib.sessions.models import Session
from django.utils import timezone

from compliance.database import in_thread

logger = logging.getLogger(__name__)
LOOK_S = 2.0
Close = Callable[[], Awaitable[None]]

_open: dict[str, set[Close]] = defaultdict(set)


@contextmanager
def present(session_key: str, close: Close) -> Iterator[None]:
    """Have ``close`` awaited if the session ends while the context lasts."""
    _open[session_key].add(close)
    try:
        yield
    finally:
        _open[session_key].discard(close)
        if not _open[session_key]:
            del _open[session_key]


async def is_alive(session_key: str) -> bool:
    """Whether the session still stands; yes when the database cannot say."""
    return session_key in await _alive([session_key])


async def keep_watch() -> None:
    """Close the sockets of sessions that have ended, for as long as the process runs."""
    while True:
        await asyncio.sleep(LOOK_S)
        keys = list(_open)
        if not keys:
            continue
        alive = await _alive(keys)
        closing = [close() for key in keys if key not in alive for close in _open.get(key, ())]
        await asyncio.gather(*closing, return_exceptions=True)


async def _alive(keys: list[str]) -> set[str]:
    try:
        return await in_thread(_read, keys)
    except Exception as error:
        logger.warning("sessions not read (%s), they stand", type(error).__name__)
        return set(keys)


def _read(keys: list[str]) -> set[str]:
    found = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    return set(found.values_list("session_key", flat=True))
