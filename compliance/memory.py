"""Redis from asynchronous code: one client for each event loop. Nothing in it has to last."""

import asyncio

from django.conf import settings
from redis.asyncio import Redis

_clients: dict[int, Redis] = {}


def redis() -> Redis:
    """Return this event loop's client."""
    loop = id(asyncio.get_running_loop())
    if loop not in _clients:
        _clients[loop] = Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=settings.REDIS_TIMEOUT_S,
            socket_connect_timeout=settings.REDIS_TIMEOUT_S,
        )
    return _clients[loop]
