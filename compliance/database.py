"""The database from asynchronous code: in a thread of nobody's, and the connection back into the pool at once."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what ``function`` returns, run in a thread where it may wait for the database.

    No request ends in such a thread, so nothing else would give its connection back: eight that ended together would
    hold the whole pool, and one whose server was restarted would stay broken for good.
    """
    return await sync_to_async(_and_close, thread_sensitive=False)(function, *args, **kwargs)


def _and_close(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    try:
        return function(*args, **kwargs)
    finally:
        connection.close()
